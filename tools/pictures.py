"""Take the pictures that the README shows, of the demonstration sale in full swing.

    python tools/pictures.py

Starts the program on a free port with a data folder of its own, sends a simulated crowd at the
sale, and opens the waiting page as a phone does and the operators' screen as a desk does. Pages
use the fonts of the machine; on Debian `apt install fonts-inter fonts-urw-base35` gives those of
the pictures in `docs/pictures`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from waitroom.run.processes import claim_port
from waitroom.run.seed import ROOM

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
HOST = "127.0.0.1"

# Shoppers at half the usual pace arrive within a minute. The shopper of the picture joins behind
# `JOINS_BEHIND` of them. The pictures are taken when `SOLD_AT_LEAST` units are sold: by then the
# charts have something to show, and the shopper still waits.
SHOPPERS, ARRIVE_S, PACE = 260, 30, 2
JOINS_BEHIND, SOLD_AT_LEAST = 105, 30
START_WAIT_S, SALE_WAIT_S, STOP_WAIT_S = 90, 240, 30

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 960}
COLOURS_MAX = 128
BYTES_MAX = 200_000

BROWSER_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
# A bare Debian has DejaVu for system-ui and for ui-serif; these look like a phone's own fonts and
# are preferred where they are installed.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <alias binding="same"><family>DejaVu Sans</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="same"><family>ui-serif</family><prefer><family>P052</family></prefer></alias>
</fontconfig>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A running demonstration: where it listens, and the first operator's password."""

    url: str
    password: str

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/rooms/{ROOM}/state", timeout=5) as answer:
            state: dict[str, Any] = json.load(answer)
            return state


def until(look: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Look again and again until it is so; raises `TimeoutError` when it takes too long."""
    deadline = time.monotonic() + within_s
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s} s for {what}")
        time.sleep(0.25)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def crowd(sale: Sale, *, shoppers: int = SHOPPERS) -> Iterator[None]:
    """Send simulated shoppers at the sale for as long as the pictures take."""
    arguments = {"--url": sale.url, "--room": ROOM, "--shoppers": shoppers} | {
        "--arrive-s": ARRIVE_S,
        "--pace": PACE,
    }
    simulated = subprocess.Popen(
        [sys.executable, "-m", "waitroom", "load", "--json"]
        + [str(part) for option in arguments.items() for part in option],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        simulated.send_signal(signal.SIGINT)
        try:
            simulated.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            # A crowd of thousands takes long to go home on a busy machine.
            simulated.kill()
            simulated.wait()


@contextmanager
def demonstration(folder: Path) -> Iterator[Sale]:
    """Run `waitroom up --demo` in a folder, and stop it afterwards."""
    port = claim_port(HOST, 0)
    url = f"http://{HOST}:{port}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WAITROOM_")}
    with (folder / "log").open("wb") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "waitroom", "up", "--demo"],
            env=environment
            | {
                "WAITROOM_DATA_DIR": str(folder / "data"),
                "WAITROOM_PORT": str(port),
                "WAITROOM_BRAND": "Kiln & Paper",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: is_ready(url), within_s=START_WAIT_S, what="the program")
        password = (folder / "data" / "first-operator-password").read_text().strip()
        yield Sale(url=url, password=password)
    finally:
        program.send_signal(signal.SIGINT)
        program.wait(STOP_WAIT_S)


def sign_in(browser: Browser, sale: Sale) -> Page:
    """Open the operators' screen on the room of the demonstration."""
    page = browser.new_page(viewport=DESK, color_scheme="light")
    page.goto(f"{sale.url}/admin")
    page.fill("[name=name]", "admin")
    page.fill("[name=password]", sale.password)
    page.click("button[type=submit], form .button")
    page.goto(f"{sale.url}/admin/screens/{ROOM}/live")
    return page


def join(browser: Browser, sale: Sale) -> Page:
    """Open the waiting page on a phone; its script takes a number by itself."""
    phone = browser.new_context(
        viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True, color_scheme="light"
    )
    page = phone.new_page()
    page.goto(f"{sale.url}/rooms/{ROOM}")
    page.wait_for_selector("#stub:not([hidden])")
    return page


def take(page: Page, name: str) -> Path:
    """Save what a page shows as a PNG with few colours, which its flat areas do not miss."""
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    with Image.open(path) as whole:
        few = whole.convert("RGB").quantize(COLOURS_MAX, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    return path


def take_both(browser: Browser, sale: Sale, desk: Page) -> list[Path]:
    """Join behind the first of the crowd, and take the pictures once the sale is under way."""

    def many_are_here() -> bool:
        return bool(sale.state()["lines"][0]["tail"] >= JOINS_BEHIND)

    def much_is_sold() -> bool:
        return int(desk.inner_text("#figure-sold").replace(",", "")) >= SOLD_AT_LEAST

    def place_was_just_said() -> bool:
        return phone.inner_text("#place") in phone.inner_text("#status")

    until(many_are_here, within_s=SALE_WAIT_S, what="the crowd")
    phone = join(browser, sale)
    until(much_is_sold, within_s=SALE_WAIT_S, what="sales")
    operators_screen = take(desk, "operators-screen")
    until(place_was_just_said, within_s=SALE_WAIT_S, what="news of the place")
    return [take(phone, "waiting-page"), operators_screen]


@click.command(help=(__doc__ or "").partition("\n")[0])
def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    chromium = subprocess.run(
        ["sh", str(ROOT / "tests" / "find_chromium.sh")],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="waitroom-pictures-") as name:
        folder = Path(name)
        (folder / "fonts.conf").write_text(FONTS)
        with demonstration(folder) as sale, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium,
                args=BROWSER_ARGUMENTS,
                env={**os.environ, "FONTCONFIG_FILE": str(folder / "fonts.conf")},
            )
            desk = sign_in(browser, sale)
            with crowd(sale):
                pictures = take_both(browser, sale, desk)
            browser.close()
    for picture in pictures:
        size = picture.stat().st_size
        click.echo(f"{picture.relative_to(ROOT)}: {size // 1000} kB")
        if size > BYTES_MAX:
            raise click.ClickException(f"{picture.name} is larger than {BYTES_MAX // 1000} kB")


if __name__ == "__main__":
    main()

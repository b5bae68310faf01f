"""Measure the shoppers' pages as a slow phone meets them, and print the table.

    python tools/pages.py

Starts the demonstration on a free port with a data folder of its own and opens its pages in
Chromium at 400 kbit/s with 400 ms of latency for each request, with an empty cache. For each page
it tells what the page, its styles and its scripts weigh, when the first text was painted, when the
shopper's own place was there to be read, and how far the page shifted (Cumulative Layout Shift)
until five seconds later. Seconds depend on what else the machine does; the round trips before the
place, one after the other, and the work of the page's main thread tell why it took so long.
Each figure is the median of `--rounds` visits.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from pictures import BROWSER_ARGUMENTS, ROOT, Sale, demonstration
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from waitroom.run.seed import ROOM

LATENCY_MS = 400
KBIT_S = 400
WATCHED_MS = 5_000
# What a page asks for while it is open, and pictures, are not of its weight.
APART = {"Image", "Fetch", "XHR"}
PATIENCE_MS = 60_000
PHONE = {"width": 390, "height": 844}
PLACE_MAX_S, SHIFT_MAX, WEIGHT_MAX = 2.0, 0.05, 30_000
# A language whose letters take two bytes or three has the heaviest pages.
LANGUAGES = ("en", "de", "ar", "hi")

WATCH = """
window.seen = { shift: 0, place: null, paint: null };
const watch = (type, told) => new PerformanceObserver((list) => list.getEntries().forEach(told))
  .observe({ type, buffered: true });
watch("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.shift += entry.value; });
watch("paint", ({ name, startTime }) => {
  if (name === "first-contentful-paint") seen.paint = startTime;
});
const look = () => {
  const place = document.getElementById("place");
  if (place?.offsetParent && /\\p{Nd}/u.test(place.textContent)) seen.place = performance.now();
  else requestAnimationFrame(look);
};
look();
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit of a page; times in seconds since the shopper asked for it."""

    page: str
    # Bytes of the page, its styles and its scripts over the wire, headers and all.
    weight: int
    paint_s: float
    # None on a page that shows no place.
    place_s: float | None
    shift: float
    # The longest chain of requests, each sent after the answer to the one before, until the place
    # was there.
    trips: int | None
    # The main thread's work, in the page's process, while the page was watched.
    work_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A request on the wire, in seconds of the browser's clock."""

    sent: float
    answered: float


def longest_chain(trips: Iterable[Trip], until: float) -> int:
    """Return how many of the requests that were answered by then follow one another at most."""
    lengths: dict[Trip, int] = {}
    for trip in sorted(trips, key=lambda trip: trip.sent):
        if trip.answered <= until:
            before = (n for earlier, n in lengths.items() if earlier.answered <= trip.sent)
            lengths[trip] = 1 + max(before, default=0)
    return max(lengths.values(), default=0)


def visit(context: BrowserContext, page: str, url: str) -> Visit:
    """Open a page on a slow line, and watch it for a while."""
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.add_init_script(WATCH)
    wire = context.new_cdp_session(tab)
    wire.send("Network.enable")
    wire.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": KBIT_S * 1000 / 8,
            "uploadThroughput": KBIT_S * 1000 / 8,
        },
    )
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    apart: set[str] = set()
    weights: dict[str, int] = {}
    sent: dict[str, float] = {}
    trips: list[Trip] = []

    def answered(told: dict[str, Any]) -> None:
        if told["type"] in APART:
            apart.add(told["requestId"])
        if told["type"] != "Image":
            trips.append(Trip(sent=sent[told["requestId"]], answered=told["timestamp"]))

    wire.send("Performance.enable")
    wire.on(
        "Network.requestWillBeSent",
        lambda told: sent.__setitem__(told["requestId"], told["timestamp"]),
    )
    wire.on("Network.responseReceived", answered)
    wire.on(
        "Network.loadingFinished",
        lambda told: weights.__setitem__(told["requestId"], int(told["encodedDataLength"])),
    )
    tab.goto(url)
    tab.wait_for_timeout(WATCHED_MS)
    seen = tab.evaluate("seen")
    figures = {one["name"]: one["value"] for one in wire.send("Performance.getMetrics")["metrics"]}
    tab.close()
    place_s = None if seen["place"] is None else seen["place"] / 1000
    return Visit(
        page=page,
        weight=sum(size for name, size in weights.items() if name not in apart),
        paint_s=seen["paint"] / 1000,
        place_s=place_s,
        shift=seen["shift"],
        trips=None if place_s is None else longest_chain(trips, min(sent.values()) + place_s),
        work_s=figures["TaskDuration"],
    )


def visits(browser: Browser, sale: Sale) -> Iterator[Visit]:
    """Open every page once: the line, which calls nobody yet, then the shop and the checkout."""
    for tag in LANGUAGES:
        phone = browser.new_context(viewport=PHONE, locale=tag)
        yield visit(phone, f"waiting, first visit ({tag})", f"{sale.url}/rooms/{ROOM}")
        yield visit(phone, f"waiting, again ({tag})", f"{sale.url}/rooms/{ROOM}")
        phone.close()
    phone = browser.new_context(viewport=PHONE, locale="en")
    yield visit(phone, "shop", f"{sale.url}/")
    yield visit(phone, "product", f"{sale.url}/products/mug")
    phone.close()


def call(browser: Browser, sale: Sale, *, seats: int) -> None:
    """Set the seats of the room, as an operator."""
    desk = browser.new_context()
    page = desk.new_page()
    page.goto(f"{sale.url}/admin/login")
    page.fill("[name=name]", "admin")
    page.fill("[name=password]", sale.password)
    page.click("form .button")
    changed = page.evaluate(
        """([room, seats]) => fetch(`/admin/rooms/${room}`, { method: "PATCH",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ seats_max: seats }) }).then((answer) => answer.status)""",
        [ROOM, seats],
    )
    desk.close()
    if changed != 200:
        raise click.ClickException(f"the seats could not be set: {changed}")


def checkout(browser: Browser, sale: Sale) -> Iterator[Visit]:
    """Let one shopper in, and open the pages that they see."""
    phone = browser.new_context(viewport=PHONE, locale="en")
    tab: Page = phone.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.goto(f"{sale.url}/rooms/{ROOM}")
    tab.wait_for_selector("#enter:visible")
    yield visit(phone, "waiting, called", f"{sale.url}/rooms/{ROOM}")
    tab.click("#enter")
    tab.wait_for_selector("#checkout")
    tab.close()
    yield visit(phone, "checkout", f"{sale.url}/checkout?room={ROOM}")
    phone.close()


def table(rounds: list[list[Visit]]) -> str:
    """Return the medians as a table in Markdown."""
    lines = [
        "| page | weight | first paint | own place | round trips | work | shift |",
        "|---|---|---|---|---|---|---|",
    ]
    for same in zip(*rounds, strict=True):
        places = [one.place_s for one in same if one.place_s is not None]
        place = f"{median(places):.2f} s" if len(places) == len(same) else ""
        weight, shift = median(one.weight for one in same), median(one.shift for one in same)
        trips = max((one.trips for one in same if one.trips is not None), default="")
        work = median(one.work_s for one in same)
        lines.append(
            f"| {same[0].page} | {weight / 1000:.1f} kB | "
            f"{median(one.paint_s for one in same):.2f} s | {place} | {trips} | "
            f"{work:.2f} s | {shift:.3f} |"
        )
    return "\n".join(lines)


def over(rounds: list[list[Visit]]) -> list[str]:
    """Return the bounds that a page of the line broke in the median visit."""
    broken = []
    for same in zip(*rounds, strict=True):
        name = same[0].page
        if not name.startswith("waiting"):
            continue
        places = [one.place_s for one in same if one.place_s is not None]
        if places and median(places) > PLACE_MAX_S:
            broken.append(f"{name}: own place after {median(places):.2f} s")
        if median(one.shift for one in same) > SHIFT_MAX:
            broken.append(f"{name}: shifts by {median(one.shift for one in same):.3f}")
        if median(one.weight for one in same) > WEIGHT_MAX:
            broken.append(f"{name}: {median(one.weight for one in same) / 1000:.1f} kB")
    return broken


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--rounds", default=3, show_default=True, help="Visits of each page.")
def main(rounds: int) -> None:
    chromium = subprocess.run(
        ["sh", str(ROOT / "tests" / "find_chromium.sh")],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.strip()
    with (
        tempfile.TemporaryDirectory(prefix="waitroom-pages-") as folder,
        demonstration(Path(folder)) as sale,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium, args=BROWSER_ARGUMENTS, env=dict(os.environ)
        )
        found: list[list[Visit]] = []
        for _ in range(rounds):
            call(browser, sale, seats=0)
            seen = list(visits(browser, sale))
            call(browser, sale, seats=20)
            found.append(seen + list(checkout(browser, sale)))
        browser.close()
    click.echo(f"{KBIT_S} kbit/s, {LATENCY_MS} ms, median of {rounds}\n\n{table(found)}")
    broken = over(found)
    if broken:
        raise click.ClickException("; ".join(broken))


if __name__ == "__main__":
    main()

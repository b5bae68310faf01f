"""Watch the operators' live screen while a crowd is there, and print its longest tasks.

    python tools/long_tasks.py [--shoppers 5000] [--seconds 60]

Starts the demonstration on a free port with a data folder of its own, sends a simulated crowd at
it, opens the live screen in Chromium, and traces the page's main thread while charts, figures and
lists are drawn anew. A task of over 100 ms holds up an operator's click. Tasks are told by the time
from begin to end, and by the processor's time alone: on a machine that is busy with the crowd, the
first says more of the machine than of the page. The command fails if one takes over 100 ms of the
processor after the page has loaded.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
from pictures import BROWSER_ARGUMENTS, DESK, ROOT, Sale, crowd, demonstration
from playwright.sync_api import Browser, Page, sync_playwright

from waitroom.run.seed import ROOM

TASK_MAX_MS = 100
# The first tasks of a page load it.
LOADED_MS = 8_000
TRACED = ["toplevel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """A page's tasks in milliseconds: from begin to end, and of the processor alone."""

    lasted: list[float]
    worked: list[float]


def sign_in(page: Page, sale: Sale) -> None:
    page.goto(f"{sale.url}/admin/login")
    page.locator('[name="name"]').fill("admin")
    page.locator('[name="password"]').fill(sale.password)
    page.locator("#login").click()
    page.wait_for_url("**/admin")


def traced(browser: Browser, page: Page, *, ms: int) -> Tasks:
    """Watch a page's main thread for a while."""
    browser.start_tracing(page=page, categories=TRACED)
    page.wait_for_timeout(ms)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event
        for event in events
        if event["ph"] == "X" and (event["pid"], event["tid"]) in mains and "tdur" in event
    ]
    return Tasks(
        lasted=[event["dur"] / 1000 for event in tasks],
        worked=[event["tdur"] / 1000 for event in tasks],
    )


@click.command()
@click.option("--shoppers", default=5000, show_default=True)
@click.option("--seconds", default=60, show_default=True, help="How long to watch.")
def main(shoppers: int, seconds: int) -> None:
    """Print the longest tasks of the live screen; fail if one is too long."""
    found = subprocess.run(
        ["sh", str(ROOT / "tests" / "find_chromium.sh")], capture_output=True, text=True, check=True
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        demonstration(Path(folder)) as sale,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=found.stdout.strip(), args=BROWSER_ARGUMENTS
        )
        page = browser.new_page(viewport=DESK)
        sign_in(page, sale)
        with crowd(sale, shoppers=shoppers):
            page.goto(f"{sale.url}/admin/screens/{ROOM}/live", wait_until="commit")
            loading = traced(browser, page, ms=LOADED_MS)
            later = traced(browser, page, ms=seconds * 1000)
            waiting = page.locator("#figure-waiting").inner_text()
        browser.close()
    load = os.getloadavg()[0]
    click.echo(f"{waiting} people in line, watched for {seconds} s, load {load:.1f}")
    for name, tasks in (("while it loads", loading), ("after that", later)):
        click.echo(
            f"{name}: {len(tasks.worked)} tasks; the longest lasted {max(tasks.lasted):.0f} ms, "
            f"the largest took {max(tasks.worked):.0f} ms of the processor"
        )
    if max(later.worked) > TASK_MAX_MS:
        sys.exit(f"A task took more than {TASK_MAX_MS} ms.")


if __name__ == "__main__":
    main()

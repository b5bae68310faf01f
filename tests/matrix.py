"""Every page in every dress: what a page has to keep at each width, colour scheme and text size.

Nothing scrolls sideways, is cut off, leaves its card or lies over another text; what can be pressed
is large enough; axe finds nothing. A page is loaded once in a dress, and looked at in each width.

A page joins `SHOPPERS` or `OPERATORS` by one line. The screens of rooms and those beyond them, and
the states of the waiting page, join by themselves. With `WAITROOM_PICTURES` naming a folder, a
picture of each page, dress and width is kept there.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.async_api import Page, Route

from waitroom.admin.screens import BEYOND, SCREENS
from waitroom.look.states import STATES

PICTURES = os.environ.get("WAITROOM_PICTURES", "")
FAULTS = Path(__file__).with_name("faults.js")
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
WIDTHS = (320, 768, 1280)
HEIGHT = 900
# Rules of WCAG 2.2 at A and AA, and what axe counts as good practice. Axe leaves one rule of WCAG
# 2.2 off unless it is asked for.
AXE_OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """How a browser shows pages: options of its context, the language, and the size of text."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    language: str = "en"
    text_percent: int = 100


DRESSES = (
    Dress(name="light", options={"color_scheme": "light"}),
    Dress(name="dark", options={"color_scheme": "dark"}),
    Dress(name="forced", options={"forced_colors": "active"}),
    Dress(name="right-to-left", options={"locale": "ar"}, language="ar"),
    Dress(name="no-script", options={"java_script_enabled": False}),
    Dress(name="large-text", text_percent=200),
)
# Resolves once a page's scripts have drawn nothing new for a while: a screen that draws each second
# is not waited for.
_SETTLED = """
new Promise((settled) => {
  let timer = setTimeout(settled, 300);
  setTimeout(settled, 1500);
  const again = () => { clearTimeout(timer); timer = setTimeout(settled, 300); };
  new MutationObserver(again).observe(document.body, { childList: true, subtree: true });
})
"""
# Resolves once what fades in is there, with its contrast, and charts have followed the width.
_SHOWN = """
Promise.allSettled(document.getAnimations().map((one) => one.finished))
  .then(() => new Promise((shown) => setTimeout(shown, 100)))
"""

# Pages of a room `drop` with a product `mug`, as a shopper finds them.
SHOPPERS = (
    "/",
    "/shop/drop",
    "/products/mug",
    "/rooms/drop/log",
    "/rooms/drop/fairness",
    "/checkout",
    "/checkout?room=drop",
    "/checkout/leave?room=drop",
    "/no-such-page",
)
OPERATORS = (
    "/admin",
    "/admin/new",
    "/admin/confirm",
    *(f"/admin/screens/drop/{screen.name}" for screen in SCREENS),
    *(f"/admin/{screen.name}" for screen in BEYOND),
)


def states(language: str) -> Iterator[str]:
    """Yield the addresses of the waiting page in each of its states, for an operator."""
    for state in STATES:
        yield f"/admin/rooms/drop/preview?state={state.name}&language={language}"


async def faults(page: Page) -> list[str]:
    """Return what is wrong with the page that a tab shows."""
    found: list[str] = await page.evaluate(FAULTS.read_text(encoding="utf-8"))
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    told = await page.evaluate("(options) => axe.run(document, options)", AXE_OPTIONS)
    return found + [
        f"axe {one['id']}: {' '.join(map(str, one['nodes'][0]['target']))}"
        for one in told["violations"]
    ]


async def put_on(page: Page, dress: Dress) -> None:
    """Give an open page the part of a dress that no option of the browser gives."""
    if dress.text_percent != 100:
        size = "(size) => { document.documentElement.style.fontSize = `${size}%`; }"
        await page.evaluate(size, dress.text_percent)


async def look_over(
    open_page: Callable[..., Any],
    url: str,
    addresses: Iterable[str],
    dress: Dress,
    *,
    widths: Iterable[int] = WIDTHS,
    **more: Any,
) -> list[str]:
    """Open addresses in one dress, look at each width, and return the faults with addresses."""
    page: Page = await open_page(**dress.options, **more)
    scripts = dress.options.get("java_script_enabled", True)
    await page.route("**/preview?*", _unlocked)
    wire = await page.context.new_cdp_session(page)
    # A session can take back only what it has said itself, whatever the context was opened with.
    await wire.send("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    found = []
    for address in addresses:
        await page.goto(f"{url}{address}")
        # What was read without scripts is looked at with them: axe is one.
        await wire.send("Emulation.setScriptExecutionDisabled", {"value": False})
        if scripts:
            await page.evaluate(_SETTLED)
        await put_on(page, dress)
        for width in widths:
            await page.set_viewport_size({"width": width, "height": HEIGHT})
            await page.evaluate(_SHOWN)
            if PICTURES:
                await page.screenshot(path=_picture(address, dress, width), full_page=True)
            told = await faults(page)
            found += [f"{address} ({dress.name}, {width}): {fault}" for fault in told]
        await wire.send("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    await page.context.close()
    return found


def _picture(address: str, dress: Dress, width: int) -> Path:
    name = re.sub(r"\W+", "-", address).strip("-") or "home"
    return Path(PICTURES) / dress.name / f"{name}-{width}.png"


async def _unlocked(route: Route) -> None:
    """Let axe run in a preview, which is sandboxed without scripts."""
    answer = await route.fetch()
    headers = {k: v for k, v in answer.headers.items() if k != "content-security-policy"}
    await route.fulfill(response=answer, headers=headers)

"""Every page in every dress: what a page has to keep at each width, colour scheme and text size.

A page joins `SHOPPERS` or `OPERATORS` by one line. The screens of rooms and those beyond them, and
the states of the waiting page, join by themselves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.async_api import Page, Route

from waitroom.admin.screens import BEYOND, SCREENS
from waitroom.look.states import STATES

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
WIDTHS = (320, 768, 1280)
HEIGHT = 900
# Rules of WCAG 2.2 at A and AA, and what axe counts as good practice.
AXE_OPTIONS = {"resultTypes": ["violations"]}


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
    *(f"/admin/screens/drop/{screen.name}" for screen in SCREENS),
    *(f"/admin/{screen.name}" for screen in BEYOND),
)


def states(language: str) -> Iterator[str]:
    """Yield the addresses of the waiting page in each of its states, for an operator."""
    for state in STATES:
        yield f"/admin/rooms/drop/preview?state={state.name}&language={language}"


# Text that is cut off: an element that hides what it has no room for, or one that reaches out of
# the window where nothing scrolls. Text for screen readers alone is hidden on purpose.
_CUT = """
() => {
  const found = [], wide = document.documentElement.clientWidth;
  const scrolls = (node) => {
    for (let n = node; n && n !== document.body; n = n.parentElement)
      if (/auto|scroll/.test(getComputedStyle(n).overflowX)) return true;
    return false;
  };
  for (const node of document.querySelectorAll("main *, header *, footer *, nav *")) {
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    if (!box.width || !box.height || style.visibility === "hidden") continue;
    if (node.closest(".heard, .skip, svg, iframe") || scrolls(node)) continue;
    const texts = [...node.childNodes].filter((child) => child.nodeType === 3);
    const speaks = texts.some((child) => child.textContent.trim());
    const name = `${node.tagName.toLowerCase()}${node.id ? "#" + node.id : ""}.${node.className}`;
    if (speaks && /hidden|clip/.test(style.overflowX) && node.scrollWidth > node.clientWidth + 1)
      found.push(`${name} hides its text`);
    if (box.right > wide + 1 || box.left < -1) found.push(`${name} reaches out of the window`);
    const around = node.parentElement.closest(".card, .ticket")?.getBoundingClientRect();
    if (around && (box.right > around.right + 1 || box.left < around.left - 1))
      found.push(`${name} leaves its card`);
  }
  return found.slice(0, 5);
}
"""


async def faults(page: Page, dress: Dress, *, axe: bool = True) -> list[str]:
    """Return what is wrong with the page that a tab shows: sideways, cut off, or found by axe."""
    if dress.text_percent != 100:
        await page.evaluate(
            "(size) => { document.documentElement.style.fontSize = `${size}%`; }",
            dress.text_percent,
        )
    found: list[str] = await page.evaluate(_CUT)
    sideways = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    if sideways[0] > sideways[1] + 1:
        found.append(f"scrolls sideways: {sideways[0]} px in {sideways[1]}")
    if axe:
        if not await page.evaluate("typeof axe === 'object'"):
            await page.evaluate(AXE.read_text(encoding="utf-8"))
        told = await page.evaluate("(options) => axe.run(document, options)", AXE_OPTIONS)
        found += [
            f"axe {one['id']}: {' '.join(map(str, one['nodes'][0]['target']))}"
            for one in told["violations"]
        ]
    return found


async def look_over(
    open_page: Callable[..., Any],
    url: str,
    addresses: Iterator[str],
    dress: Dress,
    width: int,
    **more: Any,
) -> list[str]:
    """Open addresses in one dress and at one width; return the faults, with their addresses."""
    options = {"viewport": {"width": width, "height": HEIGHT}, **dress.options, **more}
    page = await open_page(**options)
    await page.route("**/preview?*", _unlocked)
    # Where scripts are off, so is axe: its timers never ring.
    axe = dress.options.get("java_script_enabled", True)
    found = []
    for address in addresses:
        await page.goto(f"{url}{address}")
        told = await faults(page, dress, axe=axe)
        found += [f"{address} ({dress.name}, {width}): {fault}" for fault in told]
    await page.context.close()
    return found


async def _unlocked(route: Route) -> None:
    """Let axe run in a preview, which is sandboxed without scripts."""
    answer = await route.fetch()
    headers = {k: v for k, v in answer.headers.items() if k != "content-security-policy"}
    await route.fulfill(response=answer, headers=headers)

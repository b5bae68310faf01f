"""A person who has a keyboard alone, and notes what keeps them from seeing where they are."""

from dataclasses import dataclass, field

from playwright.async_api import Locator, Page, expect

STOPS_MAX = 150

# What is wrong with the place that the Tab key came to: its focus has to be seen, within the window
# and in front of everything else, and it comes after the last place in the page.
_STOP = """
() => {
  const now = document.activeElement, last = window.lastStop, found = [];
  window.lastStop = now;
  if (!now || now === document.body) return found;
  const name = `${now.tagName.toLowerCase()}#${now.id} "${(now.ariaLabel ?? now.textContent ?? "").trim().slice(0, 30)}"`;
  const style = getComputedStyle(now), box = now.getBoundingClientRect();
  if (style.outlineStyle === "none" || !parseFloat(style.outlineWidth))
    found.push(`the focus on ${name} is not shown`);
  if (!box.width || !box.height || box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth)
    found.push(`${name} is out of sight`);
  const x = Math.min(Math.max(box.left + box.width / 2, 1), innerWidth - 2);
  const y = Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 2);
  const front = document.elementFromPoint(x, y);
  if (front && !now.contains(front) && !front.contains(now)) found.push(`${name} is covered by ${front.tagName} ${front.id}`);
  if (last?.isConnected && last !== document.body && last !== now && !(last.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING))
    found.push(`the focus goes back from ${last.tagName} ${last.id} to ${name}`);
  return found;
}
"""  # noqa: E501 - a script


@dataclass(slots=True)
class Keyboard:
    """Reaches what stands on a page by the Tab key."""

    page: Page
    # What was wrong on the way.
    faults: list[str] = field(default_factory=list)

    async def to(self, place: Locator) -> None:
        """Press Tab until a place has the focus."""
        await expect(place).to_be_visible()
        await self.page.evaluate("window.lastStop = null")
        for _ in range(STOPS_MAX):
            if await place.evaluate("(node) => node === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
            path = await self.page.evaluate("location.pathname")
            self.faults += [f"{path}: {one}" for one in await self.page.evaluate(_STOP)]
        raise AssertionError(f"the Tab key does not reach {place}")

    async def press(self, place: Locator, key: str = "Enter") -> None:
        await self.to(place)
        await self.page.keyboard.press(key)

    async def write(self, place: Locator, text: str) -> None:
        await self.to(place)
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.type(text)

    async def is_kept_in(self, dialog: Locator, *, tabs: int = 12) -> None:
        """Go round a dialog: the focus stays in it, or in the browser's own bars."""
        await expect(dialog).to_be_visible()
        for key in ["Tab"] * tabs + ["Shift+Tab"] * tabs:
            await self.page.keyboard.press(key)
            inside = "(node) => node.contains(document.activeElement)"
            outside = "document.activeElement === document.body"
            assert await dialog.evaluate(inside) or await self.page.evaluate(outside), key

    async def escapes(self, dialog: Locator, opener: Locator) -> None:
        """Close a dialog by Escape: the focus is where it was before."""
        await self.page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(opener).to_be_focused()

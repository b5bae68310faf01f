"""Our own styles for one colour scheme, whatever the device has that a preview is looked at on."""

from inventory.kit.pages import static_folder
from waitroom.look.sheet import Sheet

SCHEMES = ("light", "dark")
# The styles that shoppers' pages load.
STYLES = ("style", "shop")
_DARK, _LIGHT = "(prefers-color-scheme: dark)", "not (prefers-color-scheme: dark)"


def style_in(name: str, scheme: str) -> str:
    """Return one of our styles as a device with this scheme sees it."""
    return in_scheme((static_folder() / "css" / f"{name}.css").read_text(encoding="utf-8"), scheme)


def sheet_in(sheet: Sheet, scheme: str) -> Sheet:
    """Return the stylesheet of a look as a device with this scheme sees it."""
    return Sheet(text=in_scheme(sheet.text, scheme), hash=sheet.hash)


def in_scheme(text: str, scheme: str) -> str:
    """Let the rules of one scheme hold always, and those of the other never."""
    dark, light = ("all", "not all") if scheme == "dark" else ("not all", "all")
    text = text.replace(f"@media {_LIGHT}", f"@media {light}").replace(
        f"@media {_DARK}", f"@media {dark}"
    )
    return text.replace("color-scheme: light dark", f"color-scheme: {scheme}")

"""A browser in plain words, by what it says of itself: "Firefox on Windows". Pure.

The words are ours alone, so nothing that a client sends gets onto a screen.
"""

import re

_LOOKED_AT = 400
# The first that fits counts: browsers also name those whose engine they have.
_BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|HeadlessChrome/"),
    ("Safari", r"Version/[\d.]+.*Safari/"),
)
_SYSTEMS = (
    ("an iPhone", r"iPhone|iPod"),
    ("an iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("ChromeOS", r"CrOS"),
    ("a Mac", r"Macintosh|Mac OS X"),
    ("Linux", r"Linux|X11"),
)
UNKNOWN = "Another program"


def browser_of(user_agent: str) -> str:
    """Return a browser and its system in words, as far as they are known."""
    said = user_agent[:_LOOKED_AT]
    browser = _first(_BROWSERS, said)
    system = _first(_SYSTEMS, said)
    if browser is None:
        return f"A browser on {system}" if system else UNKNOWN
    return f"{browser} on {system}" if system else browser


def _first(kinds: tuple[tuple[str, str], ...], said: str) -> str | None:
    return next((name for name, sign in kinds if re.search(sign, said)), None)

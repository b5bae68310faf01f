"""The page that a proxy shows while the whole service is away, in every language at once.

It is a file of its own, since nothing else can be asked for then: style and script stand in it, and
its own policy names them by their hashes.
"""

import base64
from hashlib import sha256
from importlib import resources
from pathlib import Path

import jinja2

from inventory.kit.language.catalogues import language, tags
from inventory.kit.language.language import Language, phrase

_TITLE = phrase("We cannot be reached just now")
_KEPT = phrase("Your place in line is kept, and so are paid orders. You need not do anything.")
_AGAIN = phrase("This page tries again by itself.")
_NOW = phrase("Try again now")


def away_page(brand: str) -> str:
    """Return the page; it shows the first language that the browser wants, else English."""
    static = Path(str(resources.files("static")))
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(static / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    style, script = ((static / "away" / name).read_text() for name in ("away.css", "away.js"))
    return templates.get_template("away.html").render(
        brand=brand,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        texts=[_texts(language(tag)) for tag in tags()],
    )


def _texts(spoken: Language) -> dict[str, str]:
    return {
        "tag": spoken.tag,
        "direction": spoken.direction,
        "title": spoken.say(_TITLE),
        "kept": spoken.say(_KEPT),
        "again": spoken.say(_AGAIN),
        "now": spoken.say(_NOW),
    }


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"

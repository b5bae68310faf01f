"""The stylesheet of a room: its colours as custom properties, under the hash of its text. Pure."""

from dataclasses import dataclass, fields
from hashlib import sha256

from waitroom.look.look import RoomLook, palettes
from waitroom.look.palette import Palette

HASH_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A stylesheet and the hash in its address; both are "" for a look without colours."""

    text: str
    hash: str


def sheet_of(look: RoomLook) -> Sheet:
    """Return the stylesheet of a look. It has nothing but colours that were read as such."""
    chosen = palettes(look)
    if not chosen:
        return Sheet(text="", hash="")
    rules = []
    if "light" in chosen:
        # The standard dark colours come first in style.css, and have to stay.
        rules.append(f"@media not (prefers-color-scheme: dark) {{ {_root(chosen['light'])} }}")
    if "dark" in chosen:
        rules.append(f"@media (prefers-color-scheme: dark) {{ {_root(chosen['dark'])} }}")
    text = "\n".join(rules) + "\n"
    return Sheet(text=text, hash=sha256(text.encode()).hexdigest()[:HASH_DIGITS])


def _root(palette: Palette) -> str:
    values = {
        field.name.replace("_", "-"): getattr(palette, field.name) for field in fields(palette)
    }
    return f":root {{ {' '.join(f'--{name}: {value};' for name, value in values.items())} }}"

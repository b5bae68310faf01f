"""A room's look as an operator chooses it, and as pages get it. Pure."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from inventory.kit.doors.decoding import decoder, grammar
from inventory.kit.doors.texts import Note, OptionalName
from inventory.kit.language.catalogues import tags
from waitroom.look.colour import colour_of
from waitroom.look.palette import (
    STANDARD,
    Palette,
    Scheme,
    Unreadable,
    palette_of,
    unreadable_accent,
    unreadable_paper,
)

NAME_LENGTH_MAX = 60
SCHEMES: tuple[Scheme, ...] = ("light", "dark")

Shade = Annotated[
    str, grammar(r"^(#[0-9a-f]{6})?\Z", "It is empty, or a colour such as #1f5f4c in small letters")
]
Picture = Annotated[
    str,
    grammar(
        r"^(/static/[A-Za-z0-9._/-]*|/pictures/[0-9a-f]{32}\.(png|jpg|webp|avif))?\Z",
        "It is empty, the address of an uploaded picture, or a path under /static/",
        length_max=200,
    ),
]


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A room's texts in one language. An empty text leaves the page as it is."""

    # The room's name in this language.
    name: OptionalName = ""
    # Below the name: what this sale is.
    intro: Note = ""
    # Where everything is sold, and where the sale is over.
    sold_out: Note = ""
    ended: Note = ""
    # Where shoppers turn to with a question.
    help: Note = ""


class RoomLook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that an operator chooses; an empty field leaves the page as it is."""

    # The name at the head of the page, in place of the site's.
    brand: OptionalName = ""
    # Addresses of the picture beside that name, and of the one above the waiting page.
    logo: Picture = ""
    picture: Picture = ""
    # The background, and the colour of buttons and links, on light and on dark screens.
    paper_light: Shade = ""
    accent_light: Shade = ""
    paper_dark: Shade = ""
    accent_dark: Shade = ""
    # By the tag of a language that pages can be in.
    texts: dict[str, Texts] = {}

    def __post_init__(self) -> None:
        if len(self.brand) > NAME_LENGTH_MAX:
            raise ValueError(f"`brand` has at most {NAME_LENGTH_MAX} characters")
        for tag in self.texts:
            if tag not in tags():
                raise ValueError(f"`texts` has no language {tag!r}: there are {', '.join(tags())}")


class LookChange(RoomLook, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A draft in place of the last one.

    With `was`, the draft as the operator saw it, it is refused if a colleague has changed that.
    """

    was: RoomLook | UnsetType = UNSET

    def look(self) -> RoomLook:
        """Return the draft alone."""
        return RoomLook(**{name: getattr(self, name) for name in RoomLook.__struct_fields__})


LOOK = decoder(RoomLook)
LOOK_CHANGE = decoder(LookChange)
PLAIN = RoomLook()


def unreadable(look: RoomLook) -> Iterator[Unreadable]:
    """Yield the colours of a look that leave a text of some page with too little contrast."""
    for scheme in SCHEMES:
        paper, accent = _chosen(look, scheme)
        refused = unreadable_paper(paper, scheme) if paper else None
        if refused is not None:
            yield refused
        elif paper or accent:
            standard = STANDARD[scheme]
            ground = colour_of(paper) if paper else standard.paper
            found = unreadable_accent(accent or str(standard.accent), ground, scheme)
            if found is not None:
                yield found


def palettes(look: RoomLook) -> dict[Scheme, Palette]:
    """Return the colours of the schemes that a look changes."""
    found: dict[Scheme, Palette] = {}
    for scheme in SCHEMES:
        paper, accent = _chosen(look, scheme)
        if paper or accent:
            standard = STANDARD[scheme]
            found[scheme] = palette_of(
                colour_of(paper) if paper else standard.paper,
                colour_of(accent) if accent else standard.accent,
                scheme,
            )
    return found


def texts_of(look: RoomLook, tag: str) -> Texts:
    """Return the texts in a language; each that it lacks is empty."""
    return look.texts.get(tag, Texts())


def _chosen(look: RoomLook, scheme: Scheme) -> tuple[str, str]:
    if scheme == "light":
        return look.paper_light, look.accent_light
    return look.paper_dark, look.accent_dark

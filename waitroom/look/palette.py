"""The colours of a page, derived from the two that an operator chooses for each scheme. Pure."""

from dataclasses import dataclass
from typing import Literal

from waitroom.look.colour import BLACK, WHITE, Colour, colour_of, contrast, mix, nearest

Scheme = Literal["light", "dark"]

# What text needs before its background at level AA (WCAG 2.2, success criterion 1.4.3).
CONTRAST_MIN = 4.5
# Cards lie on the background, a little lighter, and hold most of the text.
_CARD_SHARE = {"light": 0.72, "dark": 0.045}
_EDGE_SHARE = 0.16
# The background of messages and of the words of states: the card with a share of the accent.
_TINT_SHARES = (0.14, 0.12, 0.1, 0.08, 0.06)
_TINT_LEAST = _TINT_SHARES[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """The colours of a scheme before a room has any, as `static/css/style.css` has them.

    The text of all pages, `ink` and the paler `soft`, is in every look the same.
    """

    paper: Colour
    accent: Colour
    ink: Colour
    soft: Colour


STANDARD: dict[Scheme, Standard] = {
    "light": Standard(
        paper=colour_of("#f4f2ec"),
        accent=colour_of("#1f5f4c"),
        ink=colour_of("#1d2b26"),
        soft=colour_of("#56645d"),
    ),
    "dark": Standard(
        paper=colour_of("#121816"),
        accent=colour_of("#86cfae"),
        ink=colour_of("#e9ede7"),
        soft=colour_of("#a3b0a8"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """All colours of a scheme that a look changes, by the names of their custom properties."""

    paper: Colour
    card: Colour
    edge: Colour
    accent: Colour
    on_accent: Colour
    tint: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A colour that was refused, the sentence that says why, and the nearest one that passes."""

    field: str
    colour: str
    nearest: str
    sentence: str


def card_on(paper: Colour, scheme: Scheme) -> Colour:
    return mix(paper, WHITE, _CARD_SHARE[scheme])


def palette_of(paper: Colour, accent: Colour, scheme: Scheme) -> Palette:
    """Return the colours of a scheme. Every text of a page is readable in them if both passed."""
    card = card_on(paper, scheme)
    tints = (mix(card, accent, share) for share in _TINT_SHARES)
    standard = STANDARD[scheme]
    texts = (standard.ink, standard.soft, accent)
    return Palette(
        paper=paper,
        card=card,
        edge=mix(paper, standard.ink, _EDGE_SHARE),
        accent=accent,
        on_accent=max((WHITE, BLACK), key=lambda colour: contrast(colour, accent)),
        # The word of a state stands on the tint in the accent, and messages do in ink.
        tint=next((tint for tint in tints if all(_reads(text, tint) for text in texts)), card),
    )


def unreadable_paper(text: str, scheme: Scheme) -> Unreadable | None:
    """Say whether a background leaves the text of a page readable; None if it does."""
    soft = STANDARD[scheme].soft

    def passes(paper: Colour) -> bool:
        return _reads(soft, paper) and _reads(soft, card_on(paper, scheme))

    paper = colour_of(text)
    if passes(paper):
        return None
    least = min(contrast(soft, paper), contrast(soft, card_on(paper, scheme)))
    return _refused(
        f"paper_{scheme}",
        paper,
        nearest(paper, passes),
        f"Text on this background has a contrast of {_cut(least)} to 1, and needs {CONTRAST_MIN}.",
    )


def unreadable_accent(text: str, paper: Colour, scheme: Scheme) -> Unreadable | None:
    """Say whether links and the words of states can be read in a colour; None if so."""
    card = card_on(paper, scheme)

    def least_of(accent: Colour) -> float:
        return min(contrast(accent, one) for one in (paper, card, mix(card, accent, _TINT_LEAST)))

    def passes(accent: Colour) -> bool:
        return least_of(accent) >= CONTRAST_MIN

    accent = colour_of(text)
    if passes(accent):
        return None
    least = least_of(accent)
    return _refused(
        f"accent_{scheme}",
        accent,
        nearest(accent, passes),
        f"Text in this colour has a contrast of {_cut(least)} to 1, and needs {CONTRAST_MIN}.",
    )


def _reads(text: Colour, ground: Colour) -> bool:
    return contrast(text, ground) >= CONTRAST_MIN


def _refused(field: str, colour: Colour, near: Colour | None, why: str) -> Unreadable:
    proposal = "" if near is None else str(near)
    sentence = f"{why} The nearest that passes is {proposal}." if proposal else why
    return Unreadable(field=field, colour=str(colour), nearest=proposal, sentence=sentence)


def _cut(ratio: float) -> str:
    """Write a ratio with two digits, never rounded up to what it has to reach."""
    return f"{int(ratio * 100) / 100:.2f}"

"""Colours that shoppers can read, and the stylesheet that carries them."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.kit.pages import static_folder
from waitroom.look.colour import BLACK, WHITE, Colour, colour_of, contrast, nearest
from waitroom.look.look import LOOK, PLAIN, RoomLook, palettes, texts_of, unreadable
from waitroom.look.palette import CONTRAST_MIN, STANDARD, Scheme
from waitroom.look.sheet import sheet_of

SHADES = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def look(**fields: str) -> RoomLook:
    return LOOK.decode(msgspec.json.encode(fields))


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    # The grey that is known as the darkest one to fail on white.
    assert contrast(colour_of("#777777"), WHITE) == pytest.approx(4.48, abs=0.005)
    assert contrast(colour_of("#767676"), WHITE) == pytest.approx(4.54, abs=0.005)


@given(SHADES)
def test_the_nearest_colour_to_one_that_passes_is_hardly_another(text: str) -> None:
    colour = colour_of(text)

    near = nearest(colour, lambda _: True)

    assert near is not None
    assert contrast(colour, near) < 1.15


@settings(max_examples=40, deadline=None)
@given(paper=SHADES, accent=SHADES, scheme=st.sampled_from(SCHEMES))
def test_following_the_proposals_ends_in_a_page_that_can_be_read(
    paper: str, accent: str, scheme: Scheme
) -> None:
    chosen = {f"paper_{scheme}": paper, f"accent_{scheme}": accent}

    for _ in range(2):
        for refused in unreadable(look(**chosen)):
            assert refused.nearest in refused.sentence
            chosen[refused.field] = refused.nearest
    found = palettes(look(**chosen))[scheme]

    texts = (STANDARD[scheme].ink, STANDARD[scheme].soft, found.accent)
    grounds = (found.paper, found.card, found.tint)
    assert list(unreadable(look(**chosen))) == []
    assert min(contrast(text, ground) for text in texts for ground in grounds) >= CONTRAST_MIN
    assert contrast(found.on_accent, found.accent) >= CONTRAST_MIN


def test_the_standard_colours_are_those_of_the_stylesheet_and_pass() -> None:
    css = (static_folder() / "css" / "style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\n\s*\}", css, re.DOTALL)

    for scheme, block in zip(SCHEMES, blocks, strict=True):
        standard = STANDARD[scheme]
        for name in ("paper", "accent", "ink", "soft"):
            assert f"--{name}: {getattr(standard, name)};" in block
        chosen = {f"paper_{scheme}": str(standard.paper), f"accent_{scheme}": str(standard.accent)}
        assert list(unreadable(look(**chosen))) == []


def test_a_stylesheet_has_the_colours_of_its_scheme_and_its_own_hash() -> None:
    one, other = sheet_of(look(accent_light="#a0135a")), sheet_of(look(accent_light="#a0135b"))
    dark = sheet_of(look(paper_dark="#000000"))

    assert "@media not (prefers-color-scheme: dark)" in one.text
    assert "--accent: #a0135a;" in one.text
    assert "--on-accent: #ffffff;" in one.text
    assert re.fullmatch(r"[0-9a-f]{16}", one.hash)
    assert one.hash != other.hash
    assert "not" not in dark.text
    assert sheet_of(PLAIN).text == ""


@pytest.mark.parametrize(
    "body",
    [
        {"accent_light": "red"},
        {"accent_light": "#fff"},
        {"accent_light": "#ffffff; } body { display: none"},
        {"logo": "https://elsewhere.example/logo.png"},
        {"logo": "//elsewhere.example/logo.png"},
        {"brand": "x" * 61},
        {"texts": {"xx": {"intro": "?"}}},
        {"texts": {"en": {"intro": "x" * 501}}},
        {"texts": {"en": {"intro": "\u0000"}}},
    ],
)
def test_a_look_with_anything_else_than_its_form_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        LOOK.decode(msgspec.json.encode(body))


def test_texts_are_those_of_the_language_alone() -> None:
    chosen = LOOK.decode(b'{"texts": {"de": {"name": "Herbst", "help": "Schreiben Sie uns."}}}')

    assert texts_of(chosen, "de").name == "Herbst"
    assert texts_of(chosen, "en").name == ""
    assert str(Colour(1, 2, 3)) == "#010203"

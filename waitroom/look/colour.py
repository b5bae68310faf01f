"""Colours: their contrast by WCAG 2.2, and the nearest colour that meets a condition. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cbrt

STEPS = 200
_SRGB_EDGE, _LINEAR_EDGE = 0.04045, 0.0031308


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour of the sRGB space, each part from 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """Return the relative luminance, 0 for black and 1 for white."""
        red, green, blue = (_linear(part) for part in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue


WHITE, BLACK = Colour(255, 255, 255), Colour(0, 0, 0)


def colour_of(text: str) -> Colour:
    """Read `#rrggbb`."""
    return Colour(*bytes.fromhex(text.removeprefix("#")))


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio of two colours, from 1 to 21."""
    dark, light = sorted((one.luminance, other.luminance))
    return (light + 0.05) / (dark + 0.05)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour with this share of the other in it."""
    parts = zip(_parts(one), _parts(other), strict=True)
    return Colour(*(round(a + (b - a) * share) for a, b in parts))


def nearest(colour: Colour, passes: Callable[[Colour], bool]) -> Colour | None:
    """Return the colour of the same hue, lighter or darker, that passes and differs least.

    Lightness moves in the OKLab space, whose distances are those that people see. A hue that has no
    such lightness loses some of its colour. None if nothing between black and white passes.
    """
    lightness, a, b = _oklab(colour)
    found = [
        (abs(step / STEPS - lightness), candidate)
        for step in range(STEPS + 1)
        if passes(candidate := _of_oklab(step / STEPS, a, b))
    ]
    return min(found, key=lambda one: one[0])[1] if found else None


def _parts(colour: Colour) -> tuple[int, int, int]:
    return colour.red, colour.green, colour.blue


def _linear(part: float) -> float:
    share = part / 255
    return share / 12.92 if share <= _SRGB_EDGE else ((share + 0.055) / 1.055) ** 2.4


def _part(linear: float) -> float:
    share = linear * 12.92 if linear <= _LINEAR_EDGE else 1.055 * linear ** (1 / 2.4) - 0.055
    return share * 255


def _oklab(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = (_linear(part) for part in _parts(colour))
    long = cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _of_oklab(lightness: float, a: float, b: float) -> Colour:
    """Return a colour of OKLab, with less and less colour until sRGB has it."""
    for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1):
        parts = _srgb(lightness, a * share, b * share)
        if all(-0.5 <= part < 255.5 for part in parts):
            return Colour(*(round(part) for part in parts))
    grey = min(max(round(_part(lightness**3)), 0), 255)
    return Colour(grey, grey, grey)


def _srgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _part(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _part(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _part(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )

"""Hand-written SVG charts: axes, lines, marks with intervals, a legend. Pure.

The text uses the fonts of the page around the chart. The colours follow the reader's preference for
light or dark, so a chart suits either background. Series differ by mark and dash as well as by
colour; the colours are Okabe and Ito's, made for colour-blind readers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import log10, sqrt

LIGHT = ("#0072b2", "#d55e00", "#007a5a", "#a8447f", "#8a6d00", "#3a3a3a")
DARK = ("#56b4e9", "#ff9440", "#2ecc9b", "#e07fbb", "#f0e442", "#d0d0d0")
DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 4", "4 4")
MARKS = "ods^vx"
LEFT, TOP, RIGHT, BOTTOM = 64, 56, 24, 56
LEGEND_ROW = 20
STYLE = """
svg{{font:13px system-ui,-apple-system,"Segoe UI",sans-serif}}
.paper{{fill:#ffffff}}.ink{{fill:#1f2328}}.faint{{fill:#59636e}}.grid{{stroke:#d9dee3}}
.axis{{stroke:#59636e}}.title{{font-size:15px;font-weight:600}}.small{{font-size:11px}}
.halo{{paint-order:stroke;stroke:#ffffff;stroke-width:3px}}
{light}
@media(prefers-color-scheme:dark){{
.paper{{fill:#0d1117}}.ink{{fill:#e6edf3}}.faint{{fill:#9198a1}}.grid{{stroke:#30363d}}
.axis{{stroke:#9198a1}}.halo{{stroke:#0d1117}}
{dark}}}
"""


# Left, top, right, bottom.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point with the ends of its intervals, if any; `label` is written beside it."""

    x: float
    y: float
    x_low: float | None = None
    x_high: float | None = None
    y_low: float | None = None
    y_high: float | None = None
    label: str = ""
    hollow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    name: str
    line: Sequence[tuple[float, float]] = ()
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From `low` to `high`, on a `linear`, `log` or `root` scale, with a label at each tick."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    scale: str = "linear"

    def position(self, value: float) -> float:
        """Return a value's position, 0 at `low` and 1 at `high`; values beyond stand at the end."""
        bend: Callable[[float], float] = {"linear": float, "log": log10, "root": sqrt}[self.scale]
        value = min(max(value, self.low), self.high)
        return (bend(value) - bend(self.low)) / (bend(self.high) - bend(self.low))


@dataclass(slots=True, kw_only=True)
class Chart:
    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    notes: Sequence[str] = ()
    width: int = 860
    height: int = 520
    _parts: list[str] = field(default_factory=list)

    def svg(self) -> str:
        """Return the whole chart as one SVG document that names its title and what it shows."""
        below = BOTTOM + LEGEND_ROW * (len(self._legend_rows()) + len(self.notes))
        self._parts = []
        self._axes(below)
        for index, one in enumerate(self.series):
            self._line(index, one, below)
            for mark in one.marks:
                self._mark(index, mark, below)
        every = [mark for one in reversed(self.series) for mark in one.marks]
        taken = [_around(*self._at(mark.x, mark.y, below)) for mark in every]
        for mark in every:
            if mark.label:
                self._label(mark, below, taken)
        self._legend(below)
        shown = escape(", ".join(one.name for one in self.series))
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} height="{self.height}"',
                'role="img" aria-labelledby="title desc">',
                f'<title id="title">{escape(self.title)}</title>',
                f'<desc id="desc">{escape(self.y.title)} by {escape(self.x.title)}: {shown}</desc>',
                f"<style>{_style()}</style>",
                f'<rect class="paper" width="{self.width}" height="{self.height}"/>',
                f'<text class="ink title" x="{LEFT}" y="28">{escape(self.title)}</text>',
                *self._parts,
                "</svg>\n",
            ]
        )

    def _at(self, x: float, y: float, below: int) -> tuple[float, float]:
        wide, high = self.width - LEFT - RIGHT, self.height - TOP - below
        across = LEFT + self.x.position(x) * wide
        return round(across, 1), round(TOP + (1 - self.y.position(y)) * high, 1)

    def _axes(self, below: int) -> None:
        foot, right = self.height - below, self.width - RIGHT
        for value, text in self.x.ticks:
            x, _ = self._at(value, self.y.low, below)
            self._add(f'<line class="grid" x1="{x}" y1="{TOP}" x2="{x}" y2="{foot}"/>')
            self._text(text, x, foot + 18, kind="faint small", anchor="middle")
        for value, text in self.y.ticks:
            _, y = self._at(self.x.low, value, below)
            self._add(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}"/>')
            self._text(text, LEFT - 8, y + 4, kind="faint small", anchor="end")
        self._add(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{foot}H{right}"/>')
        self._text(self.x.title, (LEFT + right) / 2, foot + 38, kind="ink", anchor="middle")
        self._text(self.y.title, LEFT - 44, TOP - 10, kind="ink")

    def _line(self, index: int, one: Series, below: int) -> None:
        if len(one.line) < 2:
            return
        points = " ".join("{},{}".format(*self._at(x, y, below)) for x, y in one.line)
        self._add(
            f'<polyline class="s{index % 6}" fill="none" stroke-width="2" '
            f'stroke-dasharray="{DASHES[index % 6]}" points="{points}"/>'
        )

    def _mark(self, index: int, mark: Mark, below: int) -> None:
        x, y = self._at(mark.x, mark.y, below)
        if mark.x_low is not None and mark.x_high is not None:
            start, end = (self._at(edge, mark.y, below)[0] for edge in (mark.x_low, mark.x_high))
            self._add(f'<path class="s{index % 6}" opacity="0.35" d="M{start} {y}H{end}"/>')
        if mark.y_low is not None and mark.y_high is not None:
            foot, head = (self._at(mark.x, edge, below)[1] for edge in (mark.y_low, mark.y_high))
            self._add(f'<path class="s{index % 6}" opacity="0.35" d="M{x} {foot}V{head}"/>')
        self._add(_glyph(index, x, y, hollow=mark.hollow))

    def _label(self, mark: Mark, below: int, taken: list[Box]) -> None:
        """Write a mark's label where it overlaps nothing; a label without room is left out."""
        x, y = self._at(mark.x, mark.y, below)
        wide = 6.3 * len(mark.label)
        for anchor, left, foot in (
            ("start", x + 8, y - 6),
            ("end", x - 8 - wide, y - 6),
            ("start", x + 8, y + 14),
            ("end", x - 8 - wide, y + 14),
        ):
            box = (left, foot - 10, left + wide, foot + 2)
            fits = left >= LEFT and box[2] <= self.width - RIGHT and foot <= self.height - below
            if fits and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                at = left if anchor == "start" else left + wide
                self._text(mark.label, at, foot, kind="ink small halo", anchor=anchor)
                return

    def _legend_rows(self) -> list[list[int]]:
        rows: list[list[int]] = [[]]
        taken = 0
        for index, one in enumerate(self.series):
            wide = 44 + 7.5 * len(one.name)
            if rows[-1] and taken + wide > self.width - LEFT - RIGHT:
                rows.append([])
                taken = 0
            rows[-1].append(index)
            taken += round(wide)
        return rows

    def _legend(self, below: int) -> None:
        y = self.height - below + BOTTOM + 4.0
        for row in self._legend_rows():
            x = float(LEFT)
            for index in row:
                self._add(
                    f'<path class="s{index % 6}" stroke-width="2" '
                    f'stroke-dasharray="{DASHES[index % 6]}" d="M{x} {y - 4}h28"/>'
                )
                if self.series[index].marks:
                    self._add(_glyph(index, x + 14, y - 4, hollow=False))
                self._text(self.series[index].name, x + 34, y, kind="ink")
                x += 44 + 7.5 * len(self.series[index].name)
            y += LEGEND_ROW
        for note in self.notes:
            self._text(note, LEFT, y, kind="faint small")
            y += LEGEND_ROW

    def _text(self, text: str, x: float, y: float, *, kind: str, anchor: str = "start") -> None:
        self._add(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def _add(self, part: str) -> None:
        self._parts.append(part)


def _around(x: float, y: float) -> Box:
    return (x - 5, y - 5, x + 5, y + 5)


def _overlap(one: Box, other: Box) -> bool:
    beside = one[2] <= other[0] or other[2] <= one[0]
    return not (beside or one[3] <= other[1] or other[3] <= one[1])


def _style() -> str:
    def colours(names: Sequence[str]) -> str:
        return "\n".join(
            f".s{i}{{stroke:{name}}}.f{i}{{fill:{name}}}" for i, name in enumerate(names)
        )

    return STYLE.format(light=colours(LIGHT), dark=colours(DARK))


def _glyph(index: int, x: float, y: float, *, hollow: bool) -> str:
    """Return the glyph of a series at a point: circle, diamond, square, triangles, cross."""
    kind = f"s{index % 6} {'paper' if hollow else f'f{index % 6}'}"
    shape = {
        "o": "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
        "d": "m0 -6l6 6l-6 6l-6 -6z",
        "s": "m-4 -4h8v8h-8z",
        "^": "m0 -5.5l5.5 9.5h-11z",
        "v": "m0 5.5l5.5 -9.5h-11z",
        "x": "m-4.5 -4.5l9 9m-9 0l9 -9",
    }[MARKS[index % 6]]
    return f'<path class="{kind}" stroke-width="1.5" d="M{x} {y}{shape}"/>'

"""The part of the state document that tells of single SKUs. Pure."""

from collections.abc import Sequence
from math import sqrt

import msgspec

from waitroom.line.forecast.prospects import Prospects, ShelfProspects
from waitroom.line.forecast.wanted import Wanted

# A chance falls around the place at which the SKU is likely gone: its rows stand so many standard
# deviations from there.
DEVIATIONS = (-2.5, -1.6, -0.9, -0.3, 0.3, 0.9, 1.6, 2.5)


class SkuState(msgspec.Struct, frozen=True, kw_only=True):
    """One SKU: `left` units can be held now, `held` ones are in baskets or promised by name."""

    sku: str
    name: str
    left: int
    held: int


class SkuChance(msgspec.Struct, frozen=True, kw_only=True):
    """The chance that a SKU is left when a place is called."""

    place: int
    chance: float


class SkuTable(msgspec.Struct, frozen=True, kw_only=True):
    """The chances of one SKU by place; between two rows they are interpolated linearly."""

    sku: str
    rows: list[SkuChance]


def sku_states(wanted: Wanted | None) -> list[SkuState]:
    """Return the SKUs of which the document tells, the most wanted first."""
    most = () if wanted is None else wanted.most
    return [
        SkuState(sku=shelf.sku, name=shelf.name, left=shelf.free, held=shelf.held) for shelf in most
    ]


def sku_tables(wanted: Wanted | None, prospects: Prospects, *, waiting: int) -> list[SkuTable]:
    """Return the chances of these SKUs in a line with `waiting` numbers not yet called."""
    if wanted is None:
        return []
    shelves = {shelf.sku_id: shelf for shelf in prospects.shelves}
    known = [shelf for shelf in wanted.most if shelf.sku_id in shelves]
    return [
        SkuTable(sku=shelf.sku, rows=_rows(shelves[shelf.sku_id], prospects, waiting=waiting))
        for shelf in known
    ]


def _rows(shelf: ShelfProspects, prospects: Prospects, *, waiting: int) -> list[SkuChance]:
    last = max(waiting + waiting // 4, 10)
    sd = sqrt(max(prospects.variance_of(shelf), 0.0))
    near = {round(shelf.calls_left + deviation * sd) for deviation in DEVIATIONS}
    places = sorted(place for place in near | {1, last} if 1 <= place <= last)
    rows: list[SkuChance] = []
    least = 1.0
    for place in places:
        # The chance may not rise with the place, however the figures are rounded.
        least = min(least, prospects.chance_of(shelf, place))
        rows.append(SkuChance(place=place, chance=least))
    return rows


def chance_of(tables: Sequence[SkuTable], sku: str, place: int) -> float | None:
    """Return the chance of a SKU at a place, None for a SKU of which the document does not tell."""
    rows = next((table.rows for table in tables if table.sku == sku), None)
    if not rows:
        return None
    before = rows[0]
    for row in rows:
        if row.place >= place:
            share = (place - before.place) / max(row.place - before.place, 1)
            return round(before.chance + (row.chance - before.chance) * max(share, 0.0), 3)
        before = row
    return before.chance

"""A draw that was not made as announced is found from the log."""

from collections.abc import Sequence

import pytest
from sale_log import HEAD, a_draw, at, drawn_with

from waitroom.log.entries import AnyEntry, ClosingSigned, PublicValue
from waitroom.reports.fairness.draws import DrawResult, Flaw, draws_of


def the_draw(entries: Sequence[AnyEntry], *, over: bool = False) -> DrawResult:
    (found,) = draws_of("drop", entries, hashes={2: HEAD}, over=over)
    return found


@pytest.mark.parametrize("source", [None, "the evening's lottery numbers"])
def test_a_draw_made_as_announced_is_kept(source: str | None) -> None:
    found = the_draw(a_draw(source=source))

    assert (found.kept, found.flaws) == (True, ())
    assert (found.count, found.head) == (9, HEAD.hex())
    assert (found.closed_at, found.drawn_at) == (at(2), at(5))


def test_a_seed_may_be_hidden_until_the_sale_is_over() -> None:
    hidden = a_draw()[:-1]

    assert the_draw(hidden).kept is None
    assert the_draw(hidden[:1], over=True).kept is None
    assert the_draw(hidden, over=True).flaws == (Flaw.NOT_REVEALED,)


@pytest.mark.parametrize(
    ("entries", "flaw"),
    [
        (drawn_with(seed=(b"t" * 32).hex()), Flaw.OTHER_SEED),
        (drawn_with(count=8), Flaw.OTHER_ENTRIES),
        (drawn_with(head=(b"g" * 32).hex()), Flaw.OTHER_ENTRIES),
        (drawn_with(value="4711"), Flaw.OTHER_VALUE),
        ([e for e in a_draw() if not isinstance(e, ClosingSigned)], Flaw.NOT_SIGNED),
        ([e for e in a_draw(source="x") if not isinstance(e, PublicValue)], Flaw.OTHER_VALUE),
        (a_draw()[1:], Flaw.NOT_ANNOUNCED),
        ([*a_draw(), *drawn_with(seq=6)[-1:]], Flaw.MADE_TWICE),
    ],
)
def test_a_draw_made_otherwise_than_announced_is_not_kept(
    entries: list[AnyEntry], flaw: Flaw
) -> None:
    found = the_draw(entries)

    assert found.kept is False
    assert flaw in found.flaws

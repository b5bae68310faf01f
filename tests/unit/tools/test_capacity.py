"""The page on capacity says what its model says, and the model follows the wait table."""

import json
from pathlib import Path

import capacity
import pytest

from waitroom.line.wait import POLL_MAX_S, POLL_MIN_S, POLL_SHARE

MEASURED = json.loads(capacity.MEASURED.read_text("utf-8"))


def test_the_page_has_the_tables_of_the_model() -> None:
    text = capacity.PAGE.read_text("utf-8")

    assert set(capacity.TABLE.findall(text)) == {"units", "checks", "crowds", "money"}
    assert capacity.page(text, MEASURED) == text


@pytest.mark.parametrize("waiting", [1, 50, 5_000, 200_000])
def test_looks_are_those_of_every_place_in_the_line(waiting: int) -> None:
    calls_per_s = 20.0
    pauses = (
        min(max(place / calls_per_s * POLL_SHARE, POLL_MIN_S), POLL_MAX_S)
        for place in range(1, waiting + 1)
    )

    each_by_itself = sum(1 / pause for pause in pauses) / capacity.EARLIER

    assert capacity.looks_per_s(waiting, calls_per_s) == pytest.approx(each_by_itself, rel=0.01)


def test_behind_a_cache_no_crowd_makes_the_service_answer_more_looks() -> None:
    costs = capacity.costs_of(MEASURED)

    for cache in ("nginx", "CDN"):
        needs = [capacity.need(costs, waiting, cache) for waiting in capacity.CROWDS]
        assert len({one.looks_reaching_per_s for one in needs}) == 1


def test_a_sale_that_broke_a_rule_measures_nothing(tmp_path: Path) -> None:
    sale = tmp_path / "sale.json"
    sale.write_text(json.dumps({"shoppers": 1, "broken": ["no place rose"]}))

    with pytest.raises(SystemExit, match="broken"):
        capacity.take(MEASURED, sales=[sale])

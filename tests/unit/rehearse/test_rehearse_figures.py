"""What is counted of a rehearsal: scores of what was published, intervals, charts."""

import json
import xml.etree.ElementTree as ET

import pytest
from rehearsing import scenario

from waitroom.line.forecast.track_record import HIGH_QUANTILE, LOW_QUANTILE
from waitroom.rehearse.play.sample import Sample
from waitroom.rehearse.results.chart import Axis, Chart, Mark, Series
from waitroom.rehearse.results.compare import (
    FIGURES,
    Outcome,
    compare,
    interval_of,
    share_of,
    to_json,
)
from waitroom.rehearse.results.plot import frontier_chart, sales_chart
from waitroom.rehearse.results.result import percentile
from waitroom.rehearse.results.score import Score, score
from waitroom.rehearse.scenario import library
from waitroom.rehearse.scenario.scenario import changed
from waitroom.rehearse.scenario.variant import parse_variant


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    names = ("guaranteed", "fixed:60/min", "inside:1")
    return compare(
        [parse_variant(name, scenario()) for name in names], seeds=(1, 2, 3), figures=False
    )


def sample(number: int, chance: float, low: float | None = 10, high: float | None = 20) -> Sample:
    return Sample(number=number, at=100.0, wait_low_s=low, wait_high_s=high, chance=chance)


def test_a_band_is_held_against_the_wait_that_came() -> None:
    told = [sample(number, 1.0) for number in (1, 2, 3, 4)] + [sample(5, 1.0, None, None)]

    found = score(told, called_at={1: 105.0, 2: 110.0, 3: 121.0, 5: 1.0}, left_for={}, over=True)

    assert (found.told, found.sooner, found.inside, found.later, found.never) == (3, 1, 1, 1, 1)
    assert found.coverage == pytest.approx(1 / 3)
    assert found.width == pytest.approx(30 / 20)


def test_a_chance_is_held_against_what_was_there() -> None:
    told = [sample(1, 0.95), sample(2, 0.95), sample(3, 0.05), sample(4, 0.5)]

    found = score(
        told,
        called_at={1: 1.0, 2: 1.0, 4: 1.0},
        # Of number 4 it is not known what it would have found.
        left_for={1: True, 2: False},
        over=True,
    )

    tenths = found.reliability()
    assert found.chances == 3
    assert tenths[9] is not None
    assert (tenths[9].count, tenths[9].found) == (2, 0.5)
    assert tenths[0] is not None
    assert (tenths[0].count, tenths[0].found) == (1, 0.0)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 3)
    assert found.miscalibration == pytest.approx((0.9 + 0.05) / 3)


def test_something_was_left_for_a_number_that_was_passed_by() -> None:
    found = score([sample(1, 0.95), sample(2, 0.95)], called_at={}, left_for={1: True}, over=True)

    tenth = found.reliability()[9]
    assert tenth is not None
    assert (tenth.count, tenth.found, found.never) == (2, 0.5, 2)


def test_who_still_waits_while_the_sale_runs_is_not_judged() -> None:
    found = score([sample(1, 0.2)], called_at={}, left_for={}, over=False)

    assert (found.chances, found.never) == (0, 0)


def test_scores_of_several_sales_add_up() -> None:
    total = Score()
    one = score([sample(1, 1.0)], called_at={1: 115.0}, left_for={1: True}, over=True)

    total.add(one)
    total.add(one)

    assert (total.told, total.inside, total.chances, total.brier) == (2, 2, 2, 0.0)


def test_a_share_is_as_sure_as_there_are_sales_and_not_as_there_are_shoppers() -> None:
    few, many = share_of([(4, 5), (2, 5), (3, 5)]), share_of([(400, 500), (200, 500), (300, 500)])

    assert few is not None
    # As of three values, for the sales are equally large.
    assert (few.mean, few.half) == pytest.approx((0.6, interval_of([0.8, 0.4, 0.6]).half))
    assert few == many
    assert share_of([(0, 0), (0, 0)]) is None


@pytest.mark.endure
def test_bands_and_chances_hold_as_often_as_they_say() -> None:
    """As far as six sales can tell; docs/performance.md has what more of them do.

    What is independent is the sales and not the shoppers, so their spread is the measure: beyond
    five points from an interval of 95 % a right model is in fewer than one of twenty sets of seeds.
    These seeds are always the same.
    """
    quick = {"session_s": "240", "hold_s": "150"}
    variant = parse_variant("expected", changed(library.load_scenario("small"), quick))

    (outcome,) = compare([variant], seeds=(1, 2, 3, 4, 5, 6))

    covered, held = outcome.coverage(), outcome.score()
    assert covered is not None
    assert covered.half < 0.15
    assert covered.low - 0.05 <= HIGH_QUANTILE - LOW_QUANTILE <= covered.high + 0.05
    # Ten tenths of six sales scatter; what they have in common is the mean.
    gap = interval_of([_told_too_much(result.score) for result in outcome.results])
    assert gap.half < 0.25
    assert gap.low - 0.05 <= 0 <= gap.high + 0.05
    assert held.miscalibration is not None
    assert held.miscalibration < 0.08
    # Better by far than telling everybody the mean.
    found = sum(found for _, _, found in held.tenths) / held.chances
    assert held.brier is not None
    assert held.brier < found * (1 - found) / 2


def _told_too_much(sale: Score) -> float:
    return sum(told - found for _, told, found in sale.tenths) / sale.chances


@pytest.mark.parametrize(
    ("values", "mean", "half"),
    [
        # 4.303 is t at 97.5 % for two degrees of freedom, 1 the deviation of these values.
        ([1.0, 2.0, 3.0], 2.0, 4.303 / 3**0.5),
        ([5.0, 5.0, 5.0, 5.0], 5.0, 0.0),
        ([7.0], 7.0, 0.0),
    ],
)
def test_intervals_are_those_of_student(values: list[float], mean: float, half: float) -> None:
    found = interval_of(values)

    assert found.mean == pytest.approx(mean)
    assert found.half == pytest.approx(half)


def test_the_interval_of_many_values_goes_over_into_the_normal_one() -> None:
    values = [float(n % 2) for n in range(1000)]

    found = interval_of(values)

    assert found.half == pytest.approx(1.962 * 0.50025 / 1000**0.5, rel=1e-3)


def test_the_percentile_is_a_value_that_was_there() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.95) == 4.0
    assert percentile([], 0.5) is None


def test_differences_are_taken_seed_by_seed(outcomes: list[Outcome]) -> None:
    guaranteed, fixed, _ = outcomes

    found = fixed.against(guaranteed, "called")

    assert found is not None
    pairs = zip(fixed.results, guaranteed.results, strict=True)
    assert found.mean == pytest.approx(sum(a.called - b.called for a, b in pairs) / 3)
    assert guaranteed.against(guaranteed, "called") == interval_of([0.0, 0.0, 0.0])


def test_a_sale_that_is_never_sold_out_counts_with_its_whole_length(
    outcomes: list[Outcome],
) -> None:
    *_, inside = outcomes

    assert inside.unsold == 3
    found = inside.interval("to_last_s")
    assert found is not None
    assert found.mean == inside.variant.scenario.until_s


def test_everything_can_be_written_as_json(outcomes: list[Outcome]) -> None:
    values = json.loads(json.dumps(to_json(outcomes, seeds=(1, 2, 3))))

    first, second, _ = values["variants"]
    assert values["seeds"] == [1, 2, 3]
    assert first["score"]["coverage"] is None
    assert first["score"]["reliability"] == [None] * 10
    assert first["against_first"] is None
    assert set(second["figures"]) == {figure.key for figure in FIGURES}
    assert [sale["found_nothing"] for sale in first["sales"]] == [0, 0, 0]
    assert second["against_first"]["found_nothing_of_called"]["mean"] > 0


def test_several_processes_find_what_one_finds(outcomes: list[Outcome]) -> None:
    heard = []

    again = compare(
        [outcomes[0].variant],
        seeds=(1, 2, 3),
        jobs=2,
        figures=False,
        done=lambda variant, seed: heard.append((variant.name, seed)),
    )

    assert again[0].results == outcomes[0].results
    assert heard == [("guaranteed", 1), ("guaranteed", 2), ("guaranteed", 3)]


def texts_of(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_chart_of_sales_names_its_axes_and_every_variant(outcomes: list[Outcome]) -> None:
    texts = texts_of(sales_chart(outcomes, title="A <small> drop & more"))

    assert "A <small> drop & more" in texts
    assert {"units sold", "minutes from the opening"} <= set(texts)
    assert sum(text.startswith(("guaranteed (", "fixed:60/min (")) for text in texts) == 2


def test_the_frontier_leaves_out_what_never_sold_out_and_says_so(outcomes: list[Outcome]) -> None:
    guaranteed, fixed, inside = outcomes

    svg = frontier_chart(
        {"guaranteed": [guaranteed], "fixed rate": [fixed], "fixed number inside": [inside]},
        title="Frontier",
        seeds=3,
    )

    texts = texts_of(svg)
    assert "60/min" in texts
    assert any("1 not shown: never sold out" in text for text in texts)


def test_a_chart_can_be_read_on_light_and_on_dark() -> None:
    axis = Axis(title="x", low=1, high=100, ticks=[(1, "1"), (10, "10")], scale="log")
    svg = Chart(
        title="t",
        x=axis,
        y=Axis(title="y", low=0, high=1, ticks=[(0, "0")], scale="root"),
        series=[Series(name="s", line=[(1, 0), (100, 1)], marks=[Mark(x=10, y=0.25, label="a")])],
    ).svg()

    assert "@media(prefers-color-scheme:dark)" in svg
    assert ET.fromstring(svg).attrib["role"] == "img"
    assert axis.position(10) == pytest.approx(0.5)
    assert axis.position(1000) == 1.0

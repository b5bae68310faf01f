"""A sale read from its public log, and played again."""

import json

import pytest
from rehearsing import bodies_of, entry, scenario

from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.results.compare import play
from waitroom.rehearse.scenario.recording import Recording, read_recording
from waitroom.rehearse.scenario.scenario import Scenario, ScenarioError, changed
from waitroom.rehearse.scenario.variant import Variant


def recorded(played: Scenario, *, seed: int = 7, figures: bool = False) -> Recording:
    return read_recording(bodies_of(Simulation(played, seed=seed, figures=figures)), name="drop")


def variant(recording: Recording, behind: Scenario, **settings: str) -> Variant:
    found = changed(recording.scenario(behind), settings)
    course = recording.course(found.rules, fixed=settings.keys())
    return Variant(name="again", scenario=found, course=course)


def read(*entries: dict[str, object]) -> Recording:
    bodies = [json.dumps({"seq": seq, **each}) for seq, each in enumerate(entries, start=1)]
    return read_recording(bodies, name="drop")


def test_arrivals_stock_and_rules_are_those_of_the_log() -> None:
    played = scenario(policy="rate", calls_per_minute="30")
    sim = Simulation(played, seed=7, figures=False)

    recording = read_recording(bodies_of(sim), name="drop")

    again = recording.scenario(scenario())
    assert again.rules == played.rules
    assert again.stock.units == 30
    # A tick of joins is one entry, written at the next whole second.
    joined = sum(at <= sim.now - 1 for at in sim.arrivals.at)
    assert len(recording.arrivals) == joined
    assert all(0 <= b - a <= 1 for a, b in zip(sim.arrivals.at, recording.arrivals, strict=False))
    assert recording.assumed == []


def test_calls_bounded_by_the_minute_come_again_when_they_came() -> None:
    behind = scenario(
        policy="fixed", calls_per_minute="30", leave_told_share="0.5", patience_s="60"
    )
    recording = recorded(behind)
    shares = [0.1, 0.25, 0.5, 0.75]

    result = play(variant(recording, behind), 1, figures=False)

    assert recording.gone
    then = recording.head_times(shares)
    again = result.head_times([share * recording.called for share in shares])
    # Two ticks' worth of calls, as the docstring of recording.py defines it.
    for one, other in zip(then, again, strict=True):
        assert other is not None
        assert abs(one - other) <= 2


def test_calls_bounded_by_the_crowd_agree_in_the_mean() -> None:
    behind = scenario(policy="guaranteed")
    # The log then has the shares that the room learned, and not those that it imagined at first.
    recording = recorded(behind, figures=True)

    again = [play(variant(recording, behind), seed, figures=False) for seed in range(1, 9)]

    halfway = recording.head_times([0.5])[0]
    times = [result.head_times([0.5 * recording.called])[0] for result in again]
    known = [time for time in times if time is not None]
    assert len(known) == len(times)
    assert sum(known) / len(known) == pytest.approx(halfway, abs=60)
    called = [result.called for result in again]
    assert sum(called) / len(called) == pytest.approx(recording.called, rel=0.3)


def test_another_rate_is_played_on_the_recorded_arrivals() -> None:
    behind = scenario(policy="fixed", calls_per_minute="30")
    recording = recorded(behind)

    slow = play(variant(recording, behind), 1, figures=False)
    quick = play(variant(recording, behind, calls_per_minute="90"), 1, figures=False)

    assert quick.calls_by_minute[0] > 2 * slow.calls_by_minute[0]


def test_pauses_new_rules_and_new_stock_come_when_they_came() -> None:
    recording = read(
        entry("room_created", -9, room="drop", line="main-1"),
        entry("stock", -8, sku="a", movement="received", quantity=4),
        entry("stock", -8, sku="b", movement="received", quantity=6),
        entry("status", 0, **{"from": "scheduled", "to": "open"}),
        entry("joined", 1, line="main-1", first=1, last=50, called=0),
        entry("called", 2, line="main-1", figures={"seats": 8}, **{"from": 1, "to": 3}, called=3),
        entry("revoked", 3, line="main-1", number=12),
        entry("rules", 30, changed={"calls_per_minute": [None, 12], "message": ["", "Soon"]}),
        entry("status", 60, **{"from": "open", "to": "paused"}),
        entry("stock", 70, sku="b", movement="received", quantity=5),
        entry("status", 90, **{"from": "paused", "to": "open"}),
        entry("something_new", 95, line="main-1"),
    )
    found = recording.scenario(scenario(policy="fixed", seats_max="100", no_show_share="0"))

    sim = Simulation(found, seed=1, course=recording.course(found.rules))
    heads = {}
    while sim.now < 240:
        heads[sim.now] = sim.head
        sim.step()

    assert sim.rules.calls_per_minute == 12
    assert sim.rules.seats_max == 8
    assert [shelf.on_hand for shelf in sim.books.shelves] == [4, 11]
    assert heads[62] == heads[89]
    assert heads[239] > max(heads[89], 12)
    assert 12 not in sim.admitted


def test_a_draw_and_several_lines_are_played_as_one_line() -> None:
    recording = read(
        entry("stock", -8, sku="a", movement="received", quantity=4),
        entry("status", 0, **{"from": "scheduled", "to": "open"}),
        entry("entered", -5, line="main-1", first=1, last=20),
        entry("drawn", 3, line="main-1", count=20),
        entry("joined", 4, line="members-1", first=1, last=5, called=0),
        entry("joined", 5, line="main-1", first=21, last=22, called=0),
        entry("stepped_aside", 6, line="main-1", number=21),
        entry("revoked", 7, line="members-1", number=2),
    )

    assert recording.arrivals == [3.0] * 20 + [4.0] * 5 + [5.0] * 2
    assert recording.lines == ["main-1", "members-1"]
    assert recording.gone == {26: 6.0, 22: 7.0}


def test_what_the_log_does_not_say_is_concluded_or_named() -> None:
    calls = [
        entry(
            "called",
            at,
            line="main-1",
            **{"from": at, "to": at, "called": 1},
            reason="per_minute" if at < 60 else "guaranteed",
            figures={"seats": 40, "free": 25, "claim_share": 0.8, "units_each": 1.25},
        )
        for at in range(1, 70)
    ]
    recording = read(entry("joined", 0, line="main-1", first=1, last=99, called=0), *calls)

    found = recording.scenario(scenario())
    assert found.stock.units == 25
    assert found.rules.policy == "guaranteed"
    assert found.rules.seats_max == 40
    assert found.rules.calls_per_minute == 60
    assert found.shopping.no_show_share == pytest.approx(0.2)
    assert found.shopping.quantity_shares == pytest.approx((0.75, 0.25))
    assert "hold_s" in recording.assumed
    assert len(recording.inferred) == 4


def test_a_log_without_a_sale_is_refused() -> None:
    with pytest.raises(ScenarioError, match="no entry of a join or a call"):
        read(entry("room_created", 0, room="drop", line="main-1"))
    with pytest.raises(ScenarioError, match="entry 1 cannot be read"):
        read_recording(["{"], name="drop")
    with pytest.raises(ScenarioError, match="entry 1 cannot be read"):
        read(entry("joined", 0, line="main-1"))
    with pytest.raises(ScenarioError, match="does not say how many units"):
        read(entry("joined", 0, line="main-1", first=1, last=2, called=0)).scenario(scenario())

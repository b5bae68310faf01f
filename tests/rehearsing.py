"""Rehearsals that are small enough for a test, and how the public log would tell of one."""

import json
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.scenario import library
from waitroom.rehearse.scenario.scenario import Scenario, changed

OPENING = datetime(2026, 11, 22, 19, tzinfo=UTC)
HASH = "00" * 32
# Fields that a replay does not look at, or that are mostly the same.
_USUAL: dict[str, dict[str, Any]] = {
    "joined": {"root": HASH},
    "entered": {"root": HASH},
    "drawn": {"seed": HASH, "head": HASH, "value": None},
    "called": {
        "again": [],
        "again_since": [],
        "gate": 0,
        "term": 1,
        "reason": "seats",
        "figures": {},
    },
}
# The scenarios that come with the program, made small and quick enough for a test.
SHRUNK = {
    "units": "30",
    "shoppers": "600",
    "until_s": "1200",
    "browse_s": "8",
    "pay_s": "14",
    "claim_window_s": "20",
    "session_s": "120",
    "hold_s": "60",
    "grace_s": "300",
    "stay_s": "40",
    "back_s": "40",
    "trouble_from_s": "20",
    "trouble_until_s": "90",
}


def scenario(name: str = "drop", **changes: str) -> Scenario:
    shrunk = SHRUNK | ({"bots": "40"} if name == "bots" else {})
    return changed(library.load_scenario(name), shrunk | changes)


def bodies_of(sim: Simulation, **rules: list[Any]) -> list[str]:
    """Run a simulation and return the bodies of the log; `rules` are changed before the opening."""
    return [
        json.dumps({"seq": seq, **entry}) for seq, entry in enumerate(_entries(sim, rules), start=1)
    ]


def entry(kind: str, at: float, **facts: Any) -> dict[str, Any]:
    moment = OPENING + timedelta(seconds=at)
    usual = _USUAL.get(kind, {})
    return {"kind": kind, "at": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), **usual, **facts}


def _entries(sim: Simulation, rules: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    yield entry("room_created", -60, room="drop", line="main-1")
    yield entry("stock", -50, sku="unit", movement="received", quantity=sim.books.on_hand)
    before = {name: [None, value] for name, value in msgspec.to_builtins(sim.rules).items()}
    yield entry("rules", -40, changed=before | rules)
    yield entry("status", 0, **{"from": "scheduled", "to": "open"})
    tail, head, told = 0, 0, False
    while not sim.over:
        now, joined = sim.now, bisect_right(sim.arrivals.at, sim.now)
        at_once = sim.head - head
        if joined > tail:
            facts = {"first": tail + 1, "last": joined, "called": at_once}
            yield entry("joined", now, line="main-1", **facts)
        tail, head = joined, sim.head
        sim.step()
        decision, called = sim.decision, sim.head_by_tick[-1] - head
        if called or decision.again:
            passed = range(head + 1, head + called + 1)
            new = sum(number in sim.admitted for number in passed)
            facts = {"from": head + 1, "to": head + called, "called": new}
            facts |= {"again": list(decision.again), "gate": decision.gate}
            facts |= {"reason": decision.reason, "figures": decision.figures}
            yield entry("called", now, line="main-1", **facts)
        head += called
        if sim.sold_out and not told:
            told = True
            yield entry("sold_out", now)

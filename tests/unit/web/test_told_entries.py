"""Each entry of the log has a sentence, whatever its fields hold."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.kit.language.catalogues import english, language
from waitroom.admin.bodies import RoomChange
from waitroom.log.entries import KINDS
from waitroom.web.told.entries import Told, tell_entry
from waitroom.web.told.rules import RULES_IN_WORDS

DASH = "\N{EN DASH}"
HASH = "0123456789abcdef" * 4


def body(seq: int, kind: str, **facts: Any) -> str:
    return msgspec.json.encode(
        {"at": "2026-11-22T19:00:03.123456Z", "seq": seq, "kind": kind, **facts}
    ).decode()


MAIN = {"line": "main-1"}
PRESS = {"line": "press-1"}
JOIN = {**MAIN, "root": HASH}
CALL = {**MAIN, "gate": 9, "term": 1, "reason": "seats", "again_since": [], "figures": {}}


CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        "room_created",
        {"room": "drop", "line": "main-1"},
        "The room drop was created, with the line main-1.",
    ),
    ("status", {"from": "paused", "to": "open"}, "The room was opened again after a pause."),
    ("status", {"from": "scheduled", "to": "open"}, "The room was opened."),
    (
        "status",
        {"from": "open", "to": "ended"},
        "The room has ended: no more numbers are called.",
    ),
    (
        "rules",
        {"changed": {"seats_max": [10, 2000], "public": [True, False], "message": ["", "Hi"]}},
        (
            "Rules were changed: seats: 2,000, before that 10; listing in the shop: off, before "
            "that on; message to everyone who waits: “Hi”, before that nothing."
        ),
    ),
    (
        "rules",
        {"changed": {"profile slow": [None, {"name": "Slow", "time_factor": 2}]}},
        (
            "Rules were changed: more time by the profile slow: 2 times the time, before that "
            "nothing."
        ),
    ),
    (
        "rules",
        {
            "changed": {
                "claim_window_s": [45, 90],
                "calls_per_minute": [60, None],
                "opens_at": [None, "2026-11-28T19:00:00+00:00"],
                "disappointed_max": [0.02, 0.05],
                "language": ["", "de"],
                "sparkle": [None, {"deep": [True, 0.5]}],
            }
        },
        (
            "Rules were changed: time to enter after a call: 90 seconds, before that 45 seconds; "
            "most calls in a minute: no limit, before that 60; when the sale opens: Nov 28, 2026, "
            "19:00 UTC, before that no set time; share of called people who may find nothing: 5%, "
            "before that 2%; language of the room: German, before that English; sparkle: deep "
            "yes, 0.5, before that nothing."
        ),
    ),
    ("rules", {"changed": {}}, "No rule was changed."),
    (
        "lane_added",
        {**PRESS, "share": 0.25},
        "The share of line press-1 in the calls was set to 25%.",
    ),
    (
        "restored",
        {**MAIN, "first": 41, "last": 60},
        (
            "The database was brought back from an older copy. Numbers 41\u201360 had been given "
            "before and stay valid."
        ),
    ),
    (
        "restored",
        {**MAIN, "first": 7, "last": 7, "entry": True},
        (
            "The database was brought back from an older copy. Draw entries 7 had been made before "
            "and stay valid."
        ),
    ),
    (
        "reset",
        {"from_line": "main-1", "to_line": "main-2", "reason_hash": HASH},
        (
            "An operator closed the line main-1 and started main-2 in its place: everyone who "
            "waited in main-1 lost their place."
        ),
    ),
    (
        "draw_announced",
        {**MAIN, "commitment": HASH, "key": HASH, "public_value_source": "drand 4711"},
        (
            "A draw was announced. Its seed is fixed and still secret; the commitment to it is "
            "0123456789ab…. A public value from drand 4711 will be added to it."
        ),
    ),
    (
        "entered",
        {**JOIN, "first": 3, "last": 3},
        "1 person entered the draw: entry 3.",
    ),
    (
        "entries_closed",
        {**PRESS, "count": 5000},
        "Line press-1: The draw was closed to new entries: 5,000 entries take part.",
    ),
    (
        "closing_signed",
        {**MAIN, "count": 2, "head": HASH, "key": HASH, "signature": HASH * 2},
        "The closing of the draw, with 2 entries, was signed.",
    ),
    (
        "public_value",
        {**MAIN, "source": "drand 4711", "value": "8f3a"},
        "The public value was recorded: 8f3a, from drand 4711.",
    ),
    (
        "drawn",
        {**MAIN, "seed": HASH, "head": HASH, "count": 2, "value": None},
        "The draw was made: 2 entries received their numbers. The seed was 0123456789ab….",
    ),
    (
        "joined",
        {**JOIN, "first": 1, "last": 412, "called": 0},
        f"412 people joined: numbers 1{DASH}412.",
    ),
    (
        "joined",
        {**JOIN, "first": 1500, "last": 1500, "called": 1},
        "1 person joined: number 1,500. 1 of them was called at once.",
    ),
    (
        "joined",
        {**PRESS, "first": 1, "last": 4, "called": 2, "root": HASH},
        f"Line press-1: 4 people joined: numbers 1{DASH}4. 2 of them were called at once.",
    ),
    (
        "joined",
        {**JOIN, "first": 1, "last": 4, "called": 4},
        f"4 people joined: numbers 1{DASH}4. 4 of them were called at once.",
    ),
    (
        "called",
        {**CALL, "from": 1, "to": 40, "called": 40, "again": []},
        f"Numbers 1{DASH}40 were called.",
    ),
    (
        "called",
        {**CALL, "from": 7, "to": 7, "called": 1, "again": [2, 5]},
        ("Number 7 was called. 2 people who had come back or been passed by were called: 2, 5."),
    ),
    (
        "called",
        {**CALL, "from": 1, "to": 4, "called": 3, "again": []},
        (
            f"Of the numbers 1{DASH}4, 3 were called. The others had given up, stepped aside or "
            "been revoked."
        ),
    ),
    (
        "called",
        {**CALL, "from": 1, "to": 4, "called": 2, "again": [], "passed": [2]},
        (
            f"Of the numbers 1{DASH}4, 2 were called. 1 number was passed by, since what its "
            "shopper came for was not free: 2. The others had given up, stepped aside or been "
            "revoked."
        ),
    ),
    (
        "called",
        {**CALL, "from": 8, "to": 7, "called": 0, "again": list(range(1, 15))},
        (
            "14 people who had come back or been passed by were called: "
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more."
        ),
    ),
    (
        "called",
        {**CALL, "from": 10, "to": 9, "called": 0, "again": []},
        "New arrivals are no longer called as they join.",
    ),
    (
        "called",
        {**CALL, "from": 8, "to": 7, "called": 0, "again": []},
        "New arrivals are called as they join, up to number 9.",
    ),
    ("sold_out", {}, "Everything is sold."),
    ("stock_back", {}, "There is stock again."),
    (
        "stock",
        {"sku": "mug", "movement": "adjusted", "quantity": -2, "override": True},
        (
            "An operator corrected the stock of mug: \N{MINUS SIGN}2. That is below the units "
            "already promised, held or sold."
        ),
    ),
    (
        "stock",
        {"sku": "mug", "movement": "received", "quantity": 2},
        "2 units were received: mug.",
    ),
    (
        "stock",
        {"movement": "received", "skus": 2, "quantity": 70},
        "70 units were received: 2 products.",
    ),
    (
        "forecast",
        {
            **MAIN,
            "head": 10,
            "tail": 50,
            "rows": [
                [1, 0, 61, 1.0],
                [20, None, None, None],
                [40, 120, 600, 0.25],
                [50, 1, 2, 0],
            ],
        },
        (
            "Published to the 40 people waiting: place 1, wait: 0 to 1 min, chance: 100%; place "
            "40, wait: 2 to 10 min, chance: 25%."
        ),
    ),
    (
        "forecast",
        {**MAIN, "head": 0, "tail": 1, "rows": [[1, None, None, None]]},
        "Published to the 1 person waiting: place 1, wait: not known, chance: not known.",
    ),
    (
        "moved",
        {**MAIN, "number": 4, "entry": True},
        "Draw entry 4: moved to another device by its holder.",
    ),
    (
        "stepped_aside",
        {**MAIN, "number": 4},
        "Number 4: stepped aside to let others pass.",
    ),
    (
        "extra_time",
        {**MAIN, "number": 4, "profile": "slow"},
        "Number 4: given more time (slow).",
    ),
    (
        "revoked",
        {**PRESS, "number": 4},
        "Line press-1: Number 4: revoked by an operator.",
    ),
    ("given_back", {**MAIN, "number": 4}, "Number 4: given back by an operator."),
    ("invited", {**PRESS, "count": 1, "batch": 1}, "Line press-1: 1 invitation was issued."),
    (
        "invitations_revoked",
        {"batch": 1, "count": 40},
        "40 unused invitations were revoked by an operator.",
    ),
]


@pytest.mark.parametrize(("kind", "facts", "text"), CASES)
def test_every_entry_is_told_in_words(kind: str, facts: dict[str, Any], text: str) -> None:
    found = tell_entry(7, body(7, kind, **facts), english())

    assert found.text == text
    assert found.known
    assert found.at == datetime(2026, 11, 22, 19, 0, 3, 123456, tzinfo=UTC)


def test_no_kind_is_left_without_words() -> None:
    assert {kind for kind, _, _ in CASES} == set(KINDS)


@given(
    kind=st.sampled_from([*sorted(KINDS), "new"]),
    facts=st.dictionaries(
        st.sampled_from(
            ["line", "first", "last", "called", "from", "to", "again", "changed", "number", "rows"]
        ),
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=3)
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    ),
)
def test_whatever_an_entry_holds_the_page_can_show_it(kind: str, facts: dict[str, Any]) -> None:
    text = body(7, kind, **facts)

    found = tell_entry(7, text, english())

    assert found.kind == kind
    assert found.known or found.text == text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "joined", "at": "then"}', "nonsense"])
def test_what_is_no_entry_at_all_is_its_own_text(text: str) -> None:
    assert tell_entry(7, text, english()) == Told(
        seq=7, at=None, kind="", text=text, more="", known=False, routine=False
    )


def test_a_call_says_what_it_was_decided_on() -> None:
    facts = {**CALL, "from": 1, "to": 2, "called": 2, "again": []}
    figures = {"waiting": 1200, "moons": 2, "claim_share": 0.8126}

    found = tell_entry(7, body(7, "called", **{**facts, "figures": figures}), english())

    assert found.more == (
        "The limit was: the free seats. Figures: people waiting: 1,200; share of the called who "
        "come: 81.3%; moons: 2."
    )
    assert found.routine
    assert not tell_entry(8, body(8, "revoked", line="main-1", number=4), english()).routine


def test_an_opening_says_by_which_rules() -> None:
    rules = {"payment_window_s": 300, "seats_max": 100, "policy": "rate"}
    facts = {"from": "scheduled", "to": "open", "rules": rules}

    found = tell_entry(7, body(7, "status", **facts), english())

    assert found.more == (
        "By these rules: time to pay: 5 minutes; way of calling: as many people as seats and rate "
        "allow; seats: 100."
    )


def test_every_rule_has_a_name_for_shoppers() -> None:
    assert set(RoomChange.__struct_fields__) - {"reason"} | {"networks_behind"} == RULES_IN_WORDS


def test_an_entry_is_told_in_the_readers_language() -> None:
    facts = {**CALL, "from": 1, "to": 1500, "called": 1500, "again": []}

    told = [tell_entry(7, body(7, "called", **facts), language(tag)).text for tag in ("de", "ar")]

    assert "1.500" in told[0]
    # The values keep their own direction.
    assert f"\u2068{1}{DASH}1,500\u2069" in told[1]

"""Every entry of the log in words, whatever stands in it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.log.words import KINDS, Told, tell_entry

DASH = "\N{EN DASH}"


def body(seq: int, kind: str, **facts: Any) -> str:
    return msgspec.json.encode(
        {"at": "2026-11-22T19:00:03.123456Z", "seq": seq, "kind": kind, **facts}
    ).decode()


CALL = {"line": "main-1", "gate": 9, "term": 1, "reason": "seats"}


@pytest.mark.parametrize(
    ("kind", "facts", "text"),
    [
        ("room_created", {"room": "drop", "line": "main-1"}, "The room drop was made, with"),
        (
            "joined",
            {"line": "main-1", "first": 1, "last": 412, "called": 0, "root": ""},
            f"412 people joined: numbers 1{DASH}412",
        ),
        (
            "joined",
            {"line": "main-1", "first": 1500, "last": 1500, "called": 1, "root": ""},
            "1 person joined: number 1,500, called at once",
        ),
        (
            "joined",
            {"line": "press-1", "first": 1, "last": 4, "called": 2, "root": ""},
            f"4 people joined in line press-1: numbers 1{DASH}4, 2 of them called at once",
        ),
        (
            "called",
            {**CALL, "from": 1, "to": 40, "called": 40, "again": []},
            f"Numbers 1{DASH}40 were called",
        ),
        (
            "called",
            {**CALL, "from": 7, "to": 7, "called": 1, "again": [2, 5]},
            "Number 7 was called, and again 2 who had come back: 2, 5",
        ),
        (
            "called",
            {**CALL, "from": 1, "to": 4, "called": 3, "again": []},
            f"Of the numbers 1{DASH}4, 3 were called; the others had given up",
        ),
        (
            "called",
            {**CALL, "from": 8, "to": 7, "called": 0, "again": list(range(1, 15))},
            "Called again: 14 who had come back: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more",
        ),
        ("called", {**CALL, "from": 8, "to": 7, "called": 0, "again": []}, "The gate was drawn"),
        ("status", {"from": "paused", "to": "open"}, "The room goes on after a pause"),
        ("status", {"from": "scheduled", "to": "open"}, "The room was opened"),
        ("rules", {"changed": ["batch_max", "seats_max"]}, "The rules were changed: batch max, s"),
        (
            "rules",
            {
                "changed": {
                    "seats_max": [10, 2000],
                    "public": [True, False],
                    "message": ["", {"sha256": "00"}],
                }
            },
            (
                "The rules were changed: seats max from 10 to 2,000; public from yes to no; "
                "message from nothing to a text that is not public"
            ),
        ),
        (
            "entered",
            {"line": "main-1", "first": 3, "last": 3},
            "1 person entered for the draw: entry 3",
        ),
        (
            "entries_closed",
            {"line": "main-1", "count": 5000},
            "The entries were closed: 5,000 entries take",
        ),
        (
            "moved",
            {"line": "main-1", "number": 4, "entry": True},
            "Entry 4 was moved by its holder",
        ),
        ("revoked", {"line": "press-1", "number": 4}, "Number 4 in line press-1 was revoked"),
        (
            "stock",
            {"sku": "mug", "movement": "adjusted", "quantity": -2},
            "An operator corrected the stock of mug by -2",
        ),
        (
            "stock",
            {"sku": "mug", "movement": "received", "quantity": 2},
            "Stock of mug was received: +2",
        ),
        (
            "void",
            {"line": "main-1", "first": 5, "last": 9, "reason": "restored"},
            f"Numbers 5{DASH}9 are void: restored",
        ),
        ("sold_out", {}, "Everything is sold"),
        (
            "stock",
            {"movement": "received", "skus": 2, "quantity": 70},
            "Stock of 2 SKUs was received: +70",
        ),
        (
            "rules",
            {"changed": {"profile slow": [None, {"name": "Slow", "time_factor": 2}]}},
            "The rules were changed: profile slow from nothing to (name Slow, time factor 2)",
        ),
        ("invitations_revoked", {"batch": 1, "count": 40}, "40 invitations were revoked by"),
        (
            "forecast",
            {
                "line": "main-1",
                "head": 10,
                "tail": 50,
                "rows": [
                    [1, 0, 61, 1.0],
                    [20, None, None, 0.5],
                    [40, 120, 600, 0.25],
                    [50, 1, 2, 0],
                ],
            },
            "What 40 people were told: place 1 0 to 1 min, chance 100%; place 40 2 to 10 min, c",
        ),
    ],
)
def test_every_entry_is_told_in_words(kind: str, facts: dict[str, Any], text: str) -> None:
    found = tell_entry(7, body(7, kind, **facts))

    assert found.text.startswith(text)
    assert found.known
    assert found.at == datetime(2026, 11, 22, 19, 0, 3, 123456, tzinfo=UTC)


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

    found = tell_entry(7, text)

    assert found.kind == kind
    assert found.known or found.text == text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "joined", "at": "then"}', "nonsense"])
def test_what_is_no_entry_at_all_is_its_own_text(text: str) -> None:
    assert tell_entry(7, text) == Told(
        seq=7, at=None, kind="", text=text, more="", known=False, routine=False
    )


def test_a_call_says_what_it_was_decided_on() -> None:
    facts = {**CALL, "from": 1, "to": 2, "called": 2, "again": []}
    figures = {"waiting": 1200, "claim_share": 0.8126}

    found = tell_entry(7, body(7, "called", **facts, figures=figures))

    assert found.more == "Decided on: as many as there are seats, claim share 0.813, waiting 1,200"
    assert found.routine
    assert not tell_entry(8, body(8, "revoked", line="main-1", number=4)).routine


def test_an_opening_says_by_which_rules() -> None:
    facts = {"from": "scheduled", "to": "open", "rules": {"seats_max": 100, "policy": "rate"}}

    found = tell_entry(7, body(7, "status", **facts))

    assert found.more == "By these rules: policy rate, seats max 100"

"""References and codes can be read to another person."""

import os
import secrets
from collections import Counter
from types import SimpleNamespace
from typing import cast

import pytest

from checkout.order_store import new_reference
from inventory.kit.language.aloud import SIGNS, drawn, spelled
from waitroom.desk.board import RoomView
from waitroom.desk.places import new_code
from waitroom.desk.standing import reference_of
from waitroom.line.ticket import Ticket

# Each of these may be taken for another one of its group.
LOOK_ALIKES = ("1IL", "2Z", "5S", "8B", "UV")


def test_no_two_signs_look_alike_and_none_has_a_small_form() -> None:
    assert len(set(SIGNS)) == len(SIGNS)
    assert SIGNS.upper() == SIGNS
    assert SIGNS.isalnum()
    for group in LOOK_ALIKES:
        assert len(set(group) & set(SIGNS)) <= 1
    assert not set("O0") & set(SIGNS)


def test_signs_are_drawn_and_a_number_is_spelled_the_same_each_time() -> None:
    ids = [os.urandom(16) for _ in range(3000)]
    counts = Counter("".join(spelled(one, 4) for one in ids))

    assert {*drawn(200, secrets.choice), *new_code(), *new_reference()} <= set(SIGNS)
    assert [spelled(one, 4) for one in ids] == [spelled(one, 4) for one in ids]
    # Each of 24 signs some 500 times: none is left out or much preferred.
    assert set(counts) == set(SIGNS)
    assert min(counts.values()) > 350
    assert spelled(bytes(16), 4) == "3333"
    assert spelled((25).to_bytes(16), 4) == "3344"


@pytest.mark.parametrize(
    ("line", "entered", "said"),
    [
        ("main-1", False, "42 3344"),
        ("main-1", True, "E42 3344"),
        ("press-2", False, "PRESS2 42 3344"),
    ],
)
def test_a_reference_has_the_number_and_four_signs(line: str, *, entered: bool, said: str) -> None:
    view = cast(RoomView, SimpleNamespace(name_of=lambda _: line))
    ticket = Ticket(line_id=1, number=42, ticket_id=(25).to_bytes(16), entered=entered)

    assert reference_of(view, ticket) == said

"""What the waiting page says in words to browsers without a script."""

import pytest
from told import state

from inventory.kit.language.catalogues import english
from waitroom.line.state import RoomState
from waitroom.web.waiting.view import ahead, band, odds, stock, view_of, wait, why


@pytest.mark.parametrize(
    ("ticket", "room", "view"),
    [
        ("none", "open", "none"),
        ("none", "sold_out", "sold_out"),
        ("waiting", "paused", "waiting"),
        ("waiting", "before_opening", "waiting"),
        ("waiting", "ended", "ended"),
        ("aside", "sold_out", "sold_out"),
        ("entered", "before_opening", "entered"),
        ("entered", "scheduled", "entered"),
        ("entered", "drawing", "drawing"),
        # The draw was made, and this worker has not heard of it yet.
        ("entered", "open", "drawing"),
        ("called", "sold_out", "called"),
        ("claimed", "ended", "claimed"),
        ("moved", "sold_out", "moved"),
        ("revoked", "ended", "revoked"),
        ("over", "sold_out", "over"),
        ("over", "ended", "ended"),
        ("left", "ended", "ended"),
    ],
)
def test_a_ticket_and_its_room_decide_together_what_is_shown(
    ticket: str, room: str, view: str
) -> None:
    assert view_of(ticket, state(room)) == view


@pytest.mark.parametrize(
    ("room", "reason"),
    [
        (state(), ""),
        (state("paused", wait_note="stock_fell"), "paused"),
        (state("drawing"), "drawing"),
        (state(available=0, held=3, wait_note="stock_fell"), "none_free"),
        (state(available=0, promised=1), "none_free"),
        (state(available=0, held=3, admits=False), "no_one_admitted"),
        (state("before_opening", admits=False), ""),
        (state(available=0, held=3, has_stock=False), ""),
        (state(wait_note="rate_lowered"), "rate_lowered"),
    ],
)
def test_the_reason_that_matters_most_is_given(room: RoomState, reason: str) -> None:
    assert why(room) == reason


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (state(available=1), "1 item left."),
        (state(available=1200, held=3), "1,200 items left, 3 in baskets."),
        (state(available=0, held=1), "1 item is in another basket and none is free. "),
        (state(available=0, held=2), "2 items are in other baskets and none is free. "),
        (state(available=0, promised=1), "1 item is set aside for a person who was called, "),
        (state(available=0, held=2, promised=1), "2 items are in other baskets, 1 set aside for "),
        (state("sold_out", available=0), "Everything is sold."),
        (state(available=0), "Nothing is free right now."),
    ],
)
def test_stock_is_said_as_it_is(room: RoomState, said: str) -> None:
    assert stock(room, english()).startswith(said)


@pytest.mark.parametrize(
    ("low_s", "high_s", "said"),
    [
        (None, None, "Not known yet"),
        (5, 59, "Less than a minute"),
        (50, 60, "About 1 minute"),
        (240, 420, "Between 4 and 7 minutes"),
        (3000, 9000, "Between 50 minutes and 2 h 30 min"),
    ],
)
def test_a_wait_is_said_as_a_range(low_s: float | None, high_s: float | None, said: str) -> None:
    assert band(low_s, high_s, english()) == said


@pytest.mark.parametrize(
    ("chance", "said"),
    [
        (None, "Not known yet"),
        (1.0, "Almost certain, over 99 %"),
        (0.86, "Very likely, 86 %"),
        (0.5, "About even, 50 %"),
        (0.05, "Very unlikely, 5 %"),
        (0.0, "Next to none, under 1 %"),
    ],
)
def test_a_chance_is_said_in_a_word_and_in_percent(chance: float | None, said: str) -> None:
    assert odds(chance, english()) == said


@pytest.mark.parametrize(
    ("room", "chance", "said"),
    [
        (state(), 0.01, "Probably not reached"),
        (state(), 0.5, "Not known yet"),
        (state("before_opening"), 0.0, "Not known yet"),
        (state(has_stock=False), 0.0, "Not known yet"),
        (state(admits=False), 0.0, "Not known yet"),
    ],
)
def test_a_wait_that_stock_will_hardly_outlast_is_said_so(
    room: RoomState, chance: float, said: str
) -> None:
    assert wait(None, None, chance, room, english()) == said


def test_people_ahead_are_counted_for_the_place_that_is_shown() -> None:
    assert [ahead(place, english()) for place in range(4)] == [
        "You are called before anyone new.",
        "No one is ahead of you",
        "1 person ahead of you",
        "2 people ahead of you",
    ]

"""Cookies of many rooms are dropped before they fill a request's head, the dearest last."""

from inventory.kit.doors.cookies import DROPPED_MAX, Kind, RoomCookie, surplus

LETTERS = {"t": Kind.TICKET, "i": Kind.INVITATION, "s": Kind.SESSION}


def dropped(kept: str, *, over_by: int, going_on: str = "abcdefgh", room: str = "z") -> str:
    """Return what is dropped of cookies such as "ta sb", each of 100 bytes and oldest first."""
    cookies = [
        RoomCookie(name=one, room=one[1], kind=LETTERS[one[0]], size=100) for one in kept.split()
    ]
    return " ".join(surplus(cookies, over_by=over_by, room=room, going_on=set(going_on)))


def test_nothing_is_dropped_while_there_is_room() -> None:
    assert dropped("ta sb", over_by=0) == ""


def test_rooms_that_are_over_go_first_then_used_invitations_then_the_oldest() -> None:
    kept = "sa tb ix tx ic tc id td te"

    assert dropped(kept, over_by=1) == "ix"
    assert dropped(kept, over_by=200) == "ix tx"
    assert dropped(kept, over_by=201) == "ix tx ic"
    assert dropped(kept, over_by=600) == "ix tx ic id tb tc"


def test_an_invitation_without_a_ticket_is_worth_as_much_as_a_ticket() -> None:
    assert dropped("ta ib tc", over_by=101) == "ta ib"


def test_sessions_go_last_and_one_of_a_room_that_is_over_before_others() -> None:
    assert dropped("sa sx tb", over_by=1) == "tb"
    assert dropped("sa sx tb", over_by=101) == "tb sx"


def test_a_rooms_own_cookies_stay_as_it_gets_another() -> None:
    assert dropped("ta ia sa tb", over_by=900, room="a") == "tb"


def test_one_answer_drops_a_bounded_number() -> None:
    many = " ".join(["tx"] * 80)

    assert len(dropped(many, over_by=8000).split()) == DROPPED_MAX

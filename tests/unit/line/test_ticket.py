"""A ticket is worth what its signature says, and one ticket has one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.session import Session, SessionSeal
from inventory.refusals import SessionOver
from waitroom.line.ticket import Ticket, TicketSeal, encode_id, parse_ticket
from waitroom.refusals import NoTicket

OLD, NEW, FOREIGN = b"o" * 32, b"n" * 32, b"f" * 32
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

tickets = st.builds(
    Ticket,
    line_id=st.integers(1, 2**31 - 1),
    number=st.integers(1, 10**18 - 1),
    ticket_id=st.binary(min_size=16, max_size=16),
)


@given(ticket=tickets)
def test_a_signed_ticket_comes_back_as_it_was(ticket: Ticket) -> None:
    seal = TicketSeal([OLD])

    token = seal.sign(ticket)

    assert seal.open(token) == ticket
    assert token.startswith(f"{ticket.text()}~")


@given(ticket=tickets, data=st.data())
def test_a_ticket_with_any_character_replaced_is_no_ticket(
    ticket: Ticket, data: st.DataObject
) -> None:
    seal = TicketSeal([OLD])
    token = seal.sign(ticket)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(BASE64 + ".~= +/é").filter(lambda c: c != token[at]))

    with pytest.raises(NoTicket):
        seal.open(token[:at] + other + token[at + 1 :])


@pytest.mark.parametrize("other", list(BASE64))
def test_the_last_letter_of_a_signature_has_one_spelling(other: str) -> None:
    seal = TicketSeal([OLD])
    token = seal.sign(Ticket(line_id=1, number=1, ticket_id=b"i" * 16))

    if other == token[-1]:
        assert seal.open(token)
    else:
        with pytest.raises(NoTicket):
            seal.open(token[:-1] + other)


@given(ticket=tickets, data=st.data())
def test_a_ticket_with_a_character_more_or_less_is_no_ticket(
    ticket: Ticket, data: st.DataObject
) -> None:
    seal = TicketSeal([OLD])
    token = seal.sign(ticket)
    at = data.draw(st.integers(0, len(token) - 1))
    added = data.draw(st.sampled_from(BASE64 + ".~=!\n\x00 é"))

    for tampered in (token[:at] + token[at + 1 :], token[:at] + added + token[at:], token + added):
        if tampered != token:
            with pytest.raises(NoTicket):
                seal.open(tampered)


@given(token=st.text(max_size=200))
def test_nothing_that_we_did_not_sign_is_a_ticket(token: str) -> None:
    with pytest.raises(NoTicket):
        TicketSeal([OLD]).open(token)


@given(ticket=tickets)
def test_a_ticket_signed_with_another_key_is_no_ticket(ticket: Ticket) -> None:
    token = TicketSeal([FOREIGN]).sign(ticket)

    with pytest.raises(NoTicket):
        TicketSeal([OLD, NEW]).open(token)


def test_a_session_is_no_ticket_and_a_ticket_is_no_session() -> None:
    ticket = TicketSeal([OLD]).sign(Ticket(line_id=1, number=7, ticket_id=b"i" * 16))
    session = SessionSeal([OLD]).sign(Session(session_id=7, room="drop"))

    with pytest.raises(NoTicket):
        TicketSeal([OLD]).open(session)
    with pytest.raises(SessionOver):
        SessionSeal([OLD]).open(ticket)


@given(ticket=tickets)
def test_after_a_rotation_the_older_key_still_opens_and_the_newest_signs(ticket: Ticket) -> None:
    before, rotated, after = TicketSeal([OLD]), TicketSeal([OLD, NEW]), TicketSeal([NEW])

    assert rotated.open(before.sign(ticket)) == ticket
    assert after.open(rotated.sign(ticket)) == ticket
    with pytest.raises(NoTicket):
        before.open(rotated.sign(ticket))


@given(ticket=tickets)
def test_the_canonical_form_is_read_back(ticket: Ticket) -> None:
    assert parse_ticket(ticket.text()) == ticket


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.1",
        "0.1." + "A" * 22,
        "1.0." + "A" * 22,
        "01.1." + "A" * 22,
        "1.01." + "A" * 22,
        "+1.1." + "A" * 22,
        "1.-1." + "A" * 22,
        "1.1." + "A" * 21,
        "1.1." + "A" * 23,
        "1.1." + "A" * 21 + "B",  # the spare bits of the last letter are not zero
        "1.1." + "A" * 22 + "\n",
        "1.1." + "A" * 22 + "==",
        "1.1." + "A" * 21 + "+",
        "1.1.1." + "A" * 22,
        "\u0661.1." + "A" * 22,  # a digit to Unicode, not to us
        "1.1" + "0" * 18 + "." + "A" * 22,
    ],
)
def test_another_spelling_is_no_ticket(text: str) -> None:
    assert parse_ticket(text) is None


def test_an_id_is_written_in_22_letters() -> None:
    assert encode_id(bytes(16)) == "A" * 22
    assert len(encode_id(b"\xff" * 16)) == 22

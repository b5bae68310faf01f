"""Invitations: one spelling, our signature alone; and lists of people that come back with links."""

import csv
import io
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import KEY

from inventory.kit.signing import Seal
from waitroom.admin.rooms.people_csv import read_people, write_links, write_people
from waitroom.line.invitation import (
    COUNT_MAX,
    PURPOSE,
    Invitation,
    InvitationSeal,
    parse_invitation,
)
from waitroom.line.ticket import Ticket, TicketSeal
from waitroom.refusals import InvitationInvalid, UnreadablePeople

KEYS = [bytes.fromhex(KEY)]
SEAL = InvitationSeal(KEYS)
INVITATION = Invitation(batch=7, index=12)

batches = st.integers(1, 2**31 - 1)
indices = st.integers(1, COUNT_MAX)


@given(batches, indices)
def test_an_invitation_reads_back_as_it_was_signed(batch: int, index: int) -> None:
    invitation = Invitation(batch=batch, index=index)

    assert SEAL.open(SEAL.sign(invitation)) == invitation
    assert parse_invitation(invitation.text()) == invitation


@pytest.mark.parametrize(
    "text",
    ["", "7", "7.", ".1", "07.1", "7.01", "7.0", "0.1", "7.1 ", "+7.1", "7.1234567", "\u0667.1"],
)
def test_another_spelling_is_no_invitation(text: str) -> None:
    assert parse_invitation(text) is None


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_changed_token_is_refused(place: int, sign: str) -> None:
    token = SEAL.sign(INVITATION)
    place %= len(token)
    changed = token[:place] + sign + token[place + 1 :]

    if changed != token:
        with pytest.raises(InvitationInvalid):
            SEAL.open(changed)


def test_what_was_signed_for_something_else_is_no_invitation() -> None:
    ticket = TicketSeal(KEYS).sign(Ticket(line_id=7, number=12, ticket_id=b"i" * 16))
    elsewhere = Seal(KEYS, "waitroom.session.1").sign(INVITATION.text())
    not_one = Seal(KEYS, PURPOSE).sign("7.12.3")

    for token in (ticket, elsewhere, not_one, "", "~", INVITATION.text()):
        with pytest.raises(InvitationInvalid):
            SEAL.open(token)


def test_links_of_an_older_key_are_good_until_it_is_gone() -> None:
    token = SEAL.sign(INVITATION)
    newer = b"2" * 32

    assert InvitationSeal([*KEYS, newer]).open(token) == INVITATION
    with pytest.raises(InvitationInvalid):
        InvitationSeal([newer]).open(token)


@given(batches, indices, batches, indices)
def test_each_invitation_has_a_key_of_its_own_beside_its_batch(
    batch: int, index: int, other_batch: int, other_index: int
) -> None:
    one = Invitation(batch=batch, index=index)
    other = Invitation(batch=other_batch, index=other_index)

    # The books count those of a batch as a range of keys.
    by_number = (batch, index) < (other_batch, other_index)
    assert (one.key() < other.key()) is by_number
    assert (one.key() == other.key()) is (one == other)
    assert len(one.key()) < 32


def test_a_link_carries_its_token_unescaped_and_nothing_else() -> None:
    (_, link) = SEAL.links("https://shop.example", "drop", batch=7, count=2)

    parts = urlsplit(link)

    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://shop.example/rooms/drop"
    assert parse_qs(parts.query, strict_parsing=True) == {
        "invitation": [SEAL.sign(Invitation(batch=7, index=2))]
    }


# Lists of people.


def rows_of(data: bytes, delimiter: str = ",") -> list[list[str]]:
    text = data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def links_for(count: int) -> list[str]:
    return [f"https://shop.example/{i}" for i in range(1, count + 1)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_list_comes_back_as_it_was_with_a_link_for_each(delimiter: str, mark: str) -> None:
    lines = [["name", "mail"], ["Ann, B;", "a@x"], ['"Bob"\nof X', "b@x"]]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(lines)

    people = read_people((mark + out.getvalue()).encode())
    back = write_people(people, links_for(2))

    assert back.startswith("\ufeff".encode()) is bool(mark)
    assert rows_of(back, delimiter) == [
        [*lines[0], "link"],
        [*lines[1], "https://shop.example/1"],
        [*lines[2], "https://shop.example/2"],
    ]


def test_a_list_in_utf_16_comes_back_in_utf_8_and_keeps_the_line_with_its_separator() -> None:
    text = "\ufeffsep=;\r\nname;mail;\r\nZo\u00eb;z@x;\r\n;;\r\n"

    back = write_people(read_people(text.encode("utf-16-le")), links_for(1))

    assert back.decode() == (
        "\ufeffsep=;\r\nname;mail;link\r\nZo\u00eb;z@x;https://shop.example/1\r\n"
    )


def test_short_rows_are_filled_and_empty_ones_dropped() -> None:
    people = read_people(b"name,mail\nAnn\n,\n\nBob,b@x\n")

    assert rows_of(write_people(people, links_for(2)))[1:] == [
        ["Ann", "", "https://shop.example/1"],
        ["Bob", "b@x", "https://shop.example/2"],
    ]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd|' /C calc'!A1", "'-cmd|' /C calc'!A1"),
        ("'=1", "''=1"),
        ("\t=1", "'\t'=1"),
        ("Ann,=1", "Ann,'=1"),
        ("+49 30 / 123-4", "+49 30 / 123-4"),
        ("-12,50", "-12,50"),
        ("+A1", "'+A1"),
        ("Ann = Bob", "Ann = Bob"),
        ("'tis", "'tis"),
    ],
)
def test_no_cell_is_taken_for_a_formula_and_numbers_stay(cell: str, written: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows([["a", "b"], ["x", cell]])

    back = write_people(read_people(out.getvalue().encode()), links_for(1))

    assert rows_of(back, ";")[1] == ["x", written, "https://shop.example/1"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "first line"),
        (b"\n\n", "first line"),
        (b"name\n", "nobody"),
        (b"name,Link \nAnn,x\n", "already"),
        (b"name\nAnn,extra\n", "Line 2"),
        (b'name\n"secret\n', "quotes"),
        (b"name\nAnn\nB\xf6b\n", "Line 3"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_without_telling_of_anybody(
    data: bytes, said: str
) -> None:
    with pytest.raises(UnreadablePeople) as refused:
        read_people(data)

    assert said in refused.value.detail
    assert refused.value.__cause__ is None
    assert not any(word in refused.value.detail for word in ("Ann", "extra", "secret"))


def test_a_list_is_bounded_and_shows_nobody_in_a_log() -> None:
    full = b"name\n" + b"Ann\n" * COUNT_MAX

    people = read_people(full)

    assert people.count == COUNT_MAX
    assert "Ann" not in repr(people)
    with pytest.raises(UnreadablePeople):
        read_people(full + b"Bob\n")


def test_links_alone_are_numbered() -> None:
    assert rows_of(write_links(links_for(2))) == [
        ["number", "link"],
        ["1", "https://shop.example/1"],
        ["2", "https://shop.example/2"],
    ]

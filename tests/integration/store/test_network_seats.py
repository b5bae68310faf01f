"""The sessions that a network may have open while it leaves most of its baskets unpaid."""

import os
from collections.abc import Sequence

import pytest
from shop import hold, open_gate, sessions_in
from support import execute, tick

from waitroom.line.ticket import Ticket
from waitroom.run.app import Service

ONE, OTHER = b"network1", b"network2"
pytestmark = pytest.mark.usefixtures("service")


async def called(service: Service, count: int) -> list[Ticket]:
    """Return the tickets of numbers that are called as they join."""
    await tick(service)
    line_id = service.board.room("drop").line_id
    joined = await service.lines.join(line_id, count, os.urandom(32))
    assert joined.called == count
    return [
        Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
        for i in range(count)
    ]


async def claim(
    service: Service, tickets: Sequence[Ticket], network: bytes | None = ONE
) -> list[str]:
    found = await service.lines.claim(tickets, [network] * len(tickets))
    return [one.verdict for one in found]


async def leave_unpaid(service: Service, baskets: int) -> None:
    for session in await sessions_in(service, baskets, network=ONE):
        await service.holds.release(session, await hold(service, session, mug=1))
        await execute(service, "SELECT end_session($1, 'left')", session)


@pytest.fixture
async def unpaying(service: Service) -> Service:
    """A room of 160 seats and very many units, and a network that left ten baskets unpaid there."""
    await open_gate(service, skus={"mug": 11_000}, seats_max=160)
    await leave_unpaid(service, 10)
    return service


async def test_a_network_that_pays_for_little_has_a_share_of_the_seats(unpaying: Service) -> None:
    tickets = await called(unpaying, 6)

    one_by_one = [await claim(unpaying, [ticket]) for ticket in tickets]

    assert one_by_one == [["claimed"]] * 4 + [["network_full"]] * 2
    assert await claim(unpaying, tickets[:1]) == ["claimed"]
    # Until the next sweep another network still takes the call up, and one that is not known.
    assert await claim(unpaying, tickets[4:5], OTHER) == ["claimed"]
    assert await claim(unpaying, tickets[5:], None) == ["claimed"]
    assert await unpaying.ledger.breaches() == []


async def test_the_share_of_the_seats_holds_within_a_batch_too(unpaying: Service) -> None:
    tickets = await called(unpaying, 8)

    verdicts = await claim(unpaying, tickets)

    assert verdicts == ["claimed"] * 4 + ["network_full"] * 4
    states = await execute(
        unpaying, "SELECT state, count(*) AS n FROM admission GROUP BY state ORDER BY state"
    )
    assert [(row["state"], row["n"]) for row in states] == [
        ("called", 4),
        ("claimed", 4),
        ("ended", 10),
    ]


async def test_a_call_beyond_the_share_goes_to_the_next_shopper_at_once(
    unpaying: Service,
) -> None:
    tickets = await called(unpaying, 6)
    await claim(unpaying, tickets)

    await unpaying.office.end_due(100)

    rows = await execute(unpaying, "SELECT number, state FROM admission WHERE state <> 'ended'")
    states = {row["number"]: row["state"] for row in rows}
    assert [states[ticket.number] for ticket in tickets] == ["claimed"] * 4 + ["missed"] * 2
    assert await unpaying.ledger.breaches() == []


@pytest.mark.parametrize(("policy", "let_in"), [("rate", 2), ("guaranteed", 4)])
async def test_a_network_has_no_more_seats_to_spare_than_units(
    unpaying: Service, policy: str, let_in: int
) -> None:
    """Of 90 units it may hold two. Where a call promises a unit, its shopper can hold that one."""
    for table in ("stock", "room_stock"):
        await execute(unpaying, f"UPDATE {table} SET on_hand = 90")
    await execute(unpaying, "UPDATE room SET policy = $1", policy)

    tickets = await called(unpaying, 5)
    verdicts = await claim(unpaying, tickets)

    assert verdicts == ["claimed"] * let_in + ["network_full"] * (5 - let_in)


async def test_a_network_that_holds_all_that_it_may_lets_nobody_else_in(unpaying: Service) -> None:
    for table in ("stock", "room_stock"):
        await execute(unpaying, f"UPDATE {table} SET on_hand = 90")
    tickets = await called(unpaying, 3)
    (first,) = await unpaying.lines.claim(tickets[:1], [ONE])
    basket = await hold(unpaying, first.session_id, mug=2)

    full = await claim(unpaying, tickets[1:])
    await unpaying.holds.release(first.session_id, basket)

    assert full == ["network_full"] * 2
    assert await claim(unpaying, tickets[1:2]) == ["claimed"]


async def test_a_seat_that_comes_free_is_for_the_next_of_the_network(unpaying: Service) -> None:
    tickets = await called(unpaying, 6)
    sessions = await unpaying.lines.claim(tickets[:4], [ONE] * 4)

    await execute(unpaying, "SELECT end_session($1, 'left')", sessions[0].session_id)

    assert await claim(unpaying, tickets[4:]) == ["claimed", "network_full"]


async def test_a_network_that_pays_again_has_no_bound(unpaying: Service) -> None:
    tickets = await called(unpaying, 6)
    sessions = await unpaying.lines.claim(tickets[:4], [ONE] * 4)
    assert await claim(unpaying, tickets[4:]) == ["network_full"] * 2

    basket = await hold(unpaying, sessions[0].session_id, mug=1)
    await execute(unpaying, "SELECT end_holds(ARRAY[$1::uuid], 'confirmed', false)", basket)

    assert await claim(unpaying, tickets[4:]) == ["claimed"] * 2


async def test_two_are_always_let_in_and_a_quarter_of_those_that_paid(unpaying: Service) -> None:
    await execute(unpaying, "UPDATE room_network SET unpaid = 400, paid = 0")
    few = await claim(unpaying, await called(unpaying, 3))
    await execute(unpaying, "UPDATE room_network SET unpaid = 400, paid = 20")
    more = await claim(unpaying, await called(unpaying, 4))

    assert few == ["claimed"] * 2 + ["network_full"]
    assert more == ["claimed"] * 3 + ["network_full"]


async def test_a_missed_number_comes_back_when_its_network_has_a_seat_for_it(
    unpaying: Service,
) -> None:
    tickets = await called(unpaying, 6)
    sessions = await unpaying.lines.claim(tickets[:4], [ONE] * 4)
    await execute(
        unpaying,
        "UPDATE admission SET claim_until = claim_until - interval '1 hour' WHERE state = 'called'",
    )
    await unpaying.office.end_due(100)

    assert await claim(unpaying, tickets[4:]) == ["network_full"] * 2
    assert await claim(unpaying, tickets[4:5], OTHER) == ["missed"]
    await execute(unpaying, "SELECT end_session($1, 'left')", sessions[0].session_id)
    assert await claim(unpaying, tickets[5:]) == ["missed"]


async def test_a_room_without_a_bound_on_networks_has_none_on_their_seats(
    unpaying: Service,
) -> None:
    await execute(unpaying, "UPDATE room SET held_share_max = 1")

    assert await claim(unpaying, await called(unpaying, 20)) == ["claimed"] * 20

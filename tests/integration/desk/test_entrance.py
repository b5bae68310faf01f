"""One place for each customer and each invitation, at two services and under attack."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from lost_replies import LosesReplies
from prometheus_client import REGISTRY
from support import eventually, execute, log_is_whole, open_room

from inventory.kit.problem import NotFound, Refusal
from waitroom.desk.joining.join_desk import JoinDesk, JoinRequest, Place
from waitroom.line.invitation import Invitation
from waitroom.line.ticket import Ticket
from waitroom.refusals import InvitationUsed, PlaceRevoked
from waitroom.run.app import Service
from waitroom.store.invitation_store import InvitationStore
from waitroom.store.line_store import LineStore, OnePerPerson, PersonHasPlace

OpenService = Callable[..., Awaitable[Service]]


def known(*names: str) -> list[bytes]:
    """Return keys as of customers: hashes."""
    return [name.encode().ljust(32, b".") for name in names]


def desk_of(service: Service) -> JoinDesk:
    view = service.board.room("drop")
    return view.lines[view.line_id].desk


def asks(person: bytes | None, consumes: bytes | None = None) -> JoinRequest:
    return JoinRequest(key=None, person_key=person, consumes=consumes)


async def ask(service: Service, person: bytes | None, consumes: bytes | None = None) -> Any:
    """Return the place at this service's desk, or the refusal."""
    try:
        return await desk_of(service).batcher.submit(asks(person, consumes))
    except Refusal as refusal:
        return refusal


async def together(desk: JoinDesk, *requests: JoinRequest) -> list[Place]:
    """Let requests stand in one batch."""
    places: list[Place] = await asyncio.gather(*[desk.batcher.submit(one) for one in requests])
    return places


async def tail(service: Service) -> int:
    (row,) = await execute(service, "SELECT tail FROM line")
    return int(row["tail"])


async def two_services(services: OpenService) -> tuple[Service, Service]:
    first, second = await services(), await services()
    await open_room(first, seats_max=0)
    await second.board.refresh(rooms=True)
    return first, second


async def test_many_joins_of_one_customer_at_two_services_are_one_place(
    services: OpenService,
) -> None:
    pair = await two_services(services)
    (ann,) = known("ann")

    places = await asyncio.gather(*(ask(pair[i % 2], ann) for i in range(60)))

    assert len({place.ticket for place in places}) == 1
    assert sum(place.fresh for place in places) == 1
    assert await tail(pair[0]) == 1


async def test_a_crowd_that_races_with_itself_gets_a_place_each_and_nobody_is_refused(
    services: OpenService,
) -> None:
    pair = await two_services(services)
    customers = known(*(f"c{i}" for i in range(80)))
    # Every customer at both services at once, in another order at each, and guests among them.
    first = [ask(pair[0], key) for key in [*customers, *customers]]
    second = [ask(pair[1], key) for key in reversed([*customers, *customers])]
    guests = [ask(pair[i % 2], None) for i in range(40)]

    places = await asyncio.gather(*first, *second, *guests)

    assert [place for place in places if isinstance(place, Refusal)] == []
    numbers = {place.ticket.number for place in places}
    assert numbers == set(range(1, 121))
    assert await tail(pair[0]) == 120
    by_key: dict[bytes, set[str]] = {}
    for key, place in zip([*customers, *customers], places[:160], strict=True):
        by_key.setdefault(key, set()).add(place.ticket)
    for key, place in zip(reversed([*customers, *customers]), places[160:320], strict=True):
        by_key.setdefault(key, set()).add(place.ticket)
    assert {len(tokens) for tokens in by_key.values()} == {1}
    assert await log_is_whole(pair[0])


async def test_whoever_has_a_place_hurts_nobody_else_in_the_batch(services: OpenService) -> None:
    first, second = await two_services(services)
    ann, bob, cid = known("ann", "bob", "cid")
    had = await ask(first, ann)

    batch = [asks(key) for key in (bob, ann, None, cid, bob)]
    places = await together(desk_of(second), *batch)

    assert [place.ticket.number for place in places] == [2, 1, 3, 4, 2]
    assert [place.fresh for place in places] == [True, False, True, True, False]
    assert places[1].ticket == had.ticket


async def test_a_batch_with_one_who_has_a_place_is_not_written_at_all(service: Service) -> None:
    await open_room(service, seats_max=0)
    ann, bob = known("ann", "bob")
    await ask(service, ann)
    line_id = service.board.room("drop").line_id
    batch = [OnePerPerson(person_key=key, ticket_id=os.urandom(16)) for key in (bob, ann)]

    with pytest.raises(PersonHasPlace):
        await service.lines.join(line_id, 2, os.urandom(32), persons=batch)

    assert await tail(service) == 1
    assert len(await execute(service, "SELECT FROM person_place")) == 1
    assert await log_is_whole(service)


async def test_after_a_lost_reply_everybody_has_the_one_place(service: Service) -> None:
    await open_room(service, seats_max=0)
    ann, bob = known("ann", "bob")
    view = service.board.room("drop")
    invitation = Invitation(batch=1, index=1).key()
    desk = JoinDesk(
        view.line_id,
        "main-1",
        room="drop",
        room_id=view.rules.room_id,
        store=LineStore(LosesReplies(service.pool, losses=1)),  # type: ignore[arg-type]
    )

    first = await together(desk, asks(ann, invitation), asks(bob))
    again = await together(desk_of(service), asks(bob), asks(ann, invitation))

    assert [place.ticket.number for place in first] == [1, 2]
    assert [place.ticket for place in again] == [place.ticket for place in reversed(first)]
    rows = await execute(service, "SELECT number, ticket_id FROM person_place ORDER BY number")
    assert [row["number"] for row in rows] == [1, 1, 2]
    assert rows[0]["ticket_id"] == rows[1]["ticket_id"] == first[0].ticket.ticket_id
    assert await tail(service) == 2


async def test_of_many_customers_with_one_invitation_one_uses_it(services: OpenService) -> None:
    pair = await two_services(services)
    customers = known(*(f"c{i}" for i in range(30)))
    shared = Invitation(batch=1, index=1).key()

    places = await asyncio.gather(
        *(ask(pair[i % 2], key, shared) for i, key in enumerate(customers))
    )

    given = [place for place in places if isinstance(place, Place)]
    assert len(given) == 1
    assert {type(p) for p in places if not isinstance(p, Place)} == {InvitationUsed}
    assert await tail(pair[0]) == 1
    winner = customers[places.index(given[0])]
    assert (await ask(pair[1], winner, shared)).ticket == given[0].ticket


async def test_a_customer_with_a_place_keeps_it_and_their_invitation_unused(
    service: Service,
) -> None:
    await open_room(service, seats_max=0)
    ann, bob = known("ann", "bob")
    invitation = Invitation(batch=1, index=1).key()
    had = await ask(service, ann)

    again = await ask(service, ann, invitation)
    other = await ask(service, bob, invitation)

    assert again.ticket == had.ticket
    assert (other.fresh, other.ticket.number) == (True, 2)


async def test_a_place_that_is_over_is_replaced_once(services: OpenService) -> None:
    pair = await two_services(services)
    (ann,) = known("ann")
    room_id = pair[0].board.room("drop").rules.room_id
    old = (await ask(pair[0], ann)).ticket
    await pair[0].lines.leave(old)

    async def again(service: Service) -> Any:
        await service.entrance.invitations.free(room_id, ann, given=old, now=old)
        return await ask(service, ann)

    places = await asyncio.gather(*(again(pair[i % 2]) for i in range(20)))

    assert {place.ticket.number for place in places} == {2}
    assert await tail(pair[0]) == 2


async def test_a_place_that_was_taken_away_is_not_replaced(service: Service) -> None:
    await open_room(service, seats_max=0)
    (ann,) = known("ann")
    ticket: Ticket = (await ask(service, ann)).ticket
    room_id = service.board.room("drop").rules.room_id
    await execute(service, "SELECT revoke_place('drop', 'main-1', 1, 'test', 'a bot')")

    with pytest.raises(PlaceRevoked):
        await service.entrance.invitations.free(room_id, ann, given=ticket, now=ticket)

    assert len(await execute(service, "SELECT FROM person_place")) == 1


# Batches.


def reads() -> float:
    labels = {"batcher": "invitations"}
    return REGISTRY.get_sample_value("waitroom_batches_total", labels) or 0.0


async def invite(store: InvitationStore, count: int, **changes: Any) -> int:
    values = {"lane": "main", "note": "", "until": None, "who": "test", **changes}
    return await store.invite("drop", count=count, **values)


async def test_a_batch_counts_what_was_used_of_it_alone(service: Service) -> None:
    await open_room(service, seats_max=0)
    store = service.entrance.invitations
    batches = [await invite(store, count) for count in (3, 2, 3)]
    ann, bob = known("ann", "bob")
    used = [Invitation(batch=batches[0], index=3), Invitation(batch=batches[2], index=1)]
    await asyncio.gather(*(ask(service, one.key()) for one in used), ask(service, bob))
    await ask(service, ann, Invitation(batch=batches[2], index=2).key())

    found = await store.page("drop", before=None, limit=10)
    older = await store.page("drop", before=batches[2], limit=1)

    assert [(row.batch, row.used) for row in found] == [
        (batches[2], 2),
        (batches[1], 0),
        (batches[0], 1),
    ]
    assert [row.batch for row in older] == [batches[1]]


async def test_a_revocation_counts_what_was_unused_and_is_logged_once(service: Service) -> None:
    await open_room(service, seats_max=0)
    store = service.entrance.invitations
    batch = await invite(store, 3)
    await ask(service, Invitation(batch=batch, index=2).key())

    told = [await store.revoke("drop", batch, who="test") for _ in range(2)]

    assert told == [2, 2]
    sql = "SELECT count(*) FROM log_entry WHERE body LIKE '%\"invitations_revoked\"%'"
    assert (await execute(service, sql))[0]["count"] == 1
    with pytest.raises(NotFound):
        await store.revoke("other", batch, who="test")


async def test_another_worker_hears_of_a_revocation_within_its_time(services: OpenService) -> None:
    first, second = await two_services(services)
    store = InvitationStore(second.pool, fresh_s=0.3)
    batch = await invite(store, 1)
    known_as = await store.batch(batch)
    await first.entrance.invitations.revoke("drop", batch, who="test")

    async def is_revoked() -> bool:
        found = await store.batch(batch)
        return found is not None and found.revoked

    assert known_as is not None
    assert not known_as.revoked
    await eventually(is_revoked)
    await store.close()


async def test_an_invitation_runs_out_by_the_databases_clock(service: Service) -> None:
    await open_room(service, seats_max=0)
    store = service.entrance.invitations
    (row,) = await execute(service, "SELECT clock_timestamp() + interval '0.5 s' AS until")
    batch = await invite(store, 1, until=row["until"])
    lasting = await invite(store, 1)

    async def has_run_out() -> bool:
        found = await store.batch(batch)
        return found is not None and found.has_run_out()

    await eventually(has_run_out)
    found = await store.batch(lasting)
    assert found is not None
    assert not found.has_run_out()


async def test_many_who_ask_for_one_batch_ask_the_database_once(service: Service) -> None:
    await open_room(service, seats_max=0)
    batch = await invite(service.entrance.invitations, 1)
    store = InvitationStore(service.pool)
    before = reads()

    found = await asyncio.gather(*(store.batch(batch) for _ in range(200)))

    assert len({id(one) for one in found}) == 1
    assert reads() == before + 1
    assert await store.batch(batch + 1) is None
    await store.close()

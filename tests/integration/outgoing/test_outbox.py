"""The outbox: an event for every fact, sent at least once, to those who asked for it."""

import asyncio
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from receiver import Receiver, open_receiver, receiving, sending
from standardwebhooks import Webhook, WebhookVerificationError
from support import (
    as_owner,
    eventually,
    execute,
    open_room,
)

from checkout.driving.lease_holder import LeaseHolder
from inventory.kit.problem import Busy
from waitroom.outgoing.outbox import endpoint_store, webhook_client
from waitroom.outgoing.outbox.attempt import ATTEMPTS_MAX, LEASE, QUIET_S
from waitroom.outgoing.outbox.outbox_store import OutboxStore
from waitroom.outgoing.outbox.sender import PER_ENDPOINT_MAX
from waitroom.run.app import Service
from waitroom.run.engines.postgres import OWNER

Open = Callable[..., Awaitable[Service]]


@pytest.fixture
async def open_one(services: Open) -> Open:
    """Open a service that may send to this machine."""

    async def opened() -> Service:
        return await services(webhooks_allow_private=True)

    return opened


@pytest.fixture
async def service(open_one: Open) -> Service:
    return await open_one()


@pytest.fixture
async def receivers() -> AsyncIterator[Callable[[], Awaitable[Receiver]]]:
    async with AsyncExitStack() as stack:

        async def open_one() -> Receiver:
            return await stack.enter_async_context(open_receiver())

        yield open_one


@pytest.fixture
async def receiver(receivers: Callable[[], Awaitable[Receiver]]) -> Receiver:
    return await receivers()


async def listen(service: Service, receiver: Receiver, *kinds: str) -> int:
    """Add the receiver as an endpoint; without kinds it gets everything."""
    endpoint_id, secret = await service.endpoints.add(
        receiver.url, shown=receiver.url, description="", kinds=kinds, who="test"
    )
    receiver.secrets = [secret]
    return endpoint_id


async def emit(service: Service, *kinds: str) -> None:
    for kind in kinds:
        await execute(service, "SELECT emit(1, $1, '{\"n\": 1}')", kind)


async def rows(service: Service, table: str) -> list[Any]:
    return list(await execute(service, f"SELECT * FROM {table} ORDER BY 1"))


async def delivery(service: Service) -> Any:
    """Return the last delivery, if there is one yet."""
    return (await rows(service, "webhook_delivery") or [None])[-1]


async def make_due(service: Service) -> None:
    """Let the time to the next attempts pass, of those that nobody is sending."""
    await execute(service, "UPDATE webhook_endpoint SET quiet_until = NULL")
    await execute(
        service,
        "UPDATE webhook_delivery SET due_at = clock_timestamp() "
        "WHERE state = 'pending' AND lease IS NULL",
    )


async def in_state(service: Service, state: str, *, attempts: int | None = None) -> Any:
    """Wait until the last delivery is in this state and nobody is sending it."""

    async def there() -> Any:
        found = await delivery(service)
        if found is None or found["state"] != state or found["lease"] is not None:
            return None
        # A pending one was tried already, unless it is still to be.
        tried = found["attempts"] > 0 if attempts is None else found["attempts"] == attempts
        return found if tried else None

    return await eventually(there)


# What is written.


async def test_an_event_is_there_if_and_only_if_its_transaction_commits(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver, "order.paid")

    async with as_owner(service.pool) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT emit(1, 'order.paid', '{\"n\": 1}')")
        await transaction.rollback()
        async with connection.transaction():
            await connection.execute("SELECT emit(1, 'order.paid', '{\"n\": 2}')")

    assert [row["body"] for row in await rows(service, "outbox_event")] == ['{"n": 2}']


async def test_nothing_is_written_while_nobody_listens(
    service: Service, receiver: Receiver
) -> None:
    await open_room(service)
    await emit(service, "order.paid")
    endpoint_id = await listen(service, receiver, "hold.placed")
    await emit(service, "order.paid")
    await service.endpoints.change(endpoint_id, who="test", detail={}, active=False)
    await emit(service, "hold.placed")

    assert await rows(service, "outbox_event") == []


async def test_an_endpoint_without_kinds_gets_everything(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)
    await emit(service, "order.paid", "a.kind_to_come")

    async with sending(service.webhook_sender):
        await eventually(lambda: _has(receiver, 2))

    assert sorted(receiver.kinds()) == ["a.kind_to_come", "order.paid"]


async def test_an_endpoint_with_many_deliveries_is_deleted_in_batches(
    service: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_store, "DELETE_BATCH_MAX", 2)
    await listen(service, receiver)
    await emit(service, *["order.paid"] * 5)
    (endpoint,) = await rows(service, "webhook_endpoint")
    monkeypatch.setattr(endpoint_store, "DELETE_WAIT_S", -1.0)

    with pytest.raises(Busy):
        await service.endpoints.delete(endpoint["endpoint_id"], shown="u", who="test")
    (silent,) = await rows(service, "webhook_endpoint")
    monkeypatch.setattr(endpoint_store, "DELETE_WAIT_S", 60.0)
    await service.endpoints.delete(endpoint["endpoint_id"], shown="u", who="test")

    assert not silent["active"]
    assert await rows(service, "webhook_endpoint") == []
    assert await rows(service, "webhook_delivery") == []


async def _has(receiver: Receiver, count: int) -> bool:
    return len(receiver.got) >= count


# What is sent.


async def test_what_commits_late_under_an_earlier_id_is_not_skipped(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)

    async with service.pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(f"SET LOCAL ROLE {OWNER}")
        await slow.execute("SELECT emit(1, 'order.cancelled', '{}')")
        await emit(service, "order.paid")
        async with sending(service.webhook_sender):
            await eventually(lambda: _has(receiver, 1))
            assert receiver.kinds() == ["order.paid"]
            await transaction.commit()
            await eventually(lambda: _has(receiver, 2))

    assert receiver.kinds() == ["order.paid", "order.cancelled"]
    ids = {row["kind"]: row["event_id"] for row in await rows(service, "outbox_event")}
    assert ids["order.cancelled"] < ids["order.paid"]


async def test_a_body_has_the_form_of_the_specification(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        await in_state(service, "delivered")

    (received,) = receiver.got
    (event,) = await rows(service, "outbox_event")
    assert set(received.body) == {"type", "timestamp", "data"}
    assert received.body["data"] == {"n": 1}
    assert received.body["timestamp"].endswith("Z")
    assert received.name == f"evt_{event['webhook_id'].hex}"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-timestamp"].isdigit()


async def test_after_a_failure_it_is_sent_again_under_the_same_id(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)
    receiver.answer = lambda _: web.Response(status=500 if len(receiver.got) < 3 else 200)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        for attempts in (1, 2):
            failed = await in_state(service, "pending", attempts=attempts)
            assert failed["status"] == 500
            assert failed["due_at"] > failed["tried_at"]
            await make_due(service)
        await in_state(service, "delivered", attempts=3)

    assert len({received.name for received in receiver.got}) == 1
    assert len({received.text for received in receiver.got}) == 1
    (endpoint,) = await service.endpoints.all()
    assert endpoint.failing_since is None


async def test_after_the_last_attempt_it_has_failed_and_can_be_replayed(
    service: Service, receiver: Receiver
) -> None:
    endpoint_id = await listen(service, receiver)
    receiver.answer = lambda _: web.Response(status=500, text="not\x00 today")
    await emit(service, "order.paid")
    await execute(service, "SELECT fan_out(10)")
    await execute(service, "UPDATE webhook_delivery SET attempts = $1", ATTEMPTS_MAX - 1)

    async with sending(service.webhook_sender):
        failed = await in_state(service, "failed")
        receiver.answer = lambda _: web.Response()
        since = failed["tried_at"].replace(year=2000)
        replayed = await service.endpoints.replay_failed(endpoint_id, since=since, who="test")
        again = await in_state(service, "delivered")

    assert replayed == 1
    assert failed["answer"] == "not  today"
    assert again["attempts"] == 1
    assert len({received.name for received in receiver.got}) == 1


async def test_only_failures_since_the_moment_are_replayed(
    service: Service, receiver: Receiver
) -> None:
    endpoint_id = await listen(service, receiver)
    await emit(service, "order.paid", "order.paid", "order.paid")
    await execute(service, "SELECT fan_out(10)")
    await execute(service, "UPDATE webhook_delivery SET state = 'failed' WHERE delivery_id < 3")
    await execute(service, "UPDATE outbox_event SET at = at - interval '1 hour' WHERE event_id = 1")
    since = (await rows(service, "outbox_event"))[1]["at"]

    replayed = await service.endpoints.replay_failed(endpoint_id, since=since, who="test")

    assert replayed == 1
    states = [row["state"] for row in await rows(service, "webhook_delivery")]
    assert states == ["failed", "pending", "pending"]


async def test_gone_ends_the_endpoint_and_what_waits_for_it_goes_on_later(
    service: Service, receiver: Receiver
) -> None:
    endpoint_id = await listen(service, receiver)
    receiver.answer = lambda _: web.Response(status=410)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        await in_state(service, "pending", attempts=1)
        endpoint = await service.endpoints.read(endpoint_id)
        await emit(service, "order.paid")
        written = len(await rows(service, "outbox_event"))
        receiver.answer = lambda _: web.Response()
        await service.endpoints.change(endpoint_id, who="test", detail={}, active=True)
        await in_state(service, "delivered")

    assert (endpoint.active, endpoint.inactive_why) == (False, "gone")
    assert written == 1
    actions = [action.action for action in await service.endpoints.actions()]
    assert "webhook_disabled" in actions
    assert (await service.endpoints.read(endpoint_id)).inactive_why is None


async def test_an_endpoint_that_fails_for_days_is_made_inactive(
    service: Service, receiver: Receiver
) -> None:
    endpoint_id = await listen(service, receiver)
    receiver.answer = lambda _: web.Response(status=404)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        await in_state(service, "pending", attempts=1)
        assert (await service.endpoints.read(endpoint_id)).active
        await execute(
            service,
            "UPDATE webhook_endpoint SET failing_since = failing_since - interval '73 hours'",
        )
        await make_due(service)
        await in_state(service, "pending", attempts=2)

    endpoint = await service.endpoints.read(endpoint_id)
    assert (endpoint.active, endpoint.inactive_why) == (False, "failing")


@pytest.mark.parametrize(("status", "wait_s"), [(429, 120), (503, 120), (500, 5)])
async def test_a_receiver_that_asks_for_patience_gets_it(
    service: Service, receiver: Receiver, status: int, wait_s: int
) -> None:
    endpoint_id = await listen(service, receiver)
    headers = {"Retry-After": "120"}
    receiver.answer = lambda _: web.Response(status=status, headers=headers)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        waiting = await in_state(service, "pending", attempts=1)

    waits = (waiting["due_at"] - waiting["tried_at"]).total_seconds()
    endpoint = await service.endpoints.read(endpoint_id)
    assert wait_s <= waits <= wait_s * 1.2
    assert (endpoint.quiet_until is not None) == (status != 500)


async def test_a_redirect_is_a_failure_and_is_not_followed(
    service: Service, receiver: Receiver, receivers: Callable[[], Awaitable[Receiver]]
) -> None:
    other = await receivers()
    await listen(service, receiver)
    headers = {"Location": other.url}
    receiver.answer = lambda _: web.Response(status=307, headers=headers)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        failed = await in_state(service, "pending", attempts=1)

    assert failed["status"] == 307
    assert other.got == []


async def test_the_answer_is_read_to_a_bound(service: Service, receiver: Receiver) -> None:
    await listen(service, receiver)
    receiver.answer = lambda _: web.Response(text="x" * 3_000_000)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        delivered = await in_state(service, "delivered")

    assert delivered["answer"] == "x" * 500


async def test_a_status_decides_also_when_the_body_stalls_or_breaks_off(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_client, "BODY_S", 0.2)
    stalled = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(status=200, headers={"Content-Length": "100"})
        await reply.prepare(request)
        await reply.write(b"so far")
        if request.path != "/broken":
            await stalled.wait()
        assert request.transport is not None
        request.transport.close()
        return reply

    async with receiving(answer) as url:
        for path in ("/stalled", "/broken"):
            await service.endpoints.add(
                url.replace("/hook", path), shown="", description="", kinds=(), who="test"
            )
        await emit(service, "order.paid")
        async with sending(service.webhook_sender):
            await eventually(lambda: _all_delivered(service, 2))
        stalled.set()

    assert [row["status"] for row in await rows(service, "webhook_delivery")] == [200, 200]
    assert [row["answer"] for row in await rows(service, "webhook_delivery")] == ["so far"] * 2


async def _all_delivered(service: Service, count: int) -> bool:
    states = [row["state"] for row in await rows(service, "webhook_delivery")]
    return states == ["delivered"] * count


async def test_the_request_line_is_the_one_that_was_typed(
    service: Service, receiver: Receiver
) -> None:
    typed = "/flow?sp=%2Ftriggers%2Fmanual%2Frun&sig=rX7%2BAn%2FXCC2w%3D&c[]=%zz"
    receiver.url = receiver.url.removesuffix("/hook") + typed
    await listen(service, receiver)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        await in_state(service, "delivered")

    assert receiver.got[0].target == typed


async def test_an_unreadable_retry_after_does_not_keep_an_attempt_from_being_noted(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)
    headers = {"Retry-After": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}
    receiver.answer = lambda _: web.Response(status=503, headers=headers)
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        waiting = await in_state(service, "pending", attempts=1)

    assert waiting["status"] == 503
    assert (waiting["due_at"] - waiting["tried_at"]).total_seconds() >= QUIET_S


# Secrets.


async def test_after_a_rotation_both_secrets_verify_for_a_day(
    service: Service, receiver: Receiver
) -> None:
    endpoint_id = await listen(service, receiver)
    old = receiver.secrets[0]
    new = await service.endpoints.rotate(endpoint_id, who="test")
    receiver.secrets = [old, new]
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        await in_state(service, "delivered")
        await execute(service, "UPDATE webhook_endpoint SET old_until = clock_timestamp()")
        receiver.secrets = [new]
        await emit(service, "order.paid")
        await eventually(lambda: _has(receiver, 2))

    assert old != new
    last = receiver.got[-1]
    assert len(last.headers["webhook-signature"].split()) == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(last.text, last.headers)


async def test_no_secret_is_in_the_database(
    service: Service, receiver: Receiver, postgres_url: str
) -> None:
    endpoint_id = await listen(service, receiver)
    await service.endpoints.rotate(endpoint_id, who="test")
    await emit(service, "order.paid")
    connection = await asyncpg.connect(postgres_url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")

    everything = [
        row["text"]
        for table in tables
        for row in await connection.fetch(f'SELECT t::text AS text FROM "{table["tablename"]}" t')
    ]
    await connection.close()

    secret = receiver.secrets[0].removeprefix("whsec_")
    assert any(receiver.url in text for text in everything)
    assert not any(secret in text for text in everything)
    raw = b64decode(secret).hex()
    assert not any(raw in text for text in everything)


async def test_without_the_key_behind_its_secret_an_endpoint_says_so(
    service: Service, receiver: Receiver
) -> None:
    endpoint_id = await listen(service, receiver)
    await execute(service, "UPDATE webhook_endpoint SET key_id = '\\x00'")
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        failed = await in_state(service, "pending", attempts=1)

    assert "rotate" in failed["answer"]
    assert not (await service.endpoints.read(endpoint_id)).signs
    assert receiver.got == []


# Several senders, and what goes wrong with them.


async def test_two_senders_at_once_send_each_event_once(open_one: Open, receiver: Receiver) -> None:
    one, two = await open_one(), await open_one()
    await listen(one, receiver)
    await execute(
        one, "INSERT INTO outbox_event (room_id, kind) SELECT 1, 'hold.placed' "
        "FROM generate_series(1, 300)"
    )  # fmt: skip

    async def all_delivered() -> bool:
        states = Counter(row["state"] for row in await rows(one, "webhook_delivery"))
        return states["delivered"] == 300

    async with sending(one.webhook_sender, two.webhook_sender):
        await eventually(all_delivered)

    assert len(receiver.got) == 300
    assert len({received.name for received in receiver.got}) == 300


async def test_a_killed_senders_deliveries_go_on_when_its_lease_is_over(
    open_one: Open, receiver: Receiver
) -> None:
    one, two = await open_one(), await open_one()
    await listen(one, receiver)
    receiver.answering.clear()
    await emit(one, "order.paid")
    killed = asyncio.create_task(one.webhook_sender.run(asyncio.Event()))
    await eventually(lambda: _has(receiver, 1))
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    receiver.answering.set()
    leased = await delivery(one)

    async with sending(two.webhook_sender):
        await emit(two, "room.opened")
        await eventually(lambda: _has(receiver, 2))
        assert receiver.kinds() == ["order.paid", "room.opened"]
        await execute(
            two,
            "UPDATE webhook_delivery SET due_at = due_at - make_interval(secs => $1) "
            "WHERE state = 'pending'",
            LEASE.length_s,
        )
        await eventually(lambda: _has(receiver, 3))

    assert leased["lease"] is not None
    assert receiver.kinds() == ["order.paid", "room.opened", "order.paid"]
    assert receiver.got[0].name == receiver.got[2].name


async def test_the_deliveries_of_a_sender_that_is_found_dead_are_due_at_once(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)
    await emit(service, "order.paid")
    await execute(service, "SELECT fan_out(10)")
    dead = LeaseHolder(service.pool)
    await dead.beat()
    outbox = OutboxStore(service.pool, holder=dead.name)
    (taken,) = await outbox.lease_due({}, per_endpoint_max=8, lease_s=3600)
    early = await service.outbox.lease_due({}, per_endpoint_max=8, lease_s=3600)

    await dead.end()
    (again,) = await service.outbox.lease_due({}, per_endpoint_max=8, lease_s=3600)

    assert early == []
    assert (again.delivery_id, again.attempts) == (taken.delivery_id, 2)


async def test_who_lost_the_lease_cannot_report_a_failure_but_a_success_counts(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)
    await emit(service, "order.paid")
    await execute(service, "SELECT fan_out(10)")
    await execute(
        service,
        "UPDATE webhook_delivery SET lease = gen_random_uuid(), "
        "due_at = due_at + interval '1 minute'",
    )
    note = (
        "SELECT note_attempt(1, gen_random_uuid(), $1, 5, 500, '', 1, false, 0, interval '3 days')"
    )

    await execute(service, note, "failed")
    after_failure = await delivery(service)
    await execute(service, note, "delivered")
    after_success = await delivery(service)

    assert (after_failure["state"], after_failure["status"]) == ("pending", None)
    assert after_failure["lease"] is not None
    assert (after_success["state"], after_success["lease"]) == ("delivered", None)


async def test_a_slow_endpoint_holds_up_no_other(
    service: Service, receiver: Receiver, receivers: Callable[[], Awaitable[Receiver]]
) -> None:
    quick = await receivers()
    await listen(service, receiver)
    await listen(service, quick)
    receiver.answering.clear()
    await execute(
        service, "INSERT INTO outbox_event (room_id, kind) SELECT 1, 'hold.placed' "
        "FROM generate_series(1, 60)"
    )  # fmt: skip

    async with sending(service.webhook_sender):
        await eventually(lambda: _has(quick, 60))
        under_way = len(receiver.got)
        receiver.answering.set()
        await eventually(lambda: _has(receiver, 60))

    assert under_way == PER_ENDPOINT_MAX


async def test_what_is_being_sent_is_not_replayed(service: Service, receiver: Receiver) -> None:
    await listen(service, receiver)
    receiver.answering.clear()
    await emit(service, "order.paid")

    async with sending(service.webhook_sender):
        await eventually(lambda: _has(receiver, 1))
        with pytest.raises(Exception, match="being sent") as refusal:
            await service.endpoints.replay(1, who="test")
        receiver.answering.set()
        await in_state(service, "delivered")
        await service.endpoints.replay(1, who="test")
        await eventually(lambda: _has(receiver, 2))

    assert refusal.value.code == "delivery_running"


async def test_a_private_address_is_refused_at_each_sending(
    services: Open, receiver: Receiver
) -> None:
    careful = await services()
    # The name was public when it was added, so to say.
    await listen(careful, receiver)
    name = receiver.url.replace("http://127.0.0.1", "https://localhost")
    await execute(careful, "UPDATE webhook_endpoint SET url = $1", name)
    await emit(careful, "order.paid")

    async with sending(careful.webhook_sender):
        by_name = await in_state(careful, "pending", attempts=1)
        await execute(careful, "UPDATE webhook_endpoint SET url = $1", "https://127.0.0.1/hook")
        await make_due(careful)
        by_address = await in_state(careful, "pending", attempts=2)

    assert "not public" in by_name["answer"]
    assert "not an address of the public Internet" in by_address["answer"]
    assert receiver.got == []


# What the tables tell of.


async def told(service: Service) -> list[str]:
    return [row["kind"] for row in await rows(service, "outbox_event")]


async def test_a_room_tells_of_what_becomes_of_it(service: Service, receiver: Receiver) -> None:
    await listen(service, receiver)
    await open_room(service, status="scheduled")
    await execute(service, "DELETE FROM outbox_event")

    for status in ("open", "paused", "open", "ended"):
        await service.rooms.set_status("drop", status, who="test")
    await execute(service, "UPDATE room SET sold_out = true")
    await execute(service, "UPDATE room SET sold_out = false")
    await execute(service, "UPDATE room SET seats_max = 7")

    assert await told(service) == [
        "room.opened", "room.paused", "room.resumed", "room.ended", "room.sold_out",
        "room.stock_back",
    ]  # fmt: skip


async def test_stock_tells_when_it_runs_low_out_and_comes_back(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver, "stock.low", "stock.out", "stock.back")
    await open_room(service, skus={"mug": 10})
    await execute(service, "UPDATE sku SET low_at = 3")
    await execute(service, "DELETE FROM outbox_event")

    async def leave(units: int) -> None:
        # Of the ten on hand so many are not held.
        await execute(service, "UPDATE stock SET held = 10 - $1::int", units)

    for units in (4, 3, 2, 0, 1, 5, 0):
        await leave(units)
    await execute(service, "UPDATE stock SET held = 0, sold = 10")

    assert await told(service) == ["stock.low", "stock.out", "stock.back", "stock.out"]


async def test_old_events_are_forgotten_with_their_deliveries(
    service: Service, receiver: Receiver
) -> None:
    await listen(service, receiver)
    await emit(service, "order.paid", "order.paid", "order.paid")
    await execute(
        service, "UPDATE outbox_event SET at = at - interval '15 days' WHERE event_id < 3"
    )
    await execute(service, "SELECT fan_out(10)")
    await emit(service, "order.paid")
    await execute(
        service, "UPDATE outbox_event SET at = at - interval '15 days' WHERE event_id = 4"
    )

    await service.sweeper.sweep("events")

    # The last one was never fanned out, and waits for it however old it is.
    assert [row["event_id"] for row in await rows(service, "outbox_event")] == [3, 4]
    assert [row["event_id"] for row in await rows(service, "webhook_delivery")] == [3]

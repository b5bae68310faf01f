"""Processes with different signing keys, and what keeps an old key from being dropped."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aiohttp.test_utils import TestClient
from support import KEY, Shopper, admitted, execute, open_room, secrets, settings, tick

from waitroom.gate.known_user.integration import KnownUserRules
from waitroom.run.app import Service, open_service
from waitroom.run.keys.key_store import SigningKeys
from waitroom.run.settings import Secrets

NEW = "22" * 32
OLD_KEY, NEW_KEY = bytes.fromhex(KEY), bytes.fromhex(NEW)

Client = TestClient[Any, Any]
Serve = Callable[[Service], Awaitable[Client]]


async def test_places_of_two_processes_hold_in_each_other_through_a_rotation(
    service: Service, clients: Serve, postgres_url: str, valkey_url: str
) -> None:
    await open_room(service, skus={"mug": 9})
    await tick(service)
    chosen = settings(postgres_url, valkey_url)
    steps = [
        (secrets(), Secrets(signing_keys=[KEY], coming_key=NEW)),
        (Secrets(signing_keys=[KEY], coming_key=NEW), Secrets(signing_keys=[KEY, NEW])),
        (Secrets(signing_keys=[KEY, NEW]), Secrets(signing_keys=[NEW], first_key=KEY)),
    ]
    held = []
    for one, other in steps:
        async with (
            open_service(chosen, one, roles=frozenset()) as first,
            open_service(chosen, other, roles=frozenset()) as second,
        ):
            for part in (first, second):
                await part.board.refresh()
            here, there = await clients(first), await clients(second)
            # Until the old key is dropped, what either of them signs holds at the other.
            shopper = await admitted(there if one.signing_keys == [KEY, NEW] else here)
            shopper.client = there if shopper.client is here else here
            held.append((await shopper.me())["status"])
            held.append((await shopper.hold(mug=1)).status)
            keys = [(await (await c.get("/.well-known/jwks.json")).json()) for c in (here, there)]
            published = [{key["kid"] for key in found["keys"]} for found in keys]
            held.append(len(published[0] & published[1]) > 0)
            key_of_the_log = {part.public_log._log_key.public for part in (first, second)}  # noqa: SLF001
            held.append(len(key_of_the_log))

    assert held == ["claimed", 201, True, 1] * 3


async def test_processes_whose_tokens_do_not_hold_in_each_other_are_named(
    service: Service,
) -> None:
    store = SigningKeys(service.pool)
    one, other = uuid4(), uuid4()

    alone = await store.report(one, [OLD_KEY])
    coming = await store.report(other, [OLD_KEY, NEW_KEY, OLD_KEY])
    too_early = await store.report(other, [OLD_KEY, NEW_KEY])
    seen_by_the_first = await store.report(one, [OLD_KEY])
    lacking = [found.accepts(NEW_KEY) for found in await store.processes()]
    await store.report(one, [OLD_KEY, NEW_KEY, OLD_KEY])
    in_order = await store.report(other, [OLD_KEY, NEW_KEY])
    await store.end_report(other)

    assert (alone, coming, in_order) == ([], [], [])
    assert (len(too_early), len(seen_by_the_first), sorted(lacking)) == (1, 1, [False, True])
    assert len(await store.processes()) == 1


async def test_an_old_key_is_needed_until_all_that_it_signed_is_over(
    service: Service, client: Client
) -> None:
    store = SigningKeys(service.pool)
    later = datetime.now(UTC) + timedelta(hours=2)
    await open_room(service, skus={"mug": 2}, seats_max=2)
    await open_room(service, "lots", skus={}, status="scheduled", order_by="draw")
    await tick(service)
    shoppers = [Shopper(client) for _ in range(3)]
    for shopper in shoppers:
        await shopper.join()
    await tick(service)
    await shoppers[0].claim()
    endpoint, _ = await service.endpoints.add(
        "https://hooks.example.com/w", shown="hooks", description="", kinds=[], who="test"
    )
    await service.known_user_store.put(
        "drop", KnownUserRules(customer="acme", event="drop"), who="test", reason=""
    )
    batch = "SELECT invite('lots', 'main', 3, '', clock_timestamp() + interval '1 day', 'test')"
    await execute(service, batch)
    await store.report(uuid4(), [OLD_KEY])
    fresh = await store.needs_of(OLD_KEY, now=datetime.now(UTC))

    needs = await store.needs_of(OLD_KEY, now=later)
    # What comes later was signed by another key.
    await store.report(uuid4(), [NEW_KEY])
    await Shopper(client).join()
    again = await store.needs_of(OLD_KEY, now=later)
    await service.endpoints.delete(endpoint, shown="hooks", who="test")
    await service.known_user_store.put("drop", None, who="test", reason="")
    for shopper in shoppers:
        await shopper.leave()
    for room in ("drop", "lots"):
        await service.rooms.set_status(room, "ended", who="test")
    await tick(service)

    assert "within the last hour" in fresh[0]
    said = "\n".join(needs)
    for words in (
        "room drop: 1 places that it signed wait",
        "room drop: 2 turns of places that it signed go on until",
        "room lots: 3 invitations that it signed are good until",
        "the draw of room lots is made with it",
        "the webhook https://hooks.example.com/w comes from it",
        "the KnownUser site acme comes from it",
    ):
        assert words in said
    assert (len(needs), again) == (6, needs)
    assert await store.needs_of(OLD_KEY, now=later) == []

"""The log of security events: what is in it, what never gets there, and who sees it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import PASSWORD, execute, open_room

from waitroom.admin.accounts.events import LEAST, SINGLE_MAX, EventFilter, NewEvent, SecurityEvent
from waitroom.admin.accounts.sign_in import OperatorStore
from waitroom.cli.accounts.noting import noting
from waitroom.run.service import Service

Client = TestClient[Any, Any]


async def noted(service: Service, **wanted: Any) -> list[SecurityEvent]:
    """Return the events that fit, the oldest first."""
    return (await service.event_store.find(EventFilter(**wanted), limit=200))[::-1]


async def test_sign_ins_are_noted_with_the_network_and_the_reason_and_never_a_password_as_a_name(
    service: Service, client: Client
) -> None:
    header = await sign_in(service, client, "admin", name="boss")
    for name, password in (
        ("boss", "wrong"),
        ("BOSS", "wrong"),
        (PASSWORD, ""),
        (PASSWORD, "x"),
        ("a\0", "x"),
    ):
        await client.post("/admin/login", data={"name": name, "password": password})
    await client.post("/admin/logout", headers=header)

    events = await noted(service)

    assert [(one.kind, one.who, one.detail.get("why")) for one in events] == [
        ("signed_in", "boss", None),
        ("sign_in_failed", "boss", "wrong_password"),
        ("sign_in_failed", "boss", "wrong_password"),
        ("sign_in_failed", "", "unknown_name"),
        ("sign_in_failed", "", "unknown_name"),
        ("signed_out", "boss", None),
    ]
    assert {one.network for one in events} == {"127.0.0.1"}
    marks = {one.detail["unknown"] for one in events if not one.who}
    assert len(marks) == 1
    assert PASSWORD not in repr(events)


async def test_wrong_keys_and_limited_sign_ins_without_end_are_a_handful_of_rows(
    service: Service, client: Client
) -> None:
    wrong = {"Authorization": "Bearer wrk_" + "x" * 43}
    for _ in range(6 * SINGLE_MAX):
        await client.get("/admin/rooms", headers=wrong)
        await client.post("/admin/login", data={"name": "nobody", "password": "wrong"})
    await service.security_events.flush(all_of_them=True)

    events = await noted(service)

    kinds = {one.kind for one in events}
    assert kinds == {"key_refused", "sign_in_failed", "sign_in_limited"}
    assert len(events) <= len(kinds) * (SINGLE_MAX + 1)
    keys = [one for one in events if one.kind == "key_refused"]
    assert sum(one.count for one in keys) == 6 * SINGLE_MAX
    assert keys[-1].since is not None


async def test_events_are_only_ever_added_and_go_when_their_time_is_over(
    service: Service, client: Client
) -> None:
    await sign_in(service, client, "admin", name="boss")
    await client.post("/admin/login", data={"name": "boss", "password": "wrong"})
    with pytest.raises(asyncpg.RaiseError):
        await execute(service, "UPDATE security_event SET who = 'else'")
    with pytest.raises(asyncpg.RaiseError):
        await execute(service, "DELETE FROM security_event")

    assert await service.event_store.forget(None, 100) == 0
    assert await service.event_store.forget(timedelta(days=1), 100) == 0
    assert await service.event_store.forget(timedelta(0), 1) == 1
    assert [one.kind for one in await noted(service)] == ["sign_in_failed"]


async def test_exports_and_changes_of_rights_are_noted_and_only_admins_read_of_them(
    service: Service, client: Client
) -> None:
    await open_room(service)
    admin = await sign_in(service, client, "admin", name="boss")
    viewer = await sign_in(service, client, "viewer")
    new = {"name": "ann", "role": "viewer", "password": PASSWORD}
    await client.post("/admin/operators", json=new, headers=admin)
    await client.patch("/admin/operators/ann", json={"password": PASSWORD[::-1]}, headers=admin)
    await client.delete("/admin/operators/ann/sessions", headers=admin)
    key = {"name": "till", "scopes": ["orders"]}
    made = await (await client.post("/admin/keys", json=key, headers=admin)).json()
    program = {"Authorization": f"Bearer {made['secret']}"}
    await client.get("/admin/rooms/drop/orders.csv", headers=program)
    wrong = {"old": "wrong", "new": PASSWORD[::-1]}
    await client.post("/admin/password", json=wrong, headers=viewer)
    elsewhere = {**admin, "Origin": "https://evil.example"}
    await client.post("/admin/operators", json=new, headers=elsewhere)
    await service.event_store.add(
        NewEvent(kind="signed_in", who="=1+1", network="192.0.2.7", at=datetime.now(UTC))
    )

    listed = await (await client.get("/admin/security?limit=200", headers=admin)).json()
    sheet = await (await client.get("/admin/security.csv?about=sign_ins", headers=admin)).text()
    about = await (await client.get("/admin/security?who=ann", headers=admin)).json()
    from_there = await (await client.get("/admin/security?network=192.0.2.7", headers=admin)).json()
    refused = [
        (await client.get(path, headers=headers)).status
        for path in ("/admin/security", "/admin/security.csv")
        for headers in (viewer, program)
    ]
    (exported,) = await noted(service, kinds=["exported"], who="boss")

    assert [event["sentence"] for event in listed["events"]][::-1] == [
        "boss signed in",
        "viewer signed in",
        "boss made an account for ann as viewer",
        "boss changed the account of ann: a new password",
        "boss ended 0 sessions of ann",
        "boss made the API key till for orders",
        "The key till saved the orders of the room drop",
        "An attempt to sign in failed, as viewer, with a wrong password",
        "A change that a page of another site sent was refused",
        "=1+1 signed in",
    ]
    assert [event["kind"] for event in about["events"]] == [
        "sessions_ended",
        "operator_changed",
        "operator_added",
    ]
    assert [event["who"] for event in from_there["events"]] == ["=1+1"]
    assert ",'=1+1,192.0.2.7,1," in sheet
    assert "API key" not in sheet
    assert exported.detail == {"what": "security_events"}
    assert refused == [403] * 4
    assert PASSWORD[::-1] not in repr(listed)


async def test_many_moved_places_of_a_network_are_one_event_and_a_few_are_none(
    service: Service,
) -> None:
    events = service.security_events
    for _ in range(LEAST["places_moved"]):
        await events.place_moved("192.0.2.1")
    await events.place_moved("192.0.2.2")

    await events.flush(all_of_them=True)

    (event,) = await noted(service)
    assert (event.kind, event.network, event.count) == ("places_moved", "192.0.2.1", 10)


async def test_a_command_notes_what_it_changed_and_nothing_where_it_changed_nothing(
    service: Service,
) -> None:
    for name in ("ann", "bo"):
        await service.operators.add(name, role="admin", password=PASSWORD)
    change = noting(
        lambda pool: OperatorStore(pool).change("ann", actor=None, role="viewer"),
        "operator_changed",
        operator="ann",
        role="viewer",
        active=None,
    )

    changed = [await change(service.pool) for _ in range(2)]

    (event,) = await noted(service)
    assert changed == [True, False]
    assert (event.kind, event.who, event.network) == ("operator_changed", "cli", "")
    assert event.detail == {"operator": "ann", "role": "viewer"}

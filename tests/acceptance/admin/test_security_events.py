"""The log of security events: what is in it, what never gets there, and who sees it."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import PASSWORD, execute

from waitroom.admin.accounts.events import SINGLE_MAX, EventFilter, SecurityEvent
from waitroom.run.service import Service

Client = TestClient[Any, Any]


async def noted(service: Service, **wanted: Any) -> list[SecurityEvent]:
    """Return the events that fit, the oldest first."""
    return (await service.event_store.find(EventFilter(**wanted), limit=200))[::-1]


async def test_sign_ins_are_noted_with_the_network_and_the_reason_and_never_a_password_as_a_name(
    service: Service, client: Client
) -> None:
    header = await sign_in(service, client, "admin", name="boss")
    for name, password in (("boss", "wrong"), ("BOSS", "wrong"), (PASSWORD, ""), (PASSWORD, "x")):
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

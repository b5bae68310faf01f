"""One process has many loops: a mistake in one of them ends neither the process nor the others."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from support import eventually, execute, open_room

from inventory.hold_store import HoldStore
from waitroom.outgoing.mail.mail_store import MailStore
from waitroom.outgoing.outbox.outbox_store import OutboxStore
from waitroom.run.app import Service

Open = Callable[..., Awaitable[Service]]


def failed(loop: str) -> float:
    return REGISTRY.get_sample_value("waitroom_loop_failures_total", {"loop": loop}) or 0.0


@pytest.mark.parametrize(
    ("store", "method", "loop"),
    [
        (MailStore, "tidy", "sweep_mails"),
        (HoldStore, "rooms_to_expire", "sweep_holds"),
        (OutboxStore, "forget", "sweep_events"),
        (OutboxStore, "fan_out", "webhooks"),
        (OutboxStore, "pending", "webhooks_pending"),
    ],
)
async def test_a_mistake_in_one_loop_leaves_the_leader_in_office(
    services: Open, monkeypatch: pytest.MonkeyPatch, store: type, method: str, loop: str
) -> None:
    async def broken(*_: Any) -> int:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(store, method, broken)
    before = failed(loop)
    leading = await services(roles=frozenset({"controller", "sweeper"}))
    await open_room(leading)

    async def failed_twice() -> bool:
        return failed(loop) >= before + 2

    await eventually(failed_twice)
    (was,) = await execute(leading, "SELECT version FROM room_state")

    async def published_again() -> bool:
        (now,) = await execute(leading, "SELECT version FROM room_state")
        return bool(now["version"] > was["version"])

    await eventually(published_again)
    assert not leading.failed.is_set()

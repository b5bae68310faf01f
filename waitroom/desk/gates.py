"""The gates of all rooms in memory: no request asks PostgreSQL for them."""

import asyncio

from inventory.kit.loops import repeat
from waitroom.gate.gate_store import GateStore
from waitroom.gate.known_user.integration import Speaker
from waitroom.gate.known_user.known_user_store import KnownUserStore
from waitroom.gate.rules import NO_GATE, GateRules

REFRESH_EVERY_S = 2.0


class Gates:
    """Keeps the gates, read again every two seconds."""

    def __init__(self, store: GateStore) -> None:
        self._store = store
        self._rules: dict[str, GateRules] = {}

    def of(self, room: str) -> GateRules:
        """Return the rules of a room's gate."""
        return self._rules.get(room, NO_GATE)

    def has_gate(self, room: str) -> bool:
        """Say whether an operator has set up a gate in a room."""
        return room in self._rules

    async def run(self, stopping: asyncio.Event) -> None:
        """Refresh until `stopping` is set."""
        await repeat("gates", self.refresh, stopping)

    async def refresh(self) -> float:
        """Read the gates; return the seconds until the next time."""
        self._rules = await self._store.every()
        return REFRESH_EVERY_S


class KnownUsers:
    """Keeps the rooms that speak KnownUser V3, read again every two seconds."""

    def __init__(self, store: KnownUserStore) -> None:
        self._store = store
        self._by_event: dict[tuple[str, str], Speaker] = {}
        self._by_room: dict[str, Speaker] = {}

    def of_event(self, customer: str, event: str) -> Speaker | None:
        return self._by_event.get((customer, event))

    def of_room(self, room: str) -> Speaker | None:
        return self._by_room.get(room)

    def of_customer(self, customer: str) -> list[Speaker]:
        """Return the rooms of a site, by event."""
        return [one for one in self._by_room.values() if one.rules.customer == customer]

    async def run(self, stopping: asyncio.Event) -> None:
        """Refresh until `stopping` is set."""
        await repeat("known_users", self.refresh, stopping)

    async def refresh(self) -> float:
        """Read the rooms; return the seconds until the next time."""
        speakers = await self._store.every()
        self._by_event = {(one.rules.customer, one.rules.event): one for one in speakers}
        self._by_room = {one.room: one for one in speakers}
        return REFRESH_EVERY_S

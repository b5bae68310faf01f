"""The gate of every room, in memory: no request asks PostgreSQL for one."""

import asyncio

from inventory.kit.loops import repeat
from waitroom.gate.gate_store import GateStore
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

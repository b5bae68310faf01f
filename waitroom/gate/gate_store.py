"""The gates of rooms on PostgreSQL."""

import asyncpg
import msgspec

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.decoding import Json
from inventory.refusals import ChangedMeanwhile, RoomArchived, no_room
from waitroom.gate.hand_over import HandOver
from waitroom.gate.rules import GATE_RULES, NO_GATE, GateRules

SQL = load_queries("waitroom.gate")

# What operators call a rule.
_CALLED = {
    "when_away": "what happens when this service is away",
    "return_addresses": "the addresses to return to",
    "triggers": "the triggers",
    "pass_s": "the time of a pass",
    "arrive_at": "the path of arrival",
}


class GateStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, room: str) -> GateRules:
        """Return the gate of a room; raises `NotFound`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_gate"], room)
        if row is None:
            raise no_room(room)
        return _rules_of(row["rules"])

    async def every(self) -> dict[str, GateRules]:
        """Return the gates of all rooms that have other rules than the default, by room."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_gates"])
        return {row["room"]: _rules_of(row["rules"]) for row in rows}

    async def put(
        self, room: str, rules: GateRules, *, was: GateRules | None, who: str, reason: str
    ) -> None:
        """Put rules in place of those that stand, if they are `was`; raises `ChangedMeanwhile`."""
        seen = None if was is None else _encoded(was)
        async with connection(self._pool) as borrowed:
            try:
                outdated = await borrowed.fetchval(
                    SQL["set_gate"], room, _encoded(rules), seen, who, reason
                )
            except asyncpg.CheckViolationError as error:
                if error.constraint_name == "archived_room_stands":
                    raise RoomArchived from error
                raise
        if outdated is None:
            raise no_room(room)
        changed = msgspec.json.decode(outdated)
        if changed:
            raise _changed_meanwhile(changed)

    async def spend(self, token: HandOver) -> bool:
        """Spend a hand-over token; return whether it is the first time, and in time."""
        async with connection(self._pool) as borrowed:
            return bool(await borrowed.fetchval(SQL["spend_hand_over"], token.nonce, token.until))


def _encoded(rules: GateRules) -> str:
    return msgspec.json.encode(rules).decode()


def _rules_of(text: str | None) -> GateRules:
    """Read a gate. One that an older or newer version wrote in another form counts as none."""
    try:
        return GATE_RULES.decode(text) if text else NO_GATE
    except msgspec.ValidationError:
        return NO_GATE


def _changed_meanwhile(changed: Json) -> ChangedMeanwhile:
    names = " and ".join(_CALLED.get(name, name) for name in sorted(changed))
    return ChangedMeanwhile(
        f"A colleague changed {names} meanwhile, so nothing was saved. Look at the new rules; save "
        "again to put yours in their place.",
        changed=changed,
    )

"""Mints passes for live sessions, for rooms that have a gate."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from inventory.kit.batcher import Batcher
from inventory.kit.problem import Busy, Refusal
from inventory.refusals import SessionOver
from waitroom.desk.gates import Gates
from waitroom.gate.pass_store import PassStore, SessionNow
from waitroom.gate.passes import Pass, PassKeys, PassUnreadable, pass_ends
from waitroom.refusals import NoGate


class MintedPass(msgspec.Struct, frozen=True, kw_only=True):
    """A pass, with the deadline that stands in it."""

    # The pass itself, a JWT signed with Ed25519.
    text: str = msgspec.field(name="pass")
    room: str
    expires_at: datetime
    # Seconds until then, by the database's clock.
    seconds_left: int


class Passes:
    """`issuer` is the address of the service as browsers know it."""

    def __init__(self, store: PassStore, gates: Gates, *, keys: PassKeys, issuer: str) -> None:
        self.keys = keys
        self._gates = gates
        self._issuer = issuer
        self._store = store
        self._reading: Batcher[int, SessionNow] = Batcher("passes", self._read)

    def has_passes(self, room: str) -> bool:
        """Say whether a room gives passes."""
        return self._gates.has_gate(room)

    def carried_in(self, text: str) -> Pass | None:
        """Return what a pass of ours says, be it over or not; None for any other text."""
        try:
            return self.keys.read(text)
        except PassUnreadable:
            return None

    async def mint(self, room: str, session_id: int, *, turn: int | None = None) -> MintedPass:
        """Return a pass of a live session; with a `turn`, of no later session of that number.

        Raises `NoGate` and `SessionOver`.
        """
        if not self.has_passes(room):
            raise NoGate
        session = await self._reading.submit(session_id)
        over = not session.live or turn not in {None, session.turn} or session.room != room
        left_s = session.seconds_left or 0
        # A pass that would hold for less than a second is none.
        if over or left_s < 1:
            raise SessionOver(room=room)
        now = int(session.now)
        ends = pass_ends(now=now, pass_s=self._gates.of(room).pass_s, seconds_left=left_s)
        minted = Pass(
            issuer=self._issuer,
            room=room,
            session_id=session_id,
            turn=session.turn,
            issued_at=now,
            expires_at=ends,
        )
        return MintedPass(
            text=self.keys.mint(minted),
            room=room,
            expires_at=datetime.fromtimestamp(ends, UTC),
            seconds_left=ends - now,
        )

    async def require_turn(self, room: str, session_id: int, turn: int) -> None:
        """Raise `SessionOver` if the session of a pass is over, be there a later one or not."""
        session = await self._reading.submit(session_id)
        if not session.live or session.turn != turn:
            raise SessionOver(room=room)

    async def mint_if_any(self, room: str, session_id: int) -> str:
        """Return a pass for a room that gives them, "" otherwise and where it has to be asked for.

        The session itself is worth more than its pass, so it does not wait for a busy database.
        """
        if not self.has_passes(room):
            return ""
        try:
            return (await self.mint(room, session_id)).text
        except (Busy, SessionOver):
            return ""

    async def _read(self, session_ids: Sequence[int]) -> list[SessionNow | Refusal]:
        return [found or SessionOver() for found in await self._store.read(session_ids)]

    async def close(self) -> None:
        """Answer every request that is queued."""
        await self._reading.close()

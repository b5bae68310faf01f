"""What the benchmark sells and to whom: rooms, pre-called numbers, sessions, and their tokens.

Everything is written by plain SQL before a slice, so that a slice measures one kind of request.
"""

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import asyncpg
import redis.asyncio as redis
from processes import KEY, Running

from checkout.session import Session, SessionSeal
from waitroom.state import RoomState, decode_state
from waitroom.ticket import TICKET_ID_BYTES, Ticket, TicketSeal

SKU = "hot"
STATE_WAIT_S = 30.0
# As many as a worker gives numbers to in one call.
JOIN_BATCH = 512
ROOMS = ("join", "claim", "hold", "short", "long")

# Nobody is called but by us, and nothing that is placed runs out while we measure.
RULES = """{"policy": "rate", "seats_max": 0, "claim_window_s": 86400, "session_s": 86400,
    "hold_s": 86400}"""

CALL = """
WITH moved AS (
    UPDATE line SET tail = tail + $2, gate = tail + $2 WHERE line_id = $1 RETURNING tail, room_id),
admitted AS (
    INSERT INTO admission (room_id, line_id, number, state, called_at, claim_until)
    SELECT room_id, $1, n, 'called', shopper_now(), shopper_now() + interval '1 day'
    FROM moved, generate_series(tail - $2 + 1, tail) n)
SELECT tail FROM moved"""

ADMIT = """
WITH moved AS (
    UPDATE line SET tail = tail + $2, gate = tail + $2 WHERE line_id = $1 RETURNING tail, room_id)
INSERT INTO admission
    (room_id, line_id, number, state, ticket_id, called_at, claimed_at, expires_at)
SELECT room_id, $1, n, 'claimed', $3, shopper_now(), shopper_now(),
       shopper_now() + interval '1 day'
FROM moved, generate_series(tail - $2 + 1, tail) n RETURNING admission_id"""

# A seat that is done with must not burden the controller's next count.
END = """
UPDATE admission SET state = 'ended', ended_at = shopper_now()
WHERE line_id = $1 AND state = ANY ($2::text[])"""

LEFT = "SELECT ARRAY(SELECT number FROM admission WHERE line_id = $1 AND state = 'called')"

LOG_BYTES = "SELECT pg_total_relation_size('log_entry')"
DATABASE_BYTES = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes in the engines; those of the log are told apart."""

    database: int
    log: int
    valkey: int


class Sale:
    """The prepared sale. Open it with `Sale.open`, close it at the end."""

    def __init__(self, connection: Any, valkey: Any, lines: dict[str, int]) -> None:
        self._connection = connection
        self._valkey = valkey
        self._lines = lines
        self._tickets = TicketSeal([bytes.fromhex(KEY)])
        self._sessions = SessionSeal([bytes.fromhex(KEY)])

    @classmethod
    async def open(cls, running: Running) -> "Sale":
        connection = await asyncpg.connect(running.postgres_url)
        for room in ROOMS:
            await connection.execute("SELECT create_room($1, $1, 'bench')", room)
            await connection.execute("SELECT change_room($1, $2, 'bench', '')", room, RULES)
            await connection.execute("SELECT set_room_status($1, 'open', 'bench', '')", room)
        sku_id = await connection.fetchval(
            "INSERT INTO sku (sku, room_id, name, price_minor, limit_per_session, currency) "
            "SELECT $1, room_id, 'Hot', 2400, 1000000, currency FROM room WHERE room = 'hold' "
            "RETURNING sku_id",
            SKU,
        )
        await connection.execute("INSERT INTO stock (sku_id) VALUES ($1)", sku_id)
        await connection.execute("SELECT move_stock($1, 'received', 1000000000, 'bench', '')", SKU)
        rows = await connection.fetch("SELECT room, line_id FROM room JOIN line USING (room_id)")
        lines = {row["room"]: row["line_id"] for row in rows}
        return cls(connection, redis.from_url(running.valkey_url), lines)

    async def close(self) -> None:
        await self._connection.close()
        await self._valkey.aclose()

    async def issue(self, room: str, numbers: int) -> None:
        """Give out numbers as the workers do, but to nobody."""
        while numbers > 0:
            batch = min(numbers, JOIN_BATCH)
            await self._connection.execute(
                "SELECT join_line($1, $2, $3, false)", self._lines[room], batch, os.urandom(32)
            )
            numbers -= batch

    async def published(self, room: str) -> RoomState:
        """Return the document when it speaks of all the numbers that were issued."""
        line = self._lines[room]
        tail = await self._connection.fetchval("SELECT tail FROM line WHERE line_id = $1", line)
        async with asyncio.timeout(STATE_WAIT_S):
            while True:
                raw = await self._valkey.hget(f"waitroom:state:{{{room}}}", "body")
                if raw and (state := decode_state(raw)).lines[0].tail == tail:
                    return state
                await asyncio.sleep(0.1)

    async def sizes(self) -> Sizes:
        info = await self._valkey.info("memory")
        return Sizes(
            database=await self._connection.fetchval(DATABASE_BYTES),
            log=await self._connection.fetchval(LOG_BYTES),
            valkey=info["used_memory"],
        )

    async def call(self, wanted: int) -> list[bytes]:
        """Return tickets of called numbers that nobody has claimed, as many as are wanted."""
        line = self._lines["claim"]
        await self._connection.execute(END, line, ["claimed"])
        numbers = await self._connection.fetchval(LEFT, line)
        short = wanted - len(numbers)
        if short > 0:
            tail = await self._connection.fetchval(CALL, line, short)
            numbers += range(tail - short + 1, tail + 1)
        return [self._ticket(line, number) for number in numbers]

    def _ticket(self, line: int, number: int) -> bytes:
        ticket = Ticket(line_id=line, number=number, ticket_id=os.urandom(TICKET_ID_BYTES))
        return self._tickets.sign(ticket).encode()

    async def admit(self, wanted: int) -> range:
        """End the sessions that were used, and return the ids of as many new ones."""
        line = self._lines["hold"]
        await self._connection.execute(END, line, ["claimed"])
        rows = await self._connection.fetch(ADMIT, line, wanted, os.urandom(16))
        ids = sorted(row["admission_id"] for row in rows)
        assert ids[-1] - ids[0] == wanted - 1
        return range(ids[0], ids[-1] + 1)

    def session(self, session_id: int) -> bytes:
        return self._sessions.sign(Session(session_id=session_id, room="hold")).encode()

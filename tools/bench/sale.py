"""The sale under measurement: rooms, SKUs, pre-called numbers, sessions and their tokens.

Everything is written by plain SQL before a slice, so that a slice measures one kind of request.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import redis.asyncio as redis
from processes import KEY, Running

from checkout.session import Session, SessionSeal
from inventory.kit.database import open_pool
from inventory.ledger_store import LedgerStore
from inventory.sku_store import StockStore
from waitroom.line.state import RoomState, decode_state
from waitroom.line.ticket import TICKET_ID_BYTES, Ticket, TicketSeal
from waitroom.store.room_store import RoomStore

SKU = "hot"
# The room that sells; the others have no SKU.
SHOP = "hold"
ROOMS = ("join", "claim", SHOP, "short", "long")
UNITS = 1_000_000_000
LIMIT = 1_000_000
STATE_WAIT_S = 30.0
# A worker gives out at most this many numbers in one call.
JOIN_BATCH = 512

# Only the benchmark calls shoppers, and nothing that is placed runs out while it measures. Baskets
# may have units of all SKUs.
RULES = """{"policy": "rate", "seats_max": 0, "claim_window_s": 86400, "session_s": 86400,
    "hold_s": 86400, "pay_after_s": 0, "order_units_max": null}"""

# The clock is read once for each statement here, and not for each row.
CALL = """
WITH clock AS MATERIALIZED (SELECT shopper_now() AS t),
moved AS (
    UPDATE line SET tail = tail + $2, gate = tail + $2 WHERE line_id = $1 RETURNING tail, room_id),
admitted AS (
    INSERT INTO admission (room_id, line_id, number, state, called_at, claim_until)
    SELECT room_id, $1, n, 'called', t, t + interval '1 day'
    FROM clock, moved, generate_series(tail - $2 + 1, tail) n)
SELECT tail FROM moved"""

ADMIT = """
WITH clock AS MATERIALIZED (SELECT shopper_now() AS t),
moved AS (
    UPDATE line SET tail = tail + $2, gate = tail + $2 WHERE line_id = $1 RETURNING tail, room_id)
INSERT INTO admission
    (room_id, line_id, number, state, ticket_id, called_at, claimed_at, expires_at)
SELECT room_id, $1, n, 'claimed', $3, t, t, t + interval '1 day'
FROM clock, moved, generate_series(tail - $2 + 1, tail) n RETURNING admission_id"""

# A seat that is no longer used must not burden the leader's next count.
END_CLAIMED = """
UPDATE admission SET state = 'ended', ended_at = now()
WHERE line_id = $1 AND state = 'claimed'"""

END_SESSIONS = """
UPDATE admission SET state = 'ended', ended_at = now()
WHERE admission_id BETWEEN $1 AND $2 AND state = 'claimed'"""

# The leader would read for seconds what was prepared, and the requests would be charged for it.
NO_NEWS = "DELETE FROM journey_change WHERE xmin = pg_current_xact_id()::xid"

LEFT = "SELECT ARRAY(SELECT number FROM admission WHERE line_id = $1 AND state = 'called')"

# The room whose last document is the oldest.
LAST_PUBLISHED = "SELECT min(published_at) FROM room_state"

LOG_BYTES = "SELECT pg_total_relation_size('log_entry')"
DATABASE_BYTES = "SELECT pg_database_size(current_database())"
DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "server_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes in the engines; those of the log are told apart."""

    database: int
    log: int
    valkey: int


class Sale:
    """The prepared sale. Open it with `Sale.open`, close it at the end."""

    def __init__(
        self, connection: Any, valkey: Any, *, lines: dict[str, int], rooms: dict[int, str]
    ) -> None:
        self.connection = connection
        # Names by id, as the leader's log needs them.
        self.rooms = rooms
        self._valkey = valkey
        self._lines = lines
        self._tickets = TicketSeal([bytes.fromhex(KEY)])
        self._sessions = SessionSeal([bytes.fromhex(KEY)])
        self._admitted = range(0)

    @classmethod
    async def open(
        cls, running: Running, *, rooms: Sequence[str] = ROOMS, skus: Sequence[str] = (SKU,)
    ) -> "Sale":
        pool = await open_pool(running.postgres_url, size_max=1)
        room_store, stock, ledger = RoomStore(pool), StockStore(pool), LedgerStore(pool)
        for room in rooms:
            await room_store.create(room, room, rules=RULES, who="bench")
            await room_store.set_status(room, "open", who="bench")
        for sku in skus:
            await stock.add(sku, room=SHOP, name=sku, price_minor=2400, limit_per_session=LIMIT)
            await ledger.move(sku, kind="received", quantity=UNITS, who="bench")
        await pool.close()
        connection = await asyncpg.connect(running.postgres_url)
        rows = await connection.fetch(
            "SELECT room_id, room, line_id FROM room JOIN line USING (room_id)"
        )
        return cls(
            connection,
            redis.from_url(running.valkey_url),
            lines={row["room"]: row["line_id"] for row in rows},
            rooms={row["room_id"]: row["room"] for row in rows},
        )

    async def close(self) -> None:
        await self.connection.close()
        await self._valkey.aclose()

    async def durability(self) -> dict[str, str]:
        """Return the settings that make a commit survive a power cut, and the version."""
        return {name: await self.connection.fetchval(f"SHOW {name}") for name in DURABILITY}

    def line(self, room: str = SHOP) -> int:
        return self._lines[room]

    async def issue(self, room: str, numbers: int) -> None:
        """Give out numbers as the workers do; no shopper gets them."""
        while numbers > 0:
            batch = min(numbers, JOIN_BATCH)
            await self.connection.execute(
                "SELECT join_line($1, $2, $3, false)", self._lines[room], batch, os.urandom(32)
            )
            numbers -= batch

    async def published(self, room: str) -> RoomState:
        """Return the document when it speaks of all the numbers that were issued."""
        line = self._lines[room]
        tail = await self.connection.fetchval("SELECT tail FROM line WHERE line_id = $1", line)
        async with asyncio.timeout(STATE_WAIT_S):
            while True:
                raw = await self._valkey.hget(f"waitroom:state:{{{room}}}", "body")
                if raw and (state := decode_state(raw)).lines[0].tail == tail:
                    return state
                await asyncio.sleep(0.1)

    async def sizes(self) -> Sizes:
        info = await self._valkey.info("memory")
        return Sizes(
            database=await self.connection.fetchval(DATABASE_BYTES),
            log=await self.connection.fetchval(LOG_BYTES),
            valkey=info["used_memory"],
        )

    @asynccontextmanager
    async def _unheard(self) -> AsyncIterator[None]:
        """Write in a transaction of whose changes the leader never hears."""
        async with self.connection.transaction():
            yield
            await self.connection.execute(NO_NEWS)

    async def call(self, wanted: int) -> list[bytes]:
        """Return the wanted count of tickets of called numbers, none of them claimed yet."""
        line = self._lines["claim"]
        async with self._unheard():
            await self.connection.execute(END_CLAIMED, line)
            numbers = await self.connection.fetchval(LEFT, line)
            short = wanted - len(numbers)
            if short > 0:
                tail = await self.connection.fetchval(CALL, line, short)
                numbers += range(tail - short + 1, tail + 1)
        return [self._ticket(line, number) for number in numbers]

    def _ticket(self, line: int, number: int) -> bytes:
        ticket = Ticket(line_id=line, number=number, ticket_id=os.urandom(TICKET_ID_BYTES))
        return self._tickets.sign(ticket).encode()

    async def admit(self, wanted: int) -> range:
        """End the sessions admitted before, and return the ids of the wanted count of new ones."""
        async with self._unheard():
            await self.end_sessions(self._admitted)
            rows = await self.connection.fetch(ADMIT, self.line(), wanted, os.urandom(16))
        ids = sorted(row["admission_id"] for row in rows)
        assert ids[-1] - ids[0] == wanted - 1
        self._admitted = range(ids[0], ids[-1] + 1)
        return self._admitted

    async def end_sessions(self, sessions: range) -> None:
        if sessions:
            await self.connection.execute(END_SESSIONS, sessions[0], sessions[-1])

    async def last_published(self) -> datetime:
        """Return since when every room has published its document again."""
        at: datetime = await self.connection.fetchval(LAST_PUBLISHED)
        return at

    def session(self, session_id: int) -> bytes:
        return self._sessions.sign(Session(session_id=session_id, room=SHOP)).encode()

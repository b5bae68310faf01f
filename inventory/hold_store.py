"""Holds on PostgreSQL: batches in one call, everything else singly."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from inventory.hold import Hold, HoldLine, HoldRequest, HoldState, Verdict, Wish, refusal
from inventory.kit.database import (
    ENGINE_ERRORS,
    SHOPPER_TIMEOUT_S,
    Connection,
    Pool,
    borrow,
    connection,
    load_queries,
)
from inventory.kit.problem import EngineDown, IdempotencyKeyReused, Refusal
from inventory.refusals import UnknownHold

SQL = load_queries("inventory")

EXPIRE_BATCH_MAX = 500
SERVE_BATCH_MAX = 500
SETTLE_ROUNDS_MAX = 3
# The same keys go out again after a reply was lost, so asking again is safe.
ATTEMPTS_MAX = 3
RETRY_PAUSE_S = 0.1


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A hold as just placed; a replay has only its id and is read again."""

    hold_id: UUID
    replay: bool
    expires_at: datetime | None = None
    seconds_left: float = 0.0
    currency: str = ""
    lines: list[HoldLine] = []


@dataclass(slots=True)
class _Call:
    """The arrays of one `place_holds` call, as its type `hold_batch` describes them."""

    sessions: dict[int, int] = field(default_factory=dict)
    skus: dict[str, int] = field(default_factory=dict)
    pairs: dict[tuple[int, int], int] = field(default_factory=dict)
    request_session: list[int] = field(default_factory=list)
    line_first: list[int] = field(default_factory=lambda: [1])
    line_sku: list[int] = field(default_factory=list)
    line_pair: list[int] = field(default_factory=list)
    line_units: list[int] = field(default_factory=list)

    def add(self, request: HoldRequest) -> None:
        # Slots count from 1, as SQL arrays do.
        session = self.sessions.setdefault(request.session_id, len(self.sessions) + 1)
        self.request_session.append(session)
        for sku, quantity in request.quantities.items():
            slot = self.skus.setdefault(sku, len(self.skus) + 1)
            self.line_sku.append(slot)
            self.line_pair.append(self.pairs.setdefault((session, slot), len(self.pairs) + 1))
            self.line_units.append(quantity)
        self.line_first.append(len(self.line_sku) + 1)


class HoldStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def place(self, requests: Sequence[HoldRequest]) -> list[Placed | Refusal]:
        """Place a batch of holds in the order given, a verdict for each.

        A repeat within the batch shares the first one's fate; a repeat of an earlier hold is
        answered with that hold.
        """
        first: dict[tuple[int, UUID], int] = {}
        for index, request in enumerate(requests):
            first.setdefault((request.session_id, request.key), index)
        if len(first) == len(requests):
            return await self._place(requests)
        distinct = [requests[index] for index in first.values()]
        verdicts = dict(zip(first, await self._place(distinct), strict=True))
        answers: list[Placed | Refusal] = []
        for index, request in enumerate(requests):
            name = (request.session_id, request.key)
            leader = requests[first[name]]
            if request.body_hash != leader.body_hash:
                answers.append(IdempotencyKeyReused())
            else:
                answers.append(
                    _as_repeat(verdicts[name]) if index != first[name] else verdicts[name]
                )
        return answers

    async def _place(self, requests: Sequence[HoldRequest]) -> list[Placed | Refusal]:
        is_single = len(requests) == 1 and len(requests[0].quantities) == 1
        place = self._place_single if is_single else self._place_batch
        for attempt in range(ATTEMPTS_MAX):
            try:
                async with borrow(self._pool) as borrowed:
                    return await place(borrowed, requests)
            except ENGINE_ERRORS as error:
                if attempt == ATTEMPTS_MAX - 1:
                    raise EngineDown from error
                await asyncio.sleep(RETRY_PAUSE_S * (attempt + 1))
            except asyncpg.DeadlockDetectedError:
                continue
        raise EngineDown

    async def _place_single(
        self, borrowed: Connection, requests: Sequence[HoldRequest]
    ) -> list[Placed | Refusal]:
        """Place one hold of one SKU: what is plain costs half of a batch of one."""
        (request,) = requests
        ((sku, units),) = request.quantities.items()
        row = await self._settled(
            borrowed,
            "place_hold",
            request.hold_id,
            request.key,
            request.body_hash,
            request.partial,
            request.session_id,
            sku,
            units,
            skus=[sku],
        )
        if row["verdict"] != Verdict.PLACED:
            return [_not_placed(row["verdict"], request, sku=sku, figure=row["figure"])]
        line = HoldLine(sku=sku, name=row["name"], quantity=row["given"], price_minor=row["price"])
        return [
            Placed(
                hold_id=request.hold_id,
                replay=False,
                expires_at=row["expires"],
                seconds_left=row["seconds_left"],
                currency=row["currency"],
                lines=[line],
            )
        ]

    async def _place_batch(
        self, borrowed: Connection, requests: Sequence[HoldRequest]
    ) -> list[Placed | Refusal]:
        call = _Call()
        for request in requests:
            call.add(request)
        skus = list(call.skus)
        row = await self._settled(
            borrowed,
            "place_holds",
            [request.hold_id for request in requests],
            [request.key for request in requests],
            [request.body_hash for request in requests],
            [request.partial for request in requests],
            call.request_session,
            list(call.sessions),
            call.line_first,
            call.line_sku,
            call.line_pair,
            call.line_units,
            skus,
            [session for session, _ in call.pairs],
            [slot for _, slot in call.pairs],
            skus=skus,
        )
        return [_answer(row, call, requests, index) for index in range(len(requests))]

    async def _settled(
        self, borrowed: Connection, query: str, *values: Any, skus: list[str]
    ) -> asyncpg.Record:
        """Ask to place; where units may come free, let them, and ask again."""
        for turn in range(SETTLE_ROUNDS_MAX + 1):
            row = await borrowed.fetchrow(
                SQL[query], *values, turn == SETTLE_ROUNDS_MAX, timeout=SHOPPER_TIMEOUT_S
            )
            assert row is not None
            if not row["must_settle"]:
                return row
            await borrowed.fetchval(SQL["expire_holds"], EXPIRE_BATCH_MAX, skus, None)
            await borrowed.fetchval(SQL["serve_wishes_beside"], SERVE_BATCH_MAX, skus)
        raise AssertionError("the last round is final")

    async def read(self, session_id: int, hold_id: UUID) -> Hold:
        """Return one hold of a session; raises `UnknownHold` for a foreign one too."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["read_hold"], session_id, hold_id, timeout=SHOPPER_TIMEOUT_S
            )
        if not rows:
            raise UnknownHold
        return _hold(rows)

    async def held(self, session_id: int) -> list[Hold]:
        """Return the holds that a session has now, the earliest first."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_held"], session_id, timeout=SHOPPER_TIMEOUT_S)
        grouped: dict[UUID, list[asyncpg.Record]] = {}
        for row in rows:
            grouped.setdefault(row["hold_id"], []).append(row)
        return [_hold(lines) for lines in grouped.values()]

    async def replayed(self, session_id: int, key: UUID) -> Hold:
        async with connection(self._pool) as borrowed:
            hold_id = await borrowed.fetchval(
                SQL["find_replay"], session_id, key, timeout=SHOPPER_TIMEOUT_S
            )
        return await self.read(session_id, hold_id)

    async def change(self, session_id: int, hold_id: UUID, quantities: dict[str, int]) -> None:
        """Set a hold's quantities, all or nothing. Raises the refusal that stands in the way."""
        skus = list(quantities)
        values = (hold_id, session_id, skus, list(quantities.values()))
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["change_hold"], *values, timeout=SHOPPER_TIMEOUT_S)
            assert row is not None
            if row["verdict"] == Verdict.OUT_OF_STOCK and await borrowed.fetchval(
                SQL["expire_holds"], EXPIRE_BATCH_MAX, skus, None
            ):
                row = await borrowed.fetchrow(
                    SQL["change_hold"], *values, timeout=SHOPPER_TIMEOUT_S
                )
        assert row is not None
        verdict = Verdict(row["verdict"])
        if verdict is not Verdict.PLACED:
            culprit = skus[row["culprit"] - 1] if row["culprit"] else ""
            raise refusal(verdict, sku=culprit, figure=row["figure"] or 0)

    async def extend(self, session_id: int, hold_id: UUID, *, key: UUID | None = None) -> None:
        """Move a live hold's deadline, once for each key.

        Raises `HoldExpired`, `ExtensionRefused` or another refusal.
        """
        values = (hold_id, session_id, key)
        async with connection(self._pool) as borrowed:
            verdict = Verdict(
                await borrowed.fetchval(SQL["extend_hold"], *values, timeout=SHOPPER_TIMEOUT_S)
            )
        if verdict is not Verdict.PLACED:
            raise refusal(verdict)

    async def release(self, session_id: int, hold_id: UUID) -> None:
        """Give the units back at once. Releasing a hold that is over changes nothing.

        Raises `PaymentRunning` or `AlreadyPaid` for a hold whose units are not to be given back.
        """
        async with connection(self._pool) as borrowed:
            ended = await borrowed.fetchval(
                SQL["release_hold"], hold_id, session_id, timeout=SHOPPER_TIMEOUT_S
            )
        if not ended:
            hold = await self.read(session_id, hold_id)
            if hold.paying:
                raise refusal(Verdict.PAYMENT_RUNNING)
            if hold.state is HoldState.CONFIRMED:
                raise refusal(Verdict.HOLD_SOLD)

    async def rooms_to_expire(self) -> list[int]:
        """Return the rooms that have overdue holds."""
        return await self._rooms("rooms_to_expire")

    async def expire(self, batch_max: int, *, rooms: Sequence[int] | None = None) -> int:
        """End up to `batch_max` overdue holds of these rooms, or of all, and return how many."""
        if rooms is None:
            rooms = await self.rooms_to_expire()
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["expire_holds"], batch_max, [], rooms))

    async def rooms_to_serve(self) -> list[int]:
        """Return the rooms in which units came free that a session was refused."""
        return await self._rooms("rooms_to_serve")

    async def serve(self, batch_max: int, *, rooms: Sequence[int] | None = None) -> int:
        """Hold what came free in these rooms, or in all, for the sessions that were refused it.

        Returns how many of them got some.
        """
        if rooms is None:
            rooms = await self.rooms_to_serve()
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["serve_wishes"], batch_max, rooms))

    async def rooms_with_times_passed(self) -> list[int]:
        """Return the rooms in which a sale has begun or ended since this was last noted."""
        return await self._rooms("rooms_with_times_passed")

    async def pass_times(self, room_id: int) -> None:
        """Note which sales of a room have begun and ended, as holds and calls do by the way."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["pass_times_of_sale"], room_id)

    async def _rooms(self, query: str) -> list[int]:
        async with connection(self._pool) as borrowed:
            return [row["room_id"] for row in await borrowed.fetch(SQL[query])]

    async def wishes(self, session_id: int) -> list[Wish]:
        """Return what a session waits for."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_wishes"], session_id, timeout=SHOPPER_TIMEOUT_S)
        return [Wish(**dict(row)) for row in rows]

    async def drop_wishes(self, session_id: int) -> None:
        """Let a session wait for nothing any more; raises `TooManyActs`."""
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(
                SQL["drop_wishes"], session_id, timeout=SHOPPER_TIMEOUT_S
            )
        if verdict != "dropped":
            raise refusal(Verdict(verdict))


def _as_repeat(verdict: Placed | Refusal) -> Placed | Refusal:
    if isinstance(verdict, Refusal):
        return verdict
    return Placed(hold_id=verdict.hold_id, replay=True)


def _answer(
    row: asyncpg.Record, call: _Call, requests: Sequence[HoldRequest], index: int
) -> Placed | Refusal:
    verdict = row["verdicts"][index]
    if verdict == Verdict.PLACED:
        return _placed(row, call, requests[index], index)
    culprit = row["culprits"][index]
    sku = list(requests[index].quantities)[culprit - call.line_first[index]] if culprit else ""
    return _not_placed(verdict, requests[index], sku=sku, figure=row["figures"][index])


def _not_placed(verdict: str, request: HoldRequest, *, sku: str, figure: int) -> Placed | Refusal:
    if verdict == Verdict.REPLAY:
        return Placed(hold_id=request.hold_id, replay=True)
    if verdict == Verdict.OTHER_BODY:
        return IdempotencyKeyReused()
    return refusal(Verdict(verdict), sku=sku, figure=figure)


def _placed(row: asyncpg.Record, call: _Call, request: HoldRequest, index: int) -> Placed:
    prices, names, slots = row["prices"], row["names"], call.skus
    given = row["given"][call.line_first[index] - 1 : call.line_first[index + 1] - 1]
    lines = [
        HoldLine(
            sku=sku,
            name=names[slots[sku] - 1],
            quantity=quantity,
            price_minor=prices[slots[sku] - 1],
        )
        for sku, quantity in zip(request.quantities, given, strict=True)
        if quantity
    ]
    return Placed(
        hold_id=request.hold_id,
        replay=False,
        expires_at=row["expires"][index],
        seconds_left=row["seconds_left"][index],
        currency=row["currencies"][slots[lines[0].sku] - 1],
        lines=lines,
    )


def _hold(rows: Sequence[Any]) -> Hold:
    first = rows[0]
    return Hold(
        hold_id=first["hold_id"],
        session_id=first["session_id"],
        state=HoldState(first["state"]),
        currency=first["currency"],
        expires_at=first["expires_at"],
        seconds_left=max(first["seconds_left"], 0.0),
        paying=first["paying"],
        extensions_left=max(first["extensions_left"], 0),
        lines=[
            HoldLine(
                sku=row["sku"],
                name=row["name"],
                quantity=row["quantity"],
                price_minor=row["price_minor"],
            )
            for row in rows
        ],
    )

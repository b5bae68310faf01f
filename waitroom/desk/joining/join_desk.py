"""Joining: a tick of arrivals becomes one statement on the line's row."""

import asyncio
import os
from collections import OrderedDict, deque
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
import structlog

from inventory.kit.batcher import Batcher
from inventory.kit.problem import Busy, EngineDown, Refusal
from waitroom.desk.joining.spacing import Spacing
from waitroom.line.ticket import TICKET_ID_BYTES, Ticket, parse_ticket
from waitroom.log.chain import leaf_hash, merkle_levels, merkle_paths
from waitroom.log.receipt import Receipt
from waitroom.refusals import (
    InvitationUsed,
    LineRestarted,
    NotOpen,
    RoomEnded,
    SoldOut,
)
from waitroom.store.line_store import (
    Joined,
    JoinKeys,
    KeyHasNumber,
    LineStore,
    OnePerPerson,
    PersonHasPlace,
)

log = structlog.get_logger()

JOIN_BATCH_MAX = 512
RECENT_MAX = 20_000
# A batch in which someone turns out to have a place already is tried this often.
ATTEMPTS_MAX = 4
# Batches whose answers were lost are settled one by one, as soon as PostgreSQL answers again.
LOST_BATCHES_MAX = 1000
SETTLE_EVERY_S = 1.0
_KEY_BYTES = 16


_REFUSALS: dict[str, type[Refusal]] = {
    refusal.code: refusal for refusal in (NotOpen, RoomEnded, LineRestarted, SoldOut)
}


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One arrival.

    `key` recognises a repeat of the same request, None for a request without one. `person_key` is
    a hash of a person who may have only one place; it recognises a repeat better than any key.
    `consumes` is the key of what the place uses up besides, such as an invitation. `random` is the
    shopper's own part of the receipt. With `for_returns` the shopper wants a
    place also while everything is sold, in case something comes back. `sku` is what they came for,
    with its `sku_id`, "" and None for anything.
    """

    key: str | None
    random: bytes = b""
    person_key: bytes | None = None
    consumes: bytes | None = None
    for_returns: bool = False
    sku: str = ""
    sku_id: int | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket, and what was known when it was given.

    A place that was given before is not `fresh` and has no receipt. `claim_until` and
    `claim_seconds` are the deadline of a number that was called as it joined.
    """

    ticket: Ticket
    fresh: bool
    called: bool = False
    claim_until: datetime | None = None
    claim_seconds: float | None = None
    receipt: Receipt | None = None


class JoinDesk:
    """Gives out the places of one line in one worker, a batch at a time."""

    def __init__(
        self,
        line_id: int,
        line: str,
        *,
        room: str,
        room_id: int,
        store: LineStore,
    ) -> None:
        self._line_id = line_id
        self._line = line
        self._room_id = room_id
        self._store = store
        # Batches whose answers were lost, by their roots; the oldest are dropped beyond the bound.
        self._lost: deque[tuple[bytes, JoinKeys]] = deque(maxlen=LOST_BATCHES_MAX)
        self._settling: asyncio.Task[None] | None = None
        # The tickets that this worker gave out lately, by join key, the oldest first. A plain dict
        # would walk over the gaps of all that it forgot to find its oldest.
        self._recent: OrderedDict[str, str] = OrderedDict()
        self.batcher: Batcher[JoinRequest, Place] = Batcher(
            "joins", self._flush, room=room, batch_max=JOIN_BATCH_MAX, spacing=Spacing()
        )

    async def _flush(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        """Give each request the place of its key, that of its twin in this batch, or a new one."""
        places: dict[int, Place | Refusal] = {}
        first: dict[str, int] = {}
        new: list[int] = []
        for index, request in enumerate(requests):
            if request.key is not None:
                text = self._recent.get(request.key)
                if text is not None:
                    places[index] = self._repeated(text)
                    continue
                if first.setdefault(request.key, index) != index:
                    continue
            new.append(index)
        if ordinary := [index for index in new if not requests[index].for_returns]:
            given = await self._number([requests[index] for index in ordinary])
            places.update(zip(ordinary, given, strict=True))
        if patient := [index for index in new if requests[index].for_returns]:
            given = await self._number_for_returns([requests[index] for index in patient])
            places.update(zip(patient, given, strict=True))
        return [
            places[index] if index in places else _as_repeat(places[first[request.key or ""]])
            for index, request in enumerate(requests)
        ]

    async def _number_for_returns(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        """Give places to shoppers who wait for returns.

        The other joins of the tick have their places by now, and a failure must not repeat them.
        """
        try:
            return await self._number(requests)
        except (EngineDown, PersonHasPlace):
            return [Busy(retry_after_s=1) for _ in requests]

    async def has_place_of(self, key: str | None) -> bool:
        """Say whether a join with this key would be a repeat."""
        if key is None:
            return False
        return key in self._recent or bool(
            await self._store.key_places(self._line_id, [_hash(key)])
        )

    def gave_lately(self, key: str | None) -> bool:
        """Say whether this worker gave out a place for this key lately; it asks no engine."""
        return key in self._recent

    def _repeated(self, text: str) -> Place:
        ticket = parse_ticket(text)
        assert ticket is not None, "only our own tickets are remembered"
        return Place(ticket=ticket, fresh=False)

    async def _number(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        """Give new places; a key or a person that has its place already gets that one again."""
        hashes = [None if request.key is None else _hash(request.key) for request in requests]
        had_by_key: dict[bytes, Ticket] = {}
        for _ in range(ATTEMPTS_MAX):
            places, new, twins = self._sort(
                requests, hashes, await self._had_by(requests) | had_by_key
            )
            try:
                given = (
                    await self._number_new(
                        [requests[index] for index in new], [hashes[index] for index in new]
                    )
                    if new
                    else []
                )
            except PersonHasPlace:
                # Another worker was quicker for one of them: look again.
                continue
            except KeyHasNumber:
                # A repeat, or another worker was quicker.
                asked = [hash_ for hash_ in hashes if hash_ is not None]
                had_by_key = await self._store.key_places(self._line_id, asked)
                continue
            places.update(zip(new, given, strict=True))
            places.update((twin, _as_repeat(places[first])) for twin, first in twins.items())
            return [places[index] for index in range(len(requests))]
        if len(requests) > 1:
            # The batcher then tries them one by one, so one shopper's race delays no one else.
            raise PersonHasPlace
        raise Busy(retry_after_s=1)

    def _sort(
        self,
        requests: Sequence[JoinRequest],
        hashes: Sequence[bytes | None],
        had: dict[bytes, Ticket],
    ) -> tuple[dict[int, Place | Refusal], list[int], dict[int, int]]:
        """Sort a batch into settled requests, new ones, and twins of a new one; all by index.

        Two requests of one person in a batch get one place, and nothing is consumed twice.
        """
        settled, twins = dict[int, Place | Refusal](), dict[int, int]()
        new, first = list[int](), dict[bytes, int]()
        for index, request in enumerate(requests):
            person, consumed, key = request.person_key, request.consumes, hashes[index]
            if person is None and key is not None and key in had:
                settled[index] = self._remembered(request, had[key])
            elif person is None:
                new.append(index)
            elif person in had:
                settled[index] = Place(ticket=had[person], fresh=False)
            elif person in first:
                twins[index] = first[person]
            elif consumed is not None and (consumed in had or consumed in first):
                settled[index] = InvitationUsed()
            else:
                first[person] = index
                if consumed is not None:
                    first[consumed] = index
                new.append(index)
        return settled, new, twins

    async def _had_by(self, requests: Sequence[JoinRequest]) -> dict[bytes, Ticket]:
        asked = {key for request in requests for key in (request.person_key, request.consumes)}
        keys = [key for key in asked if key is not None]
        return await self._store.person_places(self._room_id, keys) if keys else {}

    async def _number_new(
        self, requests: Sequence[JoinRequest], hashes: Sequence[bytes | None]
    ) -> list[Place | Refusal]:
        blob = os.urandom(TICKET_ID_BYTES * len(requests))
        ids = [blob[i : i + TICKET_ID_BYTES] for i in range(0, len(blob), TICKET_ID_BYTES)]
        levels = merkle_levels(
            [leaf_hash(id_, request.random) for id_, request in zip(ids, requests, strict=True)]
        )
        joined = await self._send(requests, hashes, ids, levels[-1][0])
        if joined.refusal is not None:
            return [_REFUSALS[joined.refusal]() for _ in requests]
        return [
            self._place(joined, index, id_, path, requests)
            for index, (id_, path) in enumerate(zip(ids, merkle_paths(levels), strict=True))
        ]

    async def _send(
        self,
        requests: Sequence[JoinRequest],
        hashes: Sequence[bytes | None],
        ids: Sequence[bytes],
        root: bytes,
    ) -> Joined:
        """Take numbers for a batch; one that gets no answer is settled later."""
        persons = [
            None
            if request.person_key is None
            else OnePerPerson(
                person_key=request.person_key, ticket_id=id_, consumes=request.consumes
            )
            for id_, request in zip(ids, requests, strict=True)
        ]
        own = JoinKeys(
            keys=[
                (hash_ or id_) if person is None else None
                for hash_, id_, person in zip(hashes, ids, persons, strict=True)
            ],
            ids=ids,
        )
        try:
            return await self._store.join(
                self._line_id,
                len(requests),
                root,
                own=own,
                persons=persons if any(persons) else (),
                # A batch has only requests of one kind.
                for_returns=requests[0].for_returns,
                sku_ids=_choices_of(requests),
            )
        except EngineDown:
            self._settle_later(root, own)
            raise

    def _settle_later(self, root: bytes, own: JoinKeys) -> None:
        """Note a batch that may have been given numbers of which no shopper was told."""
        self._lost.append((root, own))
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle_lost(), name="lost-joins")

    async def _settle_lost(self) -> None:
        """Let the numbers of lost batches step aside until their shoppers ask again."""
        try:
            while self._lost:
                await asyncio.sleep(SETTLE_EVERY_S)
                await self._settle_now()
        finally:
            self._settling = None

    async def _settle_now(self) -> None:
        while self._lost:
            root, own = self._lost[0]
            try:
                lost = await self._store.lose(self._line_id, root, own)
            except EngineDown:
                return
            if self._lost and self._lost[0][0] == root:
                self._lost.popleft()
            if lost:
                log.warning("joins_lost", line=self._line, numbers=lost)

    def _remember(self, key: str, text: str) -> None:
        """Note a key's ticket, so that a repeat at this worker asks no engine."""
        self._recent[key] = text
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    def _remembered(self, request: JoinRequest, ticket: Ticket) -> Place:
        if request.key is not None:
            self._remember(request.key, ticket.text())
        return Place(ticket=ticket, fresh=False)

    async def close(self) -> None:
        """Answer every request that is queued, and try once more to settle what was lost."""
        await self.batcher.close()
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)
            await self._settle_now()

    def _place(
        self,
        joined: Joined,
        index: int,
        id_: bytes,
        path: bytes,
        requests: Sequence[JoinRequest],
    ) -> Place:
        request = requests[index]
        ticket = Ticket(
            line_id=self._line_id,
            number=joined.first + index,
            ticket_id=id_,
            entered=joined.entered,
            sku=request.sku,
        )
        if request.key is not None:
            self._remember(request.key, ticket.text())
        called = index < joined.called
        receipt = Receipt(
            seq=joined.seq,
            line=self._line,
            number=None if joined.entered else ticket.number,
            entry=ticket.number if joined.entered else None,
            first=joined.first,
            count=len(requests),
            id=id_.hex(),
            random=request.random.hex(),
            path=path.hex(),
        )
        return Place(
            ticket=ticket,
            fresh=True,
            called=called,
            claim_until=joined.claim_until if called else None,
            claim_seconds=joined.claim_seconds if called else None,
            receipt=receipt,
        )


def _hash(key: str) -> bytes:
    # A client chooses its keys: a hash of fixed length bounds what each one costs.
    return sha256(key.encode()).digest()[:_KEY_BYTES]


def _choices_of(requests: Sequence[JoinRequest]) -> list[int | None] | None:
    """Return what each of these shoppers came for, None where none of them named anything."""
    chosen = [request.sku_id for request in requests]
    return chosen if any(sku_id is not None for sku_id in chosen) else None


def _as_repeat(place: Place | Refusal) -> Place | Refusal:
    return place if isinstance(place, Refusal) else msgspec.structs.replace(place, fresh=False)

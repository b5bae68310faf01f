"""Joining: a tick of arrivals becomes one statement on the line's row."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from inventory.kit.batcher import Batcher
from inventory.kit.problem import Busy, Refusal
from waitroom.line.ticket import TICKET_ID_BYTES, Ticket, TicketSeal, parse_ticket
from waitroom.log.chain import leaf_hash, merkle_levels, merkle_path
from waitroom.log.receipt import Receipt
from waitroom.refusals import (
    InvitationUsed,
    LineRestarted,
    NotOpen,
    RoomEnded,
    SoldOut,
)
from waitroom.store.line_store import Joined, LineStore, OnePerPerson, PersonHasPlace
from waitroom.store.memory import Memory

JOIN_BATCH_MAX = 512
RECENT_MAX = 20_000
# A batch waits this often for a twin of one of its joins that another worker is numbering.
TWIN_LOOKS_MAX = 10
TWIN_LOOK_EVERY_S = 0.02
PERSON_ATTEMPTS_MAX = 4


_REFUSALS: dict[str, type[Refusal]] = {
    refusal.code: refusal for refusal in (NotOpen, RoomEnded, LineRestarted, SoldOut)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """One arrival.

    `key` recognises a repeat of the same request, None for a request without one. `person_key` is
    a hash of a person who may have only one place; it recognises a repeat better than any key.
    `consumes` is the key of what the place uses up besides, such as an invitation. `random` is the
    shopper's own part of the receipt.
    """

    key: str | None
    random: bytes = b""
    person_key: bytes | None = None
    consumes: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A ticket, its token, and what was known when it was given.

    A place that was given before is not `fresh` and has no receipt. `claim_until` and
    `claim_seconds` are the deadline of a number that was called as it joined.
    """

    ticket: Ticket
    token: str
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
        room_id: int,
        store: LineStore,
        memory: Memory,
        seal: TicketSeal,
        memory_s: int,
    ) -> None:
        self._line_id = line_id
        self._line = line
        self._room_id = room_id
        self._store = store
        self._memory = memory
        self._seal = seal
        self._memory_s = memory_s
        self._noting: set[asyncio.Task[None]] = set()
        # The tickets that this worker gave out lately, by join key, the oldest first.
        self._recent: dict[str, str] = {}
        self.batcher: Batcher[JoinRequest, Place] = Batcher(
            "joins", self._flush, batch_max=JOIN_BATCH_MAX
        )

    async def _flush(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        """Give each request the place of its key, that of its twin in this batch, or a new one."""
        places: dict[int, Place | Refusal] = {}
        first: dict[str, int] = {}
        new: list[int] = []
        taken = await self._taken([r.key for r in requests if r.key is not None])
        for index, request in enumerate(requests):
            if request.key is not None:
                text = taken.get(request.key)
                if text is not None:
                    places[index] = self._repeated(text)
                    continue
                if first.setdefault(request.key, index) != index:
                    continue
            new.append(index)
        if new:
            given = await self._number([requests[index] for index in new])
            places.update(zip(new, given, strict=True))
        return [
            places[index] if index in places else _as_repeat(places[first[request.key or ""]])
            for index, request in enumerate(requests)
        ]

    async def _taken(self, keys: list[str]) -> dict[str, str]:
        """Return the tickets of the keys that have one, and reserve all other keys.

        While another worker is giving a ticket to one of these keys, this one waits a moment for
        it. A key whose worker has died counts as new.
        """
        if not keys:
            return {}
        taken = {key: self._recent[key] for key in keys if key in self._recent}
        asked = list(dict.fromkeys(key for key in keys if key not in taken))
        for _ in range(TWIN_LOOKS_MAX):
            if not asked:
                break
            found = await self._memory.reserve_joins(self._line_id, asked)
            taken.update((key, text) for key, text in found.items() if text)
            asked = [key for key, text in found.items() if not text]
            if asked:
                await asyncio.sleep(TWIN_LOOK_EVERY_S)
        return taken

    def _repeated(self, text: str) -> Place:
        ticket = parse_ticket(text)
        assert ticket is not None, "only our own tickets are remembered"
        return Place(ticket=ticket, token=self._seal.sign_text(text), fresh=False)

    async def _number(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        """Give new places; a person who may have only one and has it gets that one again."""
        for _ in range(PERSON_ATTEMPTS_MAX):
            places, new, twins = self._sort(requests, await self._had_by(requests))
            try:
                given = await self._number_new([requests[index] for index in new]) if new else []
            except PersonHasPlace:
                # Another worker was quicker for one of them: look again.
                continue
            places.update(zip(new, given, strict=True))
            places.update((twin, _as_repeat(places[first])) for twin, first in twins.items())
            return [places[index] for index in range(len(requests))]
        if len(requests) > 1:
            # The batcher then tries them one by one, so one person's race delays no one else.
            raise PersonHasPlace
        raise Busy(retry_after_s=1)

    def _sort(
        self, requests: Sequence[JoinRequest], had: dict[bytes, Ticket]
    ) -> tuple[dict[int, Place | Refusal], list[int], dict[int, int]]:
        """Sort a batch into settled requests, new ones, and twins of a new one; all by index.

        Two requests of one person in a batch get one place, and nothing is consumed twice.
        """
        settled, twins = dict[int, Place | Refusal](), dict[int, int]()
        new, first = list[int](), dict[bytes, int]()
        for index, request in enumerate(requests):
            person, consumed = request.person_key, request.consumes
            if person is None:
                new.append(index)
            elif person in had:
                settled[index] = self._repeated(had[person].text())
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

    async def _number_new(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        blob = os.urandom(TICKET_ID_BYTES * len(requests))
        ids = [blob[i : i + TICKET_ID_BYTES] for i in range(0, len(blob), TICKET_ID_BYTES)]
        levels = merkle_levels(
            [leaf_hash(id_, request.random) for id_, request in zip(ids, requests, strict=True)]
        )
        persons = [
            None
            if request.person_key is None
            else OnePerPerson(
                person_key=request.person_key, ticket_id=id_, consumes=request.consumes
            )
            for id_, request in zip(ids, requests, strict=True)
        ]
        joined = await self._store.join(
            self._line_id, len(requests), levels[-1][0], persons=persons if any(persons) else ()
        )
        if joined.refusal is not None:
            self._remember({request.key: "" for request in requests if request.key is not None})
            return [_REFUSALS[joined.refusal]() for _ in requests]
        places = [
            self._place(joined, levels, index, id_, requests[index].random)
            for index, id_ in enumerate(ids)
        ]
        self._remember(
            {
                request.key: place.token.rpartition("~")[0]
                for request, place in zip(requests, places, strict=True)
                if request.key is not None
            }
        )
        return list(places)

    def _remember(self, keyed: dict[str, str]) -> None:
        """Note each key's ticket: in this worker at once, for the others while answers go out."""
        if not keyed:
            return
        self._recent.update((key, text) for key, text in keyed.items() if text)
        while len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]
        noting = asyncio.create_task(
            self._memory.settle_joins(self._line_id, keyed, ttl_s=self._memory_s)
        )
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)

    async def close(self) -> None:
        """Answer every request that is queued, and note the tickets for the other workers."""
        await self.batcher.close()
        if self._noting:
            await asyncio.wait(self._noting)

    def _place(
        self, joined: Joined, levels: list[list[bytes]], index: int, id_: bytes, random: bytes
    ) -> Place:
        ticket = Ticket(
            line_id=self._line_id,
            number=joined.first + index,
            ticket_id=id_,
            entered=joined.entered,
        )
        called = index < joined.called
        receipt = Receipt(
            seq=joined.seq,
            line=self._line,
            number=None if joined.entered else ticket.number,
            entry=ticket.number if joined.entered else None,
            first=joined.first,
            count=len(levels[0]),
            id=id_.hex(),
            random=random.hex(),
            path=b"".join(merkle_path(levels, index)).hex(),
        )
        return Place(
            ticket=ticket,
            token=self._seal.sign(ticket),
            fresh=True,
            called=called,
            claim_until=joined.claim_until if called else None,
            claim_seconds=joined.claim_seconds if called else None,
            receipt=receipt,
        )


def _as_repeat(place: Place | Refusal) -> Place | Refusal:
    return place if isinstance(place, Refusal) else replace(place, fresh=False)

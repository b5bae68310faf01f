"""Joining: a tick of arrivals becomes one statement on the line's row."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory.kit.batcher import Batcher
from inventory.kit.problem import Refusal
from waitroom.line_store import Joined, LineStore
from waitroom.log import leaf_hash, merkle_levels, merkle_path
from waitroom.memory import Memory
from waitroom.ticket import TICKET_ID_BYTES, Ticket, TicketSeal, parse_ticket

JOIN_BATCH_MAX = 512


class NotOpen(Refusal):
    code, status, title = "not_open", 409, "This room has not opened yet."


class RoomEnded(Refusal):
    code, status, title = "room_ended", 409, "This sale has ended."


class SoldOut(Refusal):
    code, status, title = "sold_out", 409, "Everything is sold."


_REFUSALS: dict[str, type[Refusal]] = {
    refusal.code: refusal for refusal in (NotOpen, RoomEnded, SoldOut)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """One arrival. `key` recognises a repeat; `random` is the shopper's own part of the receipt."""

    key: str | None
    random: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A ticket with what was known when it was given; a repeated join has no receipt."""

    ticket: Ticket
    token: str
    fresh: bool
    called: bool = False
    claim_until: datetime | None = None
    claim_seconds: float | None = None
    receipt: dict[str, Any] | None = None


class JoinDesk:
    """The desk of one line in one worker."""

    def __init__(
        self,
        line_id: int,
        line: str,
        *,
        store: LineStore,
        memory: Memory,
        seal: TicketSeal,
        memory_s: int,
    ) -> None:
        self._line_id = line_id
        self._line = line
        self._store = store
        self._memory = memory
        self._seal = seal
        self._memory_s = memory_s
        self.batcher: Batcher[JoinRequest, Place] = Batcher(
            "joins", self._flush, batch_max=JOIN_BATCH_MAX
        )

    async def _flush(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        """Give every request its place: a remembered one, its twin's, or a new number."""
        places: dict[int, Place | Refusal] = {}
        known = await self._remembered(requests)
        first: dict[str, int] = {}
        new: list[int] = []
        for index, request in enumerate(requests):
            if request.key is not None:
                if request.key in known:
                    places[index] = known[request.key]
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

    async def _remembered(self, requests: Sequence[JoinRequest]) -> dict[str, Place]:
        keys = [request.key for request in requests if request.key is not None]
        if not keys:
            return {}
        found = await self._memory.recall(self._line_id, keys)
        known = {}
        for key, text in zip(keys, found, strict=True):
            if text is not None and (ticket := parse_ticket(text)) is not None:
                known[key] = Place(ticket=ticket, token=self._seal.sign_text(text), fresh=False)
        return known

    async def _number(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        blob = os.urandom(TICKET_ID_BYTES * len(requests))
        ids = [blob[i : i + TICKET_ID_BYTES] for i in range(0, len(blob), TICKET_ID_BYTES)]
        levels = merkle_levels(
            [leaf_hash(id_, request.random) for id_, request in zip(ids, requests, strict=True)]
        )
        joined = await self._store.join(self._line_id, len(requests), levels[-1][0])
        if joined.refusal is not None:
            return [_REFUSALS[joined.refusal]() for _ in requests]
        places = [
            self._place(joined, levels, index, id_, requests[index].random)
            for index, id_ in enumerate(ids)
        ]
        keyed = {
            request.key: place.ticket.text()
            for request, place in zip(requests, places, strict=True)
            if request.key is not None
        }
        if keyed:
            await self._yield_to_twins(requests, places, keyed)
        return list(places)

    async def _yield_to_twins(
        self, requests: Sequence[JoinRequest], places: list[Place], keyed: dict[str, str]
    ) -> None:
        """Where another worker was quicker with the same key, take its ticket and leave ours.

        The number that is given up is marked as left, so nobody is called for it in vain.
        """
        earlier = await self._memory.remember(self._line_id, keyed, ttl_s=self._memory_s)
        if not earlier:
            return
        for index, request in enumerate(requests):
            text = earlier.get(request.key or "")
            ticket = parse_ticket(text) if text else None
            if text is not None and ticket is not None:
                await self._store.leave(places[index].ticket)
                places[index] = Place(ticket=ticket, token=self._seal.sign_text(text), fresh=False)

    def _place(
        self, joined: Joined, levels: list[list[bytes]], index: int, id_: bytes, random: bytes
    ) -> Place:
        ticket = Ticket(line_id=self._line_id, number=joined.first + index, ticket_id=id_)
        called = index < joined.called
        receipt = {
            "seq": joined.seq,
            "line": self._line,
            "number": ticket.number,
            "first": joined.first,
            "count": len(levels[0]),
            "id": id_.hex(),
            "random": random.hex(),
            "path": b"".join(merkle_path(levels, index)).hex(),
        }
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
    if isinstance(place, Refusal):
        return place
    return Place(
        ticket=place.ticket,
        token=place.token,
        fresh=False,
        called=place.called,
        claim_until=place.claim_until,
        claim_seconds=place.claim_seconds,
        receipt=place.receipt,
    )

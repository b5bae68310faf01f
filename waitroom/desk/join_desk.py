"""Joining: a tick of arrivals becomes one statement on the line's row."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from inventory.kit.batcher import Batcher
from inventory.kit.problem import Busy, Refusal
from waitroom.line.ticket import TICKET_ID_BYTES, Ticket, TicketSeal, parse_ticket
from waitroom.log.chain import leaf_hash, merkle_levels, merkle_path
from waitroom.refusals import (
    InvitationUsed,
    LineRestarted,
    NotOpen,
    RoomEnded,
    SoldOut,
)
from waitroom.store.line_store import Joined, LineStore, Sole, SolePlaceTaken
from waitroom.store.memory import Memory

JOIN_BATCH_MAX = 512
RECENT_MAX = 20_000
# How long a twin is waited for that another worker is numbering: some flushes.
TWIN_LOOKS_MAX = 10
TWIN_LOOK_EVERY_S = 0.02
SOLE_ATTEMPTS_MAX = 4


_REFUSALS: dict[str, type[Refusal]] = {
    refusal.code: refusal for refusal in (NotOpen, RoomEnded, LineRestarted, SoldOut)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """One arrival. `key` recognises a repeat; `random` is the shopper's own part of the receipt.

    `sole` is a hash of who it is, where one place alone is due to them; it recognises a repeat
    better than any key. `spends` is what their place uses up besides.
    """

    key: str | None
    random: bytes = b""
    sole: bytes | None = None
    spends: bytes | None = None


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
        # What this worker itself has given out lately, by join key, the oldest first.
        self._recent: dict[str, str] = {}
        self.batcher: Batcher[JoinRequest, Place] = Batcher(
            "joins", self._flush, batch_max=JOIN_BATCH_MAX
        )

    async def _flush(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        """Give every request its place: the one its key had got, its twin's, or a new number."""
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
        """Return the tickets of the keys that had one, and reserve all the others.

        Where another worker is giving a ticket to the same key at this moment, it is waited for;
        should that worker have died, the key is as good as new.
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
        """Give new places, but to whom one place alone is due and who has it, that one again."""
        for _ in range(SOLE_ATTEMPTS_MAX):
            places, new, twins = self._sort(requests, await self._had_by(requests))
            try:
                given = await self._number_new([requests[index] for index in new]) if new else []
            except SolePlaceTaken:
                # Another worker was quicker for one of them: look again.
                continue
            places.update(zip(new, given, strict=True))
            places.update((twin, _as_repeat(places[first])) for twin, first in twins.items())
            return [places[index] for index in range(len(requests))]
        if len(requests) > 1:
            # They are tried one by one then, so nobody suffers from whom others race for.
            raise SolePlaceTaken
        raise Busy(retry_after_s=1)

    def _sort(
        self, requests: Sequence[JoinRequest], had: dict[bytes, Ticket]
    ) -> tuple[dict[int, Place | Refusal], list[int], dict[int, int]]:
        """Return the places that are settled by what others had, who is new, and whose twin.

        Two requests of one person in a batch are one, and what a place uses up is used once.
        """
        settled, twins = dict[int, Place | Refusal](), dict[int, int]()
        new, first = list[int](), dict[bytes, int]()
        for index, request in enumerate(requests):
            sole, spends = request.sole, request.spends
            if sole is None:
                new.append(index)
            elif sole in had:
                settled[index] = self._repeated(had[sole].text())
            elif sole in first:
                twins[index] = first[sole]
            elif spends is not None and (spends in had or spends in first):
                settled[index] = InvitationUsed()
            else:
                first[sole] = index
                if spends is not None:
                    first[spends] = index
                new.append(index)
        return settled, new, twins

    async def _had_by(self, requests: Sequence[JoinRequest]) -> dict[bytes, Ticket]:
        asked = {key for request in requests for key in (request.sole, request.spends)}
        keys = [key for key in asked if key is not None]
        return await self._store.sole_places(self._room_id, keys) if keys else {}

    async def _number_new(self, requests: Sequence[JoinRequest]) -> list[Place | Refusal]:
        blob = os.urandom(TICKET_ID_BYTES * len(requests))
        ids = [blob[i : i + TICKET_ID_BYTES] for i in range(0, len(blob), TICKET_ID_BYTES)]
        levels = merkle_levels(
            [leaf_hash(id_, request.random) for id_, request in zip(ids, requests, strict=True)]
        )
        sole = [
            None
            if request.sole is None
            else Sole(key=request.sole, ticket_id=id_, spends=request.spends)
            for id_, request in zip(ids, requests, strict=True)
        ]
        joined = await self._store.join(
            self._line_id, len(requests), levels[-1][0], sole=sole if any(sole) else ()
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
        """Note what each key got, here at once and for the other workers while answers go out."""
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
        """Answer whoever has asked, and note it for the other workers."""
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
        receipt = {
            "seq": joined.seq,
            "line": self._line,
            "entry" if joined.entered else "number": ticket.number,
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
    return place if isinstance(place, Refusal) else replace(place, fresh=False)

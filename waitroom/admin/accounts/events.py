"""The log of security events: sign-ins, exports, changes of rights, and what strangers try.

It is append-only, as the record of actions is. The record says what was done to rooms and accounts;
this log also says from where, and what was refused. Each event is a row, and a line of the
program's log for the systems that watch it.

Strangers can cause events without end. Their events are written one by one only as long as they
are few: the rest of a minute is counted, by network, and becomes one event (`Bursts`). The sweeper
keeps them only among the newest `STRANGERS_MAX` events.
"""

import asyncio
import time
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import msgspec
import structlog
from aiohttp import web

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.client import client_network
from inventory.kit.doors.decoding import Json
from inventory.kit.loops import repeat
from inventory.kit.problem import EngineDown
from inventory.kit.signing import Seal

log = structlog.get_logger()

SQL = load_queries("waitroom.admin.accounts")

NAMES_PURPOSE = "waitroom.admin.tried-name.1"
# Four characters of base64 are 24 bits: enough to show that one name was tried again, and too few
# to find it.
MARK_LENGTH = 4
WINDOW_S = 60.0
# A network's first events within a window are written one by one, up to this many.
SINGLE_MAX = 5
# Networks and names that are counted apart at once; all beyond them are counted together.
NETWORKS_MAX = 200
NAMES_MAX = 20
NAME_LENGTH_MAX = 200
STRANGERS_MAX = 100_000
# Events that wait for the database while it is away. The program's log has them already.
WAITING_MAX = 1_000
FLUSH_EVERY_S = 5.0
# A file of events is read in parts of this size.
PART = 500

# Events that anyone can cause, without any right.
OfStrangers = Literal[
    "sign_in_failed",
    "sign_in_limited",
    "factor_failed",
    "key_refused",
    "first_code_refused",
    "cross_site_refused",
    "places_moved",
]
OfOperators = Literal[
    "signed_in",
    "signed_in_again",
    "signed_out",
    "sessions_ended",
    "factor_added",
    "factor_removed",
    "recovery_codes_made",
    "recovery_code_used",
    "operator_added",
    "operator_changed",
    "password_changed",
    "provider_linked",
    "key_added",
    "key_ended",
    "webhook_added",
    "webhook_moved",
    "webhook_secret_rotated",
    "webhook_deleted",
    "site_secret_made",
    "exported",
]
Kind = OfStrangers | OfOperators
OF_STRANGERS: frozenset[str] = frozenset(get_args(OfStrangers))
KINDS: tuple[str, ...] = (*get_args(OfOperators), *get_args(OfStrangers))
# Kinds that mean nothing singly, with the number from one network within a window that is an event.
LEAST = {"places_moved": 10}
# Kinds in which `who` is only what someone typed, and may be a password in the wrong field.
_TYPED = frozenset({"sign_in_failed", "sign_in_limited"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to write.

    `who` is the operator, the key or the part of the program that acted, "" for a stranger.
    `network` is that of the client, "" for the command line and for many networks together. `count`
    events since `since` are one row; `since` is None for a single one.
    """

    kind: str
    who: str = ""
    network: str = ""
    detail: Json = field(default_factory=dict)
    at: datetime
    count: int = 1
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """An event as it was written; `event_id` grows with every one."""

    event_id: int
    at: datetime
    kind: str
    who: str
    network: str
    count: int
    since: datetime | None
    detail: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """The events to find; None stands for no limit.

    `who` finds what an operator did and what was done to their account. `since` is the first
    moment, and `until` the first one after the last.
    """

    kinds: Sequence[str] | None = None
    who: str | None = None
    network: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(slots=True)
class _Window:
    """The events of one kind that one network causes within a minute."""

    began_at: float
    seen: int = 0
    names: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """The events of a window that were counted and not written one by one."""

    kind: str
    network: str
    count: int
    age_s: float
    names: frozenset[str]


class Bursts:
    """Says which events of strangers are written one by one, and counts the others. Pure."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], _Window] = {}

    def is_single(self, kind: str, network: str, *, name: str = "", now: float) -> bool:
        """Say whether this event is to be written by itself; it is counted otherwise."""
        window = self._windows.get((kind, network))
        if window is None:
            if len(self._windows) >= NETWORKS_MAX:
                network = ""
            window = self._windows.setdefault((kind, network), _Window(now))
        window.seen += 1
        if network and window.seen <= _single_max(kind):
            return True
        if name and len(window.names) < NAMES_MAX:
            window.names.add(name)
        return False

    def take(self, now: float, *, all_of_them: bool = False) -> list[Burst]:
        """Take the windows that are over and return what was counted in them."""
        over = [
            key
            for key, window in self._windows.items()
            if all_of_them or now - window.began_at >= WINDOW_S
        ]
        found = []
        for kind, network in over:
            window = self._windows.pop((kind, network))
            count = window.seen - _single_max(kind) if network else window.seen
            if count >= LEAST.get(kind, 1):
                found.append(
                    Burst(
                        kind=kind,
                        network=network,
                        count=count,
                        age_s=now - window.began_at,
                        names=frozenset(window.names),
                    )
                )
        return found


def _single_max(kind: str) -> int:
    return 0 if kind in LEAST else SINGLE_MAX


class EventStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, event: NewEvent) -> None:
        detail = msgspec.json.encode(event.detail).decode()
        async with connection(self._pool) as borrowed:
            await borrowed.execute(
                SQL["add_security_event"],
                event.kind,
                event.who,
                event.network,
                detail,
                event.at,
                event.count,
                event.since,
                event.kind in OF_STRANGERS,
            )

    async def known(self, names: Sequence[str]) -> dict[str, bool]:
        """Return the operators among these names, in any case, and whether they may sign in."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["find_operators_named"], [name.lower() for name in names]
            )
        return {row["name"]: row["active"] for row in rows}

    async def find(
        self, wanted: EventFilter, *, before: int | None = None, limit: int
    ) -> list[SecurityEvent]:
        """Return the newest events that fit, before the one with the id `before`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["find_security_events"],
                None if wanted.kinds is None else list(wanted.kinds),
                wanted.who,
                wanted.network,
                wanted.since,
                wanted.until,
                before,
                limit,
            )
        return [SecurityEvent(**{**row, "detail": _decoded(row["detail"])}) for row in rows]

    async def parts(self, wanted: EventFilter) -> AsyncIterator[list[SecurityEvent]]:
        """Yield all events that fit, the newest first, in parts; the first may be empty."""
        found = await self.find(wanted, limit=PART)
        yield found
        while len(found) == PART:
            found = await self.find(wanted, before=found[-1].event_id, limit=PART)
            yield found

    async def forget(self, keep: timedelta | None, batch_max: int) -> int:
        """Delete events that are older, and those of strangers that are too many; say how many."""
        async with connection(self._pool) as borrowed:
            return int(
                await borrowed.fetchval(
                    SQL["forget_security_events"], keep, STRANGERS_MAX, batch_max
                )
            )


class Events:
    """Notes security events. A note never fails: what cannot be written waits for the database."""

    def __init__(self, store: EventStore, *, names: Seal) -> None:
        self._store = store
        # Makes marks of names that belong to no operator.
        self._names = names
        self._bursts = Bursts()
        self._waiting: deque[NewEvent] = deque(maxlen=WAITING_MAX)

    async def note(
        self, kind: Kind, who: str, request: web.Request | None = None, /, **detail: object
    ) -> None:
        """Note an event that `who` caused, from the network of the request.

        `who` is an operator's name, or in an attempt to sign in the text that was typed as the
        name; "" stands for a stranger and "cli" for the command line. `detail` has the values of
        the kind, each a text, a number, a list of texts or None, which is left out. `operator` in
        it is the account that the event is about, if it is another than `who`.
        """
        network = "" if request is None else client_network(request)
        await self._note(kind, who[:NAME_LENGTH_MAX], network, detail)

    async def place_moved(self, network: str) -> None:
        """Note that a shopper's place was moved from a network, which is an event if many are."""
        await self._note("places_moved", "", network, {})

    async def cross_site_refused(self, request: web.Request) -> None:
        """Note that a page of another site sent a change."""
        await self.note("cross_site_refused", "", request)

    async def _note(self, kind: Kind, who: str, network: str, detail: Json) -> None:
        values = {name: value for name, value in detail.items() if value is not None}
        event = NewEvent(kind=kind, who=who, network=network, detail=values, at=datetime.now(UTC))
        if kind in OF_STRANGERS and not self._bursts.is_single(
            kind, network, name=who, now=time.monotonic()
        ):
            return
        await self._write(await self._named(event) if kind in _TYPED else event)

    async def _named(self, event: NewEvent) -> NewEvent:
        """Return an attempt to sign in with the operator who was meant, and the reason.

        A name that is no operator's may be a password that was typed into the wrong field. Only a
        mark of it is kept.
        """
        if not event.who:
            return event
        try:
            known = await self._store.known([event.who])
        except EngineDown:
            return replace(event, who="")
        if not known:
            told = {"unknown": self.mark_of(event.who)[:MARK_LENGTH]}
            return replace(event, who="", detail={"why": "unknown_name", **event.detail, **told})
        name = event.who if event.who in known else next(iter(known))
        why = "wrong_password" if known[name] else "inactive"
        return replace(event, who=name, detail={"why": why, **event.detail})

    def mark_of(self, name: str) -> str:
        """Return what stands for a name that was typed, since it may be a password."""
        signed = self._names.sign(unicodedata.normalize("NFKC", name).lower())
        return signed.rpartition("~")[2]

    async def _write(self, event: NewEvent) -> None:
        log.info(
            "security_event",
            kind=event.kind,
            who=event.who,
            network=event.network,
            count=event.count,
            **event.detail,
        )
        try:
            await self._store.add(event)
        except EngineDown:
            self._waiting.append(event)

    async def run(self, stopping: asyncio.Event) -> None:
        """Write what is counted and what waits until told to stop, and all of it then."""
        await repeat("security_events", self._flush, stopping)
        await self.flush(all_of_them=True)

    async def _flush(self) -> float:
        await self.flush()
        return FLUSH_EVERY_S

    async def flush(self, *, all_of_them: bool = False) -> None:
        """Write the windows that are over, and what waits for the database."""
        for burst in self._bursts.take(time.monotonic(), all_of_them=all_of_them):
            await self._write(await self._summed(burst))
        for _ in range(len(self._waiting)):
            event = self._waiting.popleft()
            try:
                await self._store.add(event)
            except EngineDown:
                self._waiting.appendleft(event)
                return

    async def _summed(self, burst: Burst) -> NewEvent:
        """Return the event that stands for a burst, with the operators who were meant in it."""
        at = datetime.now(UTC)
        names: list[str] = []
        if burst.names:
            try:
                names = sorted(await self._store.known(sorted(burst.names)))
            except EngineDown:
                names = []
        return NewEvent(
            kind=burst.kind,
            network=burst.network,
            detail={"names": names} if names else {},
            at=at,
            count=burst.count,
            since=at - timedelta(seconds=burst.age_s),
        )


def _decoded(detail: str) -> Json:
    found: Json = msgspec.json.decode(detail)
    return found

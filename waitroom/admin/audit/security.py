"""The log of security events for admins: a screen with filters, the same as JSON and as a file."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TypedDict
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.described import CSV, described
from inventory.kit.doors.moments import parse_moment
from inventory.kit.doors.query import Choice, Text, Whole
from inventory.kit.http import PRIVATE, json_response, read_query, send_file, wants_html
from waitroom.admin.accounts.events import EventFilter, EventStore, SecurityEvent
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator, OperatorStore
from waitroom.admin.audit.audit import WHO_LENGTH_MAX, moment_in, span_of
from waitroom.admin.audit.security_words import SUBJECTS, header, rows_of, say_event
from waitroom.admin.screens import Screens

_CSV = {**PRIVATE, "Content-Type": "text/csv; charset=utf-8"}

_LIMIT = Whole(name="limit", text="Events on a page.", default=50, low=1, high=200)
_BEFORE = Whole(
    name="before", text="Only events before this one.", default=0, low=1, high=2**63 - 1
)
_WHO = Text(
    name="who",
    text="Only events of or about this operator, or of this key.",
    length_max=WHO_LENGTH_MAX,
)
_ABOUT = Choice(name="about", text="Only events of one subject.", words=("", *SUBJECTS), default="")
_NETWORK = Text(name="network", text="Only events from this network.", length_max=WHO_LENGTH_MAX)
_FROM, _TO = span_of("events")
_WANTED = (_WHO, _ABOUT, _NETWORK, _FROM, _TO)


class EventBody(TypedDict):
    """A security event."""

    # It grows with every event.
    event_id: int
    at: datetime
    # The kind of the event; `detail` has the values of this kind.
    kind: str
    # The operator or key that caused it; empty for a stranger.
    who: str
    # An IPv4 address or the /64 of an IPv6 one; empty for the command line and for many networks.
    network: str
    # The number of events that this one stands for, since the moment `since`.
    count: int
    since: datetime | None
    detail: Json
    # The event as a sentence in English.
    sentence: str


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of security events, the newest first; `next` is the `before` of the page after it."""

    events: list[EventBody]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The filter as its form has it: "" where nothing was chosen."""

    who: str
    about: str
    network: str
    first: str
    last: str

    @property
    def values(self) -> dict[str, str]:
        return {
            "who": self.who,
            "about": self.about,
            "network": self.network,
            "from": self.first,
            "to": self.last,
        }

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in self.values.items() if value})


class SecurityAdmin:
    """`keep_days` is how long events are kept, 0 for ever."""

    def __init__(
        self,
        guard: Guard,
        *,
        events: EventStore,
        operators: OperatorStore,
        screens: Screens,
        keep_days: int,
    ) -> None:
        self._guard = guard
        self._events = events
        self._operators = operators
        self._screens = screens
        self._keep_days = keep_days

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get("/admin/security", as_role("admin", self.show)),
            web.get("/admin/security.csv", as_role("admin", self.dump, fresh=True)),
        ]

    @described(query=(_LIMIT, _BEFORE, *_WANTED), answer=EventPage)
    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        """Show the screen to browsers, and list the security events for programs."""
        asked, wanted = _wanted(request)
        sent = read_query(request)
        limit, before = _LIMIT.of(sent), _BEFORE.of(sent) or None
        found = await self._events.find(wanted, before=before, limit=limit + 1)
        shown, further = found[:limit], len(found) > limit
        following = str(shown[-1].event_id) if further else None
        if not wants_html(request):
            return json_response(EventPage(events=[_body(one) for one in shown], next=following))
        query = asked.query
        return await self._screens.render(
            operator,
            "security",
            days=_days(shown),
            asked=asked.values,
            is_filtered=bool(query),
            is_newest=before is None,
            people=[one.name for one in await self._operators.accounts()],
            subjects=[{"name": name, "title": title} for name, (title, _) in SUBJECTS.items()],
            older="?" + "&".join(filter(None, (query, f"before={following}"))) if further else "",
            file="/admin/security.csv" + (f"?{query}" if query else ""),
            keep_days=self._keep_days,
        )

    @described(query=_WANTED, answer=str, content_type=CSV)
    async def dump(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Send all matching security events as a CSV file. This is an event itself."""
        _, wanted = _wanted(request)
        parts = self._events.parts(wanted)
        # A refusal has to come before the answer begins.
        found = await anext(parts)
        await self._guard.note("exported", operator, request, what="security_events")
        return await send_file(
            request, _sheet(found, parts), name="security-events.csv", headers=_CSV
        )


def _wanted(request: web.Request) -> tuple[_Asked, EventFilter]:
    """Return the filter of a request in both forms; raises `BadRequest`."""
    query = read_query(request)
    asked = _Asked(
        who=_WHO.of(query),
        about=_ABOUT.of(query) or "",
        network=_NETWORK.of(query),
        first=moment_in(_FROM.of(query), "From"),
        last=moment_in(_TO.of(query), "To"),
    )
    return asked, EventFilter(
        kinds=SUBJECTS[asked.about][1] if asked.about else None,
        who=asked.who or None,
        network=asked.network or None,
        since=parse_moment(asked.first) if asked.first else None,
        until=parse_moment(asked.last) if asked.last else None,
    )


def _body(event: SecurityEvent) -> EventBody:
    return {
        "event_id": event.event_id,
        "at": event.at,
        "kind": event.kind,
        "who": event.who,
        "network": event.network,
        "count": event.count,
        "since": event.since,
        "detail": event.detail,
        "sentence": say_event(event),
    }


def _days(events: Sequence[SecurityEvent]) -> list[Json]:
    told = [_told(event) for event in events]
    return [
        {"day": day, "events": list(of_day)}
        for day, of_day in groupby(told, key=lambda event: event["day"])
    ]


def _told(event: SecurityEvent) -> Json:
    at = event.at.astimezone(UTC)
    return {
        "event_id": event.event_id,
        "day": f"{at:%A}, {at.day} {at:%B %Y}",
        "at": at.isoformat(timespec="seconds"),
        "time": f"{at:%H:%M:%S}",
        "network": event.network,
        "count": event.count,
        "sentence": say_event(event),
    }


async def _sheet(
    first: list[SecurityEvent], others: AsyncIterator[list[SecurityEvent]]
) -> AsyncIterator[bytes]:
    yield (header() + rows_of(first)).encode()
    async for events in others:
        yield rows_of(events).encode()

"""The record of operators' actions: a screen for each room and for all, and the same as a file."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import groupby
from urllib.parse import urlencode

from aiohttp import web

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.described import CSV, described
from inventory.kit.doors.moments import FILTER_PATTERN, UnreadableMoment, parse_moment
from inventory.kit.doors.query import Choice, Text, Whole
from inventory.kit.http import PRIVATE, read_query, send_file
from inventory.kit.problem import BadRequest
from waitroom.admin.accounts.actions import Action, ActionFilter, ActionStore
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.audit.filing import SUBJECTS, actor_of
from waitroom.admin.audit.listing import header, rows_of, sentence_of
from waitroom.admin.screens import Screens
from waitroom.desk.board import Board

ACTIONS_SHOWN = 50
WHO_LENGTH_MAX = 200
_CSV = {**PRIVATE, "Content-Type": "text/csv; charset=utf-8"}
# What the filter calls the subjects of actions.
_SUBJECTS = {
    "rooms": "Rooms and their rules",
    "line": "Lines, invitations and sellers",
    "goods": "Goods and stock",
    "orders": "Orders",
    "people": "People and keys",
    "webhooks": "Webhooks",
}
# Their actions belong to no room.
_BEYOND_ROOMS = ("people", "webhooks")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The filter as its form has it: "" where nothing was chosen."""

    who: str
    about: str
    first: str
    last: str

    @property
    def query(self) -> str:
        names = {"who": self.who, "about": self.about, "from": self.first, "to": self.last}
        return urlencode({name: value for name, value in names.items() if value})


def span_of(what: str) -> tuple[Text, Text]:
    """Return the parameters `from` and `to` of a filter, whose values `moment_in` reads."""
    untold = "without an offset it is in UTC."
    return (
        Text(
            name="from",
            text=f"Only {what} from this moment on; {untold}",
            pattern=FILTER_PATTERN,
        ),
        Text(name="to", text=f"Only {what} before this moment; {untold}", pattern=FILTER_PATTERN),
    )


_BEFORE = Whole(name="before", text="Only acts before this one.", default=0, low=1, high=2**63 - 1)
_WHO = Text(
    name="who", text="Only the acts of this operator, or of this key.", length_max=WHO_LENGTH_MAX
)
_ABOUT = Choice(name="about", text="Only acts of one subject.", words=("", *SUBJECTS), default="")
_FROM, _TO = span_of("acts")


class AuditAdmin:
    def __init__(
        self, guard: Guard, *, actions: ActionStore, board: Board, screens: Screens
    ) -> None:
        self._guard = guard
        self._actions = actions
        self._board = board
        self._screens = screens

    def routes(self) -> list[web.RouteDef]:
        viewer = self._guard.as_role
        return [
            web.get("/admin/audit", viewer("viewer", self.show)),
            web.get("/admin/audit.csv", viewer("viewer", self.dump)),
            web.get("/admin/screens/{room}/audit", viewer("viewer", self.show)),
            web.get("/admin/rooms/{room}/audit.csv", viewer("viewer", self.dump, scope="figures")),
        ]

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        """Show a room's actions, or those of all rooms; only admins see those of no room."""
        room, asked, wanted = await self._wanted(request, operator)
        before = _BEFORE.of(read_query(request)) or None
        found = await self._actions.find(wanted, before=before, limit=ACTIONS_SHOWN + 1)
        shown, further = found[:ACTIONS_SHOWN], len(found) > ACTIONS_SHOWN
        query, place = asked.query, f"rooms/{room}/audit" if room else "audit"
        subjects = [
            {"name": name, "title": title}
            for name, title in _SUBJECTS.items()
            if name not in _BEYOND_ROOMS or wanted.private
        ]
        return await self._screens.render(
            operator,
            "audit",
            room=room,
            days=self._days(shown),
            asked={"who": asked.who, "about": asked.about, "from": asked.first, "to": asked.last},
            is_filtered=bool(query),
            people=[
                {"name": name, "title": actor_of(name)}
                for name in await self._actions.actors(room, private=wanted.private)
            ],
            subjects=subjects,
            is_newest=before is None,
            older="?" + "&".join(filter(None, (query, f"before={shown[-1].action_id}")))
            if further
            else "",
            file=f"/admin/{place}.csv" + (f"?{query}" if query else ""),
        )

    @described(query=(_WHO, _ABOUT, _FROM, _TO), answer=str, content_type=CSV)
    async def dump(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Send all matching actions as a CSV file."""
        room, _, wanted = await self._wanted(request, operator)
        parts = self._actions.parts(wanted)
        # A refusal has to come before the answer begins.
        found = await anext(parts)
        await self._guard.note("exported", operator, request, what="actions", room=room)
        name = f"{room or 'all-rooms'}-audit.csv"
        return await send_file(request, _sheet(found, parts), name=name, headers=_CSV)

    async def _wanted(
        self, request: web.Request, operator: Operator
    ) -> tuple[str | None, _Asked, ActionFilter]:
        """Return the room that a request asks about, and its filter in both forms."""
        room = request.match_info.get("room")
        if room is not None:
            await self._board.find(room)
        query = read_query(request)
        asked = _Asked(
            who=_WHO.of(query),
            about=_ABOUT.of(query) or "",
            first=moment_in(_FROM.of(query), "From"),
            last=moment_in(_TO.of(query), "To"),
        )
        wanted = ActionFilter(
            room=room,
            private=room is None and operator.role == "admin",
            who=asked.who or None,
            kinds=SUBJECTS.get(asked.about),
        )
        if asked.first:
            wanted = replace(wanted, since=parse_moment(asked.first))
        if asked.last:
            wanted = replace(wanted, until=parse_moment(asked.last))
        return room, asked, wanted

    def _days(self, actions: Sequence[Action]) -> list[Json]:
        names = {room: view.rules.name for room, view in self._board.rooms.items()}
        told = [_told(action, names) for action in actions]
        return [
            {"day": day, "actions": list(of_day)}
            for day, of_day in groupby(told, key=lambda action: action["day"])
        ]


def _told(action: Action, names: dict[str, str]) -> Json:
    at = action.at.astimezone(UTC)
    return {
        "action_id": action.action_id,
        "day": f"{at:%A}, {at.day} {at:%B %Y}",
        "at": at.isoformat(timespec="seconds"),
        "time": f"{at:%H:%M:%S}",
        "room": action.room,
        "room_name": names.get(action.room or "", action.room),
        "sentence": sentence_of(action),
        "reason": action.reason,
    }


def moment_in(text: str, label: str) -> str:
    """Return a moment of a filter as text, in UTC, or "" for none; raises `BadRequest`.

    The screen's script sends moments with their offset. Without it the form has a time in UTC.
    """
    if not text:
        return ""
    given = text if re.search(r"(Z|[+-]\d\d:\d\d)$", text) else f"{text}Z"
    try:
        return parse_moment(given).isoformat().replace("+00:00", "Z")
    except UnreadableMoment as error:
        raise BadRequest(f"“{label}” must be {error}.") from error


async def _sheet(first: list[Action], others: AsyncIterator[list[Action]]) -> AsyncIterator[bytes]:
    yield (header() + rows_of(first)).encode()
    async for actions in others:
        yield rows_of(actions).encode()

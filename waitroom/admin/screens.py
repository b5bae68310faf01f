"""The operators' screens: one frame, the rooms, and the screens of each room.

`SCREENS` and `BEYOND` are the whole list. A screen of a room has its template and its script under
its own name in `static/templates/admin` and `static/js/admin`, and stands at
`/admin/screens/{room}/{name}`, so that its address names the room. A screen beyond the rooms is
rendered by the part that it belongs to.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from checkout.history.history_store import HistoryStore
from inventory.kit.doors.decoding import Json
from inventory.kit.pages import CSP, Pages
from inventory.kit.problem import NotFound
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import LADDER, SELLER, Operator
from waitroom.desk.board import Board, RoomView
from waitroom.desk.shards.homes import Homes
from waitroom.line.state import shown_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One screen: its name in addresses and files, and who sees it."""

    name: str
    title: str
    # The least role that may see it, and whether sellers may.
    role: str = "viewer"
    sellers: bool = False
    # Whether the part that it belongs to renders it, since its template needs values of its own.
    own: bool = False
    # Whether it shows another page of this site in a frame.
    frames: bool = False

    def is_for(self, operator: Operator) -> bool:
        """Say whether an operator may see this screen."""
        if operator.role == SELLER:
            return self.sellers
        return LADDER.index(operator.role) >= LADDER.index(self.role)


# The screens of a room, in the order of their tabs.
SCREENS = (
    Screen(name="live", title="Live"),
    Screen(name="rules", title="Rules"),
    Screen(name="line", title="Line"),
    Screen(name="goods", title="Goods", sellers=True),
    Screen(name="orders", title="Orders", sellers=True),
    Screen(name="look", title="Look", frames=True),
    Screen(name="analytics", title="Analytics", sellers=True),
    Screen(name="suspicions", title="Suspicions"),
    Screen(name="audit", title="Audit", own=True),
)
# The screens at `/admin/{name}`, in the order of their links.
BEYOND = (
    Screen(name="audit", title="Audit", own=True),
    Screen(name="security", title="Security", role="admin", own=True),
    Screen(name="people", title="People", role="admin", own=True),
    Screen(name="keys", title="API keys", role="admin", own=True),
    Screen(name="webhooks", title="Webhooks", own=True),
    Screen(name="account", title="Account", sellers=True, own=True),
)
# Screens without a link of their own.
APART = (
    Screen(name="rooms", title="Rooms", sellers=True),
    Screen(name="new", title="Make a room", role="admin"),
    Screen(name="first", title="New sale", role="operator", own=True),
    Screen(name="confirm", title="Confirm that it is you", sellers=True, own=True),
)

# The words for a room's state, in the order in which the list of rooms has them.
STATES = {
    "open": "Open",
    "drawing": "Drawing",
    "paused": "Paused",
    "sold_out": "Sold out",
    "before_opening": "Before opening",
    "scheduled": "Scheduled",
    "ended": "Ended",
}
_ORDER = list(STATES)
_BY_NAME = {screen.name: screen for screen in (*SCREENS, *BEYOND, *APART)}

Show = Callable[[web.Request, Operator], Awaitable[web.Response]]


class Screens:
    """Renders every screen in one frame.

    `base_url` is where shoppers find the rooms, `demo` says whether a crowd can be sent, and
    `takes_money` whether the payment gateway charges anyone.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        board: Board,
        homes: Homes,
        history: HistoryStore,
        pages: Pages,
        base_url: str,
        demo: bool,
        mail_from: str,
        has_check: bool,
        takes_money: bool,
    ) -> None:
        self._guard = guard
        self._board = board
        self._homes = homes
        self._history = history
        self._pages = pages
        self._base_url = base_url
        self._demo = demo
        # The sender of mail, "" where no mail is sent.
        self._mail_from = mail_from
        self._has_check = has_check
        self._takes_money = takes_money

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/screens/{room}"
        return [
            web.get("/admin", as_role("viewer", self.show_rooms, sellers=True)),
            web.get("/admin/new", as_role("admin", self.show_new)),
            web.get(room, as_role("viewer", self.lead_to_room, sellers=True)),
            *(
                web.get(
                    f"{room}/{screen.name}",
                    as_role(screen.role, self._shows(screen), sellers=screen.sellers),
                )
                for screen in SCREENS
                if not screen.own
            ),
        ]

    async def show_rooms(self, request: web.Request, operator: Operator) -> web.Response:
        """Show the rooms, and those that are over and archived below."""
        await self._board.refresh(rooms=True)
        followed = self._board.rooms
        every = await self._history.rooms(seller=operator.scope)
        archived = [room for room in every if room["room"] not in followed]
        elsewhere = [] if operator.scope is not None else self._homes.known_elsewhere
        return await self.render(operator, "rooms", archived=archived, elsewhere=elsewhere)

    async def show_new(self, request: web.Request, operator: Operator) -> web.Response:
        return await self.render(operator, "new", shop=self._base_url)

    async def lead_to_room(self, request: web.Request, operator: Operator) -> web.Response:
        """Lead to the first screen of a room that this operator may see."""
        first = next(screen for screen in SCREENS if screen.is_for(operator))
        raise web.HTTPSeeOther(f"{request.rel_url.raw_path}/{first.name}")

    def _shows(self, screen: Screen) -> Show:
        async def show(request: web.Request, operator: Operator) -> web.Response:
            return await self.render(operator, screen.name, room=request.match_info["room"])

        return show

    async def render(
        self, operator: Operator, name: str, *, room: str | None = None, **values: object
    ) -> web.Response:
        """Render the screen of this name in the frame, with the values that its template needs.

        Raises `NotFound` for a room that there is not, or that is not this seller's.
        """
        screen, rooms = _BY_NAME[name], await self._rooms_of(operator)
        chosen = None if room is None else await self._room_of(operator, room)
        if chosen and all(room != one["room"] for one in rooms):
            # It is archived, or newer than this process's list.
            rooms.append(chosen)
        context = {
            "operator": {"name": operator.name, "role": operator.role},
            "screen": {"name": screen.name, "title": screen.title},
            "rooms": rooms,
            "room": chosen,
            "tabs": link_bodies(SCREENS, operator),
            "beyond": link_bodies(BEYOND, operator),
            "states": STATES,
            "base_url": self._base_url,
            "demo": self._demo,
            "mail_from": self._mail_from,
            "has_check": self._has_check,
            "takes_money": self._takes_money,
            **values,
        }
        response = self._pages.render(f"admin/{screen.name}.html", context, title=screen.title)
        if screen.frames:
            response.headers["Content-Security-Policy"] = f"{CSP}; frame-src 'self'"
        return response

    async def _rooms_of(self, operator: Operator) -> list[Json]:
        """Return the rooms that an operator may see, those with a sale on first."""
        rooms = [_room_body(view) for view in await self._board.every_room()]
        if operator.scope is not None:
            own = await self._own_rooms(operator)
            rooms = [room for room in rooms if room["room"] in own]
        return sorted(rooms, key=lambda room: (_ORDER.index(room["status"]), room["name"]))

    async def _room_of(self, operator: Operator, room: str) -> Json:
        if operator.scope is not None and room not in await self._own_rooms(operator):
            raise NotFound(f"There is no room {room!r} in which you sell.")
        return _room_body(await self._board.find(room))

    async def _own_rooms(self, operator: Operator) -> set[str]:
        return {room["room"] for room in await self._history.rooms(seller=operator.scope)}


def link_bodies(screens: tuple[Screen, ...], operator: Operator) -> list[Json]:
    return [{"name": one.name, "title": one.title} for one in screens if one.is_for(operator)]


def _room_body(view: RoomView) -> Json:
    rules, lines = view.rules, view.state.lines if view.state else []
    sold_out = rules.sold_out and rules.status == "open"
    return {
        "room": rules.room,
        "name": rules.name,
        "status": shown_status(rules.status, sold_out=sold_out, doors_open=rules.doors_open),
        "currency": rules.currency,
        "opens_at": rules.opens_at,
        "closes_at": rules.closes_at,
        "waiting": sum(max(line.tail - line.head, 0) for line in lines),
        "entries": sum(line.entries for line in lines),
    }

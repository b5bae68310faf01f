"""The operators' API and screen: look, steer, restock."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from checkout.order_store import OrderStore
from inventory.kit.database import Pool, connection
from inventory.kit.http import json_response, query_int, read_body, read_form, wants_html
from inventory.kit.pages import Pages
from inventory.kit.problem import BadRequest, NotFound, Refusal, TooManyRequests
from inventory.stock_store import Sku, StockStore
from waitroom.admin.bodies import (
    CROWD_ORDER,
    MOVEMENT,
    NEW_ROOM,
    NEW_SKU,
    ROOM_CHANGE,
    STATUS_CHANGE,
    CrowdOrder,
    StatusChange,
)
from waitroom.admin.crowd import Crowds
from waitroom.admin.sign_in import SQL, Operator, OperatorStore, SignInNeeded, WrongPassword
from waitroom.board import Board
from waitroom.line_store import LineStore
from waitroom.memory import Memory

COOKIE = "waitroom_operator"
COOKIE_MAX_AGE_S = 12 * 3600
ACTIONS_SHOWN = 50
# Figures that count whole tables are read at most once a second, however many look.
FIGURES_FRESH_S = 1.0
# Rates are differences of counters over about a minute.
RATE_OVER_S = 60.0

_STATUS_OF = {"pause": "paused", "resume": "open", "open": "open", "close": "ended"}
_SETTINGS = (
    "seats_max",
    "calls_per_minute",
    "batch_max",
    "claim_window_s",
    "session_s",
    "hold_s",
    "hold_extensions_max",
    "payment_window_s",
    "grace_s",
    "units_promised",
)

Action = Callable[[web.Request, Operator], Awaitable[web.StreamResponse]]


class AdminApi:
    """Every route but signing in asks who is there and what their role allows."""

    def __init__(
        self,
        *,
        pool: Pool,
        operators: OperatorStore,
        lines: LineStore,
        stock: StockStore,
        orders: OrderStore,
        board: Board,
        memory: Memory,
        pages: Pages,
        crowds: Crowds | None,
        attempts_per_minute: int,
        secure: bool,
    ) -> None:
        self._pool = pool
        self._operators = operators
        self._lines = lines
        self._stock = stock
        self._orders = orders
        self._board = board
        self._memory = memory
        self._pages = pages
        self._crowds = crowds
        self._attempts_per_minute = attempts_per_minute
        self._secure = secure
        self._cookie = ("__Host-" if secure else "") + COOKIE
        self._figures: dict[str, tuple[float, dict[str, Any]]] = {}
        self._history: dict[str, deque[tuple[float, dict[str, Any]]]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/admin/login", self.show_login),
            web.post("/admin/login", self.sign_in),
            web.post("/admin/logout", self.sign_out),
            web.get("/admin", self.as_role("viewer", self.screen)),
            web.get("/admin/rooms", self.as_role("viewer", self.list_rooms)),
            web.post("/admin/rooms", self.as_role("admin", self.create_room)),
            web.get("/admin/rooms/{room}", self.as_role("viewer", self.read_room)),
            web.patch("/admin/rooms/{room}", self.as_role("operator", self.change_room)),
            web.get("/admin/rooms/{room}/skus", self.as_role("viewer", self.list_skus)),
            web.post("/admin/rooms/{room}/skus", self.as_role("operator", self.add_sku)),
            web.get("/admin/rooms/{room}/orders", self.as_role("viewer", self.list_orders)),
            web.get("/admin/rooms/{room}/actions", self.as_role("viewer", self.list_actions)),
            web.get("/admin/rooms/{room}/crowd", self.as_role("viewer", self.read_crowd)),
            web.post("/admin/rooms/{room}/crowd", self.as_role("operator", self.start_crowd)),
            web.delete("/admin/rooms/{room}/crowd", self.as_role("operator", self.stop_crowd)),
            web.post("/admin/rooms/{room}/{verb}", self.as_role("operator", self.set_status)),
            web.post("/admin/skus/{sku}/movements", self.as_role("operator", self.move_stock)),
            web.get("/admin/breaches", self.as_role("viewer", self.breaches)),
        ]

    def as_role(
        self, role: str, action: Action
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Let an action be done by operators of this role or above, and by nobody else."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                operator = await self._operators.operator(request.cookies.get(self._cookie))
            except SignInNeeded:
                if request.method == "GET" and wants_html(request):
                    raise web.HTTPSeeOther("/admin/login") from None
                raise
            operator.require(role)
            return await action(request, operator)

        return guarded

    async def show_login(self, request: web.Request) -> web.Response:
        return self._pages.render("login.html", {"problem": None}, title="Sign in")

    async def sign_in(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        name, password = str(form.get("name", ""))[:200], str(form.get("password", ""))[:1000]
        try:
            # The address first: a stranger uses up their own attempts and not an operator's.
            await self._limit(f"sign-in:address:{request.remote}", self._attempts_per_minute)
            await self._limit(f"sign-in:name:{name}", 10 * self._attempts_per_minute)
            secret = await self._operators.sign_in(name, password)
        except (WrongPassword, TooManyRequests) as refusal:
            page = self._pages.render(
                "login.html", {"problem": refusal.body()}, title="Sign in", status=refusal.status
            )
            page.headers.update(refusal.headers)
            return page
        # A new secret at each sign-in, so a session fixed beforehand is worth nothing.
        response = web.HTTPSeeOther("/admin")
        response.set_cookie(
            self._cookie,
            secret,
            max_age=COOKIE_MAX_AGE_S,
            path="/",
            httponly=True,
            secure=self._secure,
            samesite="Strict",
        )
        raise response

    async def _limit(self, bucket: str, per_minute: int) -> None:
        wait_s = await self._memory.allow(bucket, per_minute=per_minute)
        if wait_s > 0:
            raise TooManyRequests(
                "Too many attempts to sign in; please wait a minute.",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )

    async def sign_out(self, request: web.Request) -> web.Response:
        secret = request.cookies.get(self._cookie)
        if secret:
            await self._operators.sign_out(secret)
        response = web.HTTPSeeOther("/admin/login")
        response.del_cookie(self._cookie, secure=self._secure)
        raise response

    async def screen(self, request: web.Request, operator: Operator) -> web.Response:
        rooms = [{"room": v.room, "name": v.rules["name"]} for v in self._board.rooms.values()]
        context = {
            "operator": {"name": operator.name, "role": operator.role},
            "rooms": rooms,
            "demo": self._crowds is not None,
        }
        return self._pages.render("admin.html", context, title="Operators")

    async def list_rooms(self, request: web.Request, operator: Operator) -> web.Response:
        rooms = [
            {"room": v.room, "name": v.rules["name"], "status": v.rules["status"]}
            for v in self._board.rooms.values()
        ]
        return json_response({"rooms": rooms})

    async def create_room(self, request: web.Request, operator: Operator) -> web.Response:
        wish = await read_body(request, NEW_ROOM)
        await self._lines.create_room(wish.room, wish.name, who=operator.name)
        return json_response(await self._room_body(wish.room), status=201)

    async def read_room(self, request: web.Request, operator: Operator) -> web.Response:
        return json_response(await self._room_body(request.match_info["room"]))

    async def change_room(self, request: web.Request, operator: Operator) -> web.Response:
        room = request.match_info["room"]
        change = await read_body(request, ROOM_CHANGE)
        values = msgspec.to_builtins(change)
        reason = values.pop("reason", "")
        if not values:
            raise BadRequest("Say at least one rule to change.")
        await self._lines.change_room(
            room, msgspec.json.encode(values).decode(), who=operator.name, reason=reason
        )
        await self._board.refresh(rooms=True)
        return json_response(await self._room_body(room))

    async def set_status(self, request: web.Request, operator: Operator) -> web.Response:
        room, verb = request.match_info["room"], request.match_info["verb"]
        if verb not in _STATUS_OF:
            raise NotFound
        change = (
            await read_body(request, STATUS_CHANGE) if request.can_read_body else StatusChange()
        )
        if verb == "close" and change.confirm != room:
            raise BadRequest(f'To end the sale, say {{"confirm": "{room}"}}.')
        await self._lines.set_status(
            room, _STATUS_OF[verb], who=operator.name, reason=change.reason
        )
        await self._board.refresh(rooms=True)
        return json_response(await self._room_body(room))

    async def _room_body(self, room: str) -> dict[str, Any]:
        row = await self._lines.room(room)
        view = self._board.rooms.get(room)
        sold_out = row["sold_out"] and row["status"] in {"open", "paused"}
        return {
            "room": room,
            "name": row["name"],
            "status": "sold_out" if sold_out and row["status"] == "open" else row["status"],
            "message": row["message"],
            "policy": row["policy"],
            "opens_at": row["opens_at"],
            "closes_at": row["closes_at"],
            "settings": {name: row[name] for name in _SETTINGS},
            "figures": await self._fresh_figures(room),
            "version": view.state.version if view and view.state else 0,
        }

    async def _fresh_figures(self, room: str) -> dict[str, Any]:
        now = time.monotonic()
        kept = self._figures.get(room)
        if kept is not None and now - kept[0] < FIGURES_FRESH_S:
            return kept[1]
        figures = {"at": datetime.now(UTC), **await self._lines.figures(room)}
        history = self._history.setdefault(room, deque(maxlen=int(RATE_OVER_S) * 2))
        history.append((now, figures))
        while len(history) > 1 and history[0][0] < now - RATE_OVER_S:
            history.popleft()
        figures.update(_rates(*history[0], now, figures))
        self._figures[room] = (now, figures)
        return figures

    async def list_skus(self, request: web.Request, operator: Operator) -> web.Response:
        skus = await self._stock.page(
            room=request.match_info["room"],
            after=request.query.get("cursor", ""),
            limit=query_int(request, "limit", default=200, low=1, high=500),
            private=True,
        )
        return json_response({"skus": [_with_on_hand(sku) for sku in skus]})

    async def add_sku(self, request: web.Request, operator: Operator) -> web.Response:
        wish = await read_body(request, NEW_SKU)
        room = request.match_info["room"]
        await self._stock.add(room=room, **msgspec.structs.asdict(wish))
        await self._record(room, operator, "add_sku", {"sku": wish.sku})
        return json_response(_with_on_hand(await self._stock.read(wish.sku)), status=201)

    async def move_stock(self, request: web.Request, operator: Operator) -> web.Response:
        wish = await read_body(request, MOVEMENT)
        if wish.quantity == 0 or (wish.kind == "received" and wish.quantity < 0):
            raise BadRequest("Received stock is more than nothing; to correct, adjust it.")
        if wish.kind == "adjusted" and not wish.reason.strip():
            raise BadRequest("An adjustment needs a reason.")
        name = request.match_info["sku"]
        await self._stock.move(
            name, kind=wish.kind, quantity=wish.quantity, who=operator.name, reason=wish.reason
        )
        sku = await self._stock.read(name)
        detail = {"sku": name, "quantity": wish.quantity, "on_hand": sku.on_hand}
        await self._record(sku.room, operator, wish.kind, detail, wish.reason)
        return json_response(_with_on_hand(sku))

    async def _record(
        self, room: str, operator: Operator, action: str, detail: dict[str, Any], reason: str = ""
    ) -> None:
        values = (room, operator.name, action, msgspec.json.encode(detail).decode(), reason)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["record_action"], *values)

    async def list_orders(self, request: web.Request, operator: Operator) -> web.Response:
        limit = query_int(request, "limit", default=20, low=1, high=200)
        orders = await self._orders.page(
            request.match_info["room"], before=_cursor(request), limit=limit
        )
        body = [{**o, "number": o["reference"], "status": o["state"]} for o in orders]
        last = orders[-1] if len(orders) == limit else None
        following = last and f"{last['created_at'].isoformat()}~{last['order_id']}"
        return json_response({"orders": body, "next": following})

    async def list_actions(self, request: web.Request, operator: Operator) -> web.Response:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["list_actions"], request.match_info["room"], ACTIONS_SHOWN
            )
        actions = [{**dict(row), "detail": msgspec.json.decode(row["detail"])} for row in rows]
        return json_response({"actions": actions})

    async def breaches(self, request: web.Request, operator: Operator) -> web.Response:
        return json_response({"breaches": await self._stock.breaches()})

    async def read_crowd(self, request: web.Request, operator: Operator) -> web.Response:
        return json_response(await self._crowd().report(request.match_info["room"]))

    async def start_crowd(self, request: web.Request, operator: Operator) -> web.Response:
        wish = await read_body(request, CROWD_ORDER) if request.can_read_body else CrowdOrder()
        room = self._board.room(request.match_info["room"]).room
        await self._crowd().start(room, shoppers=wish.shoppers, arrive_s=wish.arrive_s)
        await self._record(room, operator, "crowd", {"shoppers": wish.shoppers})
        return json_response(await self._crowd().report(room), status=202)

    async def stop_crowd(self, request: web.Request, operator: Operator) -> web.Response:
        await self._crowd().stop(request.match_info["room"])
        return web.Response(status=204)

    def _crowd(self) -> Crowds:
        if self._crowds is None:
            raise NoCrowds
        return self._crowds


class NoCrowds(Refusal):
    code, status = "no_crowds", 404
    title = "Simulated crowds are for demonstrations; the setting `demo` is off."


def _with_on_hand(sku: Sku) -> dict[str, Any]:
    return {**sku.public(), "on_hand": sku.on_hand}


def _cursor(request: web.Request) -> tuple[datetime, UUID] | None:
    text = request.query.get("cursor")
    if not text:
        return None
    at, _, order_id = text.partition("~")
    try:
        return datetime.fromisoformat(at), UUID(order_id)
    except ValueError as error:
        raise BadRequest("This cursor is none of ours.") from error


def _rates(
    then_s: float, then: dict[str, Any], now_s: float, now: dict[str, Any]
) -> dict[str, float]:
    minutes = max(now_s - then_s, 1.0) / 60
    claims = ("claimed", "ended")
    return {
        "joins_per_min": round((now["tail"] - then["tail"]) / minutes, 1),
        "calls_per_min": round((now["head"] - then["head"]) / minutes, 1),
        "claims_per_min": round(
            max(sum(now[k] for k in claims) - sum(then[k] for k in claims), 0) / minutes, 1
        ),
    }

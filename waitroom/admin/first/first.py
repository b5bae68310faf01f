"""The pages of the first sale, one form after the other."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from inventory.kit.doors.decoding import Json
from inventory.kit.http import read_form
from inventory.kit.problem import BadRequest, Refusal
from inventory.money import DEFAULT_CURRENCY, currencies
from inventory.pictures.picture import PICTURE_BYTES_MAX
from inventory.refusals import PictureTooLarge
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.first.answers import Form, Problems, read_opening, read_product, read_room
from waitroom.admin.first.shelf import Shelf
from waitroom.admin.screens import Screens
from waitroom.admin.uploads import receive_form
from waitroom.desk.board import Board
from waitroom.line.rules import RoomRules
from waitroom.store.room_store import RoomStore

UPLOAD_WAIT_S = 60.0
_LOCAL = {"127.0.0.1", "::1", "localhost"}
STEPS = {
    "room": "Sale",
    "product": "Product",
    "opening": "Opening",
    "preview": "Preview",
    "share": "Share",
}


class FirstSale:
    def __init__(
        self,
        guard: Guard,
        *,
        rooms: RoomStore,
        shelf: Shelf,
        board: Board,
        screens: Screens,
        base_url: str,
    ) -> None:
        self._guard = guard
        self._rooms = rooms
        self._shelf = shelf
        self._board = board
        self._screens = screens
        self._base_url = base_url

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/first/rooms/{room}"
        return [
            web.get("/admin/first/room", as_role("admin", self.show_room)),
            web.post("/admin/first/room", as_role("admin", self.make_room)),
            web.get(room, as_role("operator", self.go_on)),
            web.get(f"{room}/product", as_role("operator", self.show_product)),
            web.post(f"{room}/product", as_role("operator", self.add_product)),
            web.get(f"{room}/opening", as_role("operator", self.show_opening)),
            web.post(f"{room}/opening", as_role("operator", self.set_opening)),
            web.get(f"{room}/preview", as_role("operator", self.show_preview)),
            web.post(f"{room}/open", as_role("operator", self.open)),
            web.get(f"{room}/share", as_role("operator", self.show_share)),
        ]

    # The room.

    async def show_room(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._room(operator, {"currency": DEFAULT_CURRENCY, "seats": "20"}, Problems())

    async def _room(
        self, operator: Operator, form: Form, problems: Problems, *, status: int = 200
    ) -> web.Response:
        return await self._step(operator, "room", form=form, problems=problems, status=status)

    async def make_room(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        form = await read_form(request)
        answer, problems = read_room(form)
        if not problems:
            try:
                await self._rooms.create(
                    answer.code,
                    answer.name,
                    rules=_json({"seats_max": answer.seats_max}),
                    who=operator.name,
                    currency=answer.currency,
                )
            except BadRequest as refusal:
                problems.at["code"] = refusal.detail
        if problems:
            return await self._room(operator, form, problems, status=400)
        await self._board.refresh(rooms=True)
        raise web.HTTPSeeOther(f"/admin/first/rooms/{answer.code}/product")

    async def go_on(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Lead to the first step of a room that is not done."""
        rules = await self._rules(request)
        has_goods = bool(await self._shelf.card_bodies(rules.room))
        step = ("opening" if has_goods else "product") if rules.status == "scheduled" else "share"
        raise web.HTTPSeeOther(f"/admin/first/rooms/{rules.room}/{step}")

    # The product.

    async def show_product(self, request: web.Request, operator: Operator) -> web.Response:
        rules = await self._rules(request)
        return await self._step(operator, "product", rules, form={"limit": "2"})

    async def add_product(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        rules = await self._rules(request)
        try:
            form, sent = await receive_form(
                request,
                file="picture",
                bytes_max=PICTURE_BYTES_MAX,
                wait_s=UPLOAD_WAIT_S,
                too_large=PictureTooLarge(),
            )
        except PictureTooLarge as refusal:
            problems = Problems({"picture": refusal.detail})
            return await self._step(
                operator, "product", rules, form={"limit": "2"}, problems=problems, status=413
            )
        answer, problems = read_product(form, rules.currency)
        picture = ""
        try:
            kept = form.get("kept", "")
            picture = await self._shelf.keep(kept, sent, room=rules.room, who=operator.name)
        except Refusal as refusal:
            problems.at["picture"] = refusal.detail
        if problems:
            return await self._step(
                operator,
                "product",
                rules,
                form={**form, "picture": picture},
                problems=problems,
                status=400,
            )
        await self._shelf.add(rules.room, answer, picture=picture, who=operator.name)
        raise web.HTTPSeeOther(f"/admin/first/rooms/{rules.room}/opening")

    # The opening.

    async def show_opening(self, request: web.Request, operator: Operator) -> web.Response:
        rules = await self._rules(request)
        form = {
            "when": "later" if rules.opens_at else "now",
            "moment": rules.opens_at.isoformat() if rules.opens_at else "",
            "opens_at": rules.opens_at.strftime("%Y-%m-%dT%H:%M") if rules.opens_at else "",
            "draw": "yes" if rules.order_by == "draw" else "",
        }
        return await self._step(operator, "opening", rules, form=form)

    async def set_opening(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        rules = await self._rules(request)
        form = await read_form(request)
        answer, problems = read_opening(form, datetime.now(UTC))
        if not problems:
            wanted = {
                "opens_at": answer.opens_at and answer.opens_at.isoformat(),
                "order_by": "draw" if answer.draw else "first_come",
            }
            try:
                await self._rooms.change(rules.room, _json(wanted), who=operator.name)
            except Refusal as refusal:
                problems.at["opens_at"] = refusal.detail
        if problems:
            return await self._step(
                operator, "opening", rules, form=form, problems=problems, status=400
            )
        await self._board.refresh(rooms=True)
        raise web.HTTPSeeOther(f"/admin/first/rooms/{rules.room}/preview")

    # Preview, opening and sharing.

    async def show_preview(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._step(operator, "preview", await self._rules(request))

    async def open(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        rules = await self._rules(request)
        if rules.status == "scheduled":
            await self._rooms.set_status(rules.room, "open", who=operator.name)
            await self._board.refresh(rooms=True)
        raise web.HTTPSeeOther(f"/admin/first/rooms/{rules.room}/share")

    async def show_share(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._step(operator, "share", await self._rules(request))

    async def _rules(self, request: web.Request) -> RoomRules:
        return await self._rooms.read(request.match_info["room"])

    async def _step(
        self,
        operator: Operator,
        step: str,
        rules: RoomRules | None = None,
        *,
        form: Form | None = None,
        problems: Problems | None = None,
        status: int = 200,
    ) -> web.Response:
        """Render a step; `form` has what its fields show, and `problems` what to say at them."""
        sale: Json | None = None
        if rules is not None:
            sale = {
                "room": rules.room,
                "name": rules.name,
                "currency": rules.currency,
                "status": rules.status,
                "opens_at": rules.opens_at,
                "draw": rules.order_by == "draw",
                "link": f"{self._base_url}/rooms/{rules.room}",
                "goods": await self._shelf.card_bodies(rules.room),
            }
        page = await self._screens.render(
            operator,
            "first",
            step=step,
            steps=STEPS,
            sale=sale,
            form=dict(form or {}),
            problems=(problems or Problems()).at,
            is_local=urlsplit(self._base_url).hostname in _LOCAL,
            base_url=self._base_url,
            currencies=sorted(currencies()) if step == "room" else [],
        )
        page.set_status(status)
        return page


def _json(values: Json) -> str:
    return msgspec.json.encode(values).decode()

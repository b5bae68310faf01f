"""The operators' API for rooms whose stock lives in another shop: what that shop says."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from checkout.session import SessionSeal
from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.moments import Moment
from inventory.kit.holders.marks import anyone
from inventory.kit.http import json_response, read_body
from inventory.refusals import SessionOver
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.board import Board
from waitroom.refusals import NotElsewhere
from waitroom.store.elsewhere_store import ElsewhereStore, Heard, SessionNews
from waitroom.store.office_store import OfficeStore

# The room's calls wait while a push is taken in, and each outcome adds to that.
OUTCOMES_MAX = 200
SESSION_ID_DIGITS_MAX = 18

Units = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class SessionOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shop's news of a session, named by the token that the claim answered or by its id.

    `held` says how many units are in its basket now; `bought` and `released` how many more, or all
    that it held if `units` is left out; `nothing` that it wanted something and found nothing;
    `left` that it is over without buying. `id` names this piece of news.
    """

    session: Annotated[str, Meta(min_length=1, max_length=300)] | int
    outcome: Literal["held", "bought", "released", "nothing", "left"]
    units: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None

    def __post_init__(self) -> None:
        if self.outcome == "held" and self.units is None:
            raise ValueError("`held` needs `units`: how many are in the basket now")
        if self.outcome == "bought" and self.units == 0:
            raise ValueError("nobody buys 0 units; that is `left`")


class StockElsewhere(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of PUT: units free and in baskets there, by the shop's clock at `as_of`."""

    available: Units
    held: Units = 0
    as_of: Moment | None = None
    outcomes: Annotated[list[SessionOutcome], Meta(max_length=OUTCOMES_MAX)] = []


class HeardStock(msgspec.Struct, frozen=True, kw_only=True):
    """The room's reading of the shop's news."""

    room: str
    available: int
    held: int
    # Units that called shoppers were promised.
    promised: int
    heard_at: datetime | None
    # The news was older than what is known, and its figures were left out.
    stale: bool
    # The sessions that are not known here.
    unknown: list[str | int]


_STOCK = decoder(StockElsewhere)


class ElsewhereAdmin:
    def __init__(
        self,
        guard: Guard,
        *,
        store: ElsewhereStore,
        office: OfficeStore,
        board: Board,
        sessions: SessionSeal,
    ) -> None:
        self._guard = guard
        self._store = store
        self._office = office
        self._board = board
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [web.put("/admin/rooms/{room}/stock", as_role("operator", self.hear, scope="stock"))]

    @described(body=StockElsewhere, answer=HeardStock, refusals=(NotElsewhere,))
    async def hear(self, request: web.Request, operator: Operator) -> web.Response:
        """Take in what the shop says; sessions that are not known here are named in the answer."""
        view = await self._board.find(request.match_info["room"])
        said = await read_body(request, _STOCK)
        named = [self._session_id(outcome.session, view.room) for outcome in said.outcomes]
        heard = await self._store.hear(
            view.room,
            available=said.available,
            held=said.held,
            as_of=said.as_of,
            outcomes=[
                _news(one, session_id)
                for session_id, one in zip(named, said.outcomes, strict=True)
                if session_id is not None
            ],
        )
        if (heard.available + heard.held == 0) != view.rules.sold_out:
            # So no shopper joins for stock that is gone, or is turned away from stock that is back.
            await self._office.note_sold_out(view.rules.room_id)
        return json_response(_answer(view.room, heard, said, named))

    def _session_id(self, session: str | int, room: str) -> int | None:
        """Return a session's id, None for what cannot be one of this room."""
        text = str(session)
        if text.isascii() and text.isdigit():
            return int(text) if len(text) <= SESSION_ID_DIGITS_MAX else None
        try:
            # The shop heard of its shoppers' sessions from them, and acts as an operator.
            opened = self._sessions.open(text, anyone)
        except SessionOver:
            return None
        return opened.session_id if opened.room == room else None


def _news(one: SessionOutcome, session_id: int) -> SessionNews:
    return SessionNews(session_id=session_id, what=one.outcome, units=one.units, mark=_mark(one))


def _mark(one: SessionOutcome) -> str | None:
    # A name that the shop chose must not be taken for one that the service gave.
    return None if one.id is None else f"id {one.id}"


def _answer(room: str, heard: Heard, said: StockElsewhere, named: list[int | None]) -> HeardStock:
    strangers = set(heard.unknown)
    return HeardStock(
        room=room,
        available=heard.available,
        held=heard.held,
        promised=heard.promised,
        heard_at=heard.heard_at,
        stale=heard.stale,
        unknown=[
            one.session
            for one, session_id in zip(said.outcomes, named, strict=True)
            if session_id is None or session_id in strangers
        ],
    )

"""What the waiting page shows of a room and of a ticket. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UnsetType

from inventory.catalogue import Product
from inventory.kit.language.language import Language, phrase
from waitroom.desk.board import RoomView
from waitroom.desk.called.returns import ReturnsStanding
from waitroom.desk.entrance import Brought
from waitroom.desk.standing import TicketStanding
from waitroom.line.forecast.skus import chance_of
from waitroom.line.rules import JoinBy
from waitroom.line.state import LineState, RoomState
from waitroom.web.answers import RoomBody, room_fields
from waitroom.web.waiting.view import (
    BEFORE_THE_DRAW,
    ahead,
    choice,
    odds,
    opens_in,
    set_aside,
    sku_line,
    stock,
    wait,
    why,
)

REFRESH_MIN_S = 5
# A page on which a shopper may be typing, or can miss nothing, reloads less often.
REFRESH_CALMLY_S = 20
# The tickets for which something may change while their shopper does nothing.
_REFRESHED = frozenset({"waiting", "entered", "aside"})
# Goods that the page names before the opening; the shop shows them all.
GOODS_SHOWN_MAX = 6

_PROMISES = {
    "expected": phrase(
        "We call as many people as the stock can serve, judging by what earlier shoppers bought. "
        "It is rare to be called and find nothing."
    ),
    "guaranteed": phrase(
        "When you are called, one unit of what you come for is set aside for you until you come. "
        "If you name nothing, it is one unit of something."
    ),
    "rate": phrase(
        "Being called means that it is your turn to look. Nothing is set aside for you."
    ),
}


class ShownSku(msgspec.Struct, frozen=True, kw_only=True):
    """One SKU as the page lists it, with the sentence about it."""

    sku: str
    name: str
    line: str


class WantedSku(msgspec.Struct, frozen=True, kw_only=True):
    """What a shopper comes for.

    With `asked` the address says it, and the ticket names something else or there is none yet.
    """

    sku: str
    name: str
    asked: bool


class ShownProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product that will be on sale, with the lowest price of its variants."""

    product: str
    name: str
    price_minor: int
    currency: str


class WaitingRoom(RoomBody, frozen=True, kw_only=True):
    """The room as the waiting page shows it, besides the state document."""

    message: str
    message_at: datetime | None
    claim_window_s: int
    session_s: int
    returns_window_s: int
    grace_s: int
    order_by: Literal["first_come", "draw"]
    public_value_source: str | None
    doors_at: datetime | None
    log_public: Literal["live", "after"]
    fairness_public: bool
    checkout_promise: str
    promises: bool


def shown_room(view: RoomView) -> WaitingRoom:
    rules = view.rules
    return WaitingRoom(
        **room_fields(view),
        message=rules.message,
        message_at=rules.message_at,
        claim_window_s=rules.claim_window_s,
        session_s=rules.session_s,
        returns_window_s=rules.returns_window_s,
        grace_s=rules.grace_s,
        order_by=rules.order_by,
        public_value_source=rules.public_value_source,
        doors_at=rules.doors_at,
        log_public=rules.log_public,
        fairness_public=rules.fairness_public,
        checkout_promise=_PROMISES[rules.policy],
        promises=rules.policy == "guaranteed",
    )


def asks(view: RoomView, status: str, brought: Brought) -> JoinBy | None:
    """Return what a browser without a place lacks to join this room, None for nothing."""
    how = view.rules.join_by
    brings = {
        "open": True,
        "invitation": bool(brought.invitations_kept),
        # A proxy in front may sign customers in.
        "customer": bool(brought.customer_token),
    }
    return None if status != "none" or brings[how] else how


def joins_alone(state: RoomState, shown: str, *bars: object) -> bool:
    """Say whether a page that shows this joins by itself, unless anything bars it.

    An invitation bars it: a place uses it up, and some scanners of links run the scripts of pages.
    """
    return shown == "none" and state.status != "scheduled" and not any(bars)


def refresh_s(standing: TicketStanding | None, returns: ReturnsStanding | None) -> int | None:
    """Return how often the page reloads without JavaScript, None for not at all."""
    if standing is None:
        return None
    stays = returns is not None and returns.in_line
    if standing.status not in _REFRESHED and not stays:
        return None
    if returns is not None or standing.status == "aside":
        return REFRESH_CALMLY_S
    return max(REFRESH_MIN_S, round(standing.poll_s))


def words_of(
    view: RoomView,
    state: RoomState,
    standing: TicketStanding | None,
    language: Language,
    wanted: WantedSku | None = None,
) -> dict[str, str]:
    """Return the sentences of the page that depend on figures."""
    shown = _waits(standing)
    return {
        "stock": stock(state, language),
        "why": why(state),
        "ahead": ahead(shown.place, language) if shown and shown.place is not None else "",
        "wait": _wait(shown, state, language) if shown else "",
        "odds": odds(shown.chance, language) if shown else "",
        "choice": _choice(state, shown, language, wanted),
        "set_aside": _set_aside(state, standing, language, wanted),
        "drew": _drew(view, state, standing, language),
        "opens_in": opens_in(state, view.rules.doors_at, language),
    }


def _waits(standing: TicketStanding | None) -> TicketStanding | None:
    return standing if standing and standing.status in {"waiting", "aside"} else None


def _wait(shown: TicketStanding, state: RoomState, language: Language) -> str:
    if shown.place == 0:
        # It is called again before anyone new, and no forecast tells when.
        return wait(None, None, None, state, language)
    return wait(shown.wait_low_s, shown.wait_high_s, shown.chance, state, language)


def named_by(shown: TicketStanding | None) -> str:
    """Return the SKU that a ticket names, "" for none."""
    return "" if shown is None or isinstance(shown.sku, UnsetType) else shown.sku


def _choice(
    state: RoomState, shown: TicketStanding | None, language: Language, wanted: WantedSku | None
) -> str:
    """Say what a shopper came for; a room that sells one thing alone has one chance for it."""
    sku = named_by(shown)
    if shown is None or not sku or not state.skus:
        return ""
    chance = None if isinstance(shown.sku_chance, UnsetType) else shown.sku_chance
    awaits = "" if isinstance(shown.awaits, UnsetType) else shown.awaits
    return choice(_name_of(sku, state, wanted), chance, language, awaits=awaits)


def _set_aside(
    state: RoomState,
    standing: TicketStanding | None,
    language: Language,
    wanted: WantedSku | None,
) -> str:
    if standing is None or isinstance(standing.set_aside, UnsetType):
        return ""
    aside, chosen = standing.set_aside, named_by(standing)
    return set_aside(
        language,
        name=_name_of(aside, state, wanted) if aside else "",
        chosen=_name_of(chosen, state, wanted) if chosen else "",
    )


def _name_of(sku: str, state: RoomState, wanted: WantedSku | None) -> str:
    if wanted is not None and wanted.sku == sku:
        return wanted.name
    return next((one.name for one in state.skus if one.sku == sku), sku)


def _drew(
    view: RoomView, state: RoomState, standing: TicketStanding | None, language: Language
) -> str:
    """Tell a number that the draw gave, "" for any other."""
    if standing is None or standing.number is None or view.rules.order_by != "draw":
        return ""
    line = _line_of(state, standing)
    entries = line.entries if line and state.status not in BEFORE_THE_DRAW else 0
    if standing.number > entries:
        return ""
    return language.say("You drew {number} of {entries}.", number=standing.number, entries=entries)


def _line_of(state: RoomState, standing: TicketStanding | None) -> LineState | None:
    return next((one for one in state.lines if standing and one.line == standing.line), None)


def shown_skus(
    state: RoomState, standing: TicketStanding | None, language: Language
) -> list[ShownSku]:
    """Return the SKUs of which the document tells, as the page lists them."""
    shown = _waits(standing)
    line = _line_of(state, shown)
    place = max(shown.place or 1, 1) if shown else 1
    return [
        ShownSku(
            sku=sku.sku,
            name=sku.name,
            line=sku_line(sku, chance_of(line.skus, sku.sku, place) if line else None, language),
        )
        for sku in state.skus
    ]


def shown_goods(products: Sequence[Product]) -> list[ShownProduct]:
    """Return the first products of a room that opens later."""
    return [
        ShownProduct(
            product=one.product,
            name=one.name,
            price_minor=min(sku.price_minor for sku in one.variants),
            currency=one.variants[0].currency,
        )
        for one in products
        if one.variants
    ][:GOODS_SHOWN_MAX]

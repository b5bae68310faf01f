"""What the pages of the shop and the checkout show in a preview: the room's goods, nobody's basket.

A room that sells nothing yet shows sample goods.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from checkout.shelf.form import Sought
from checkout.shelf.shelf import Group, Shelf
from inventory.catalogue import Product, Sku
from inventory.kit.doors.decoding import Json
from inventory.kit.language.language import Language
from waitroom.desk.board import RoomView
from waitroom.look.states import ShownState
from waitroom.web.shop_pages import card_body, room_body

LEFT_S, HELD_S = 540.0, 260.0
SAMPLE_ID = "00000000-0000-4000-8000-000000000000"
UNITS_LEFT, IN_BASKETS, SOLD = 3, 2, 20
TEMPLATES = {
    "shop": "shop.html",
    "product": "product.html",
    "checkout": "checkout.html",
    "through": "through.html",
    "over": "session_over.html",
    "order": "order.html",
}
_STATUS = {"paid": "paid", "paying": "authorizing", "cancelled": "cancelled"}


def sample_body(
    view: RoomView,
    shown: ShownState,
    products: Sequence[Product],
    *,
    now: datetime,
    language: Language,
) -> Json:
    """Return the values of a page's template; `view` is the sample room in this state."""
    goods = [one for one in products if one.variants] or [_sample_product(view)]
    if shown.page == "shop":
        shelf = {
            **room_body(view),
            "products": [card_body(one) for one in goods],
            "search": "",
            "searchable": False,
            "next": None,
        }
        return {"rooms": [shelf], "elsewhere": [], "is_new": False}
    if shown.page == "product":
        return {
            "product": {**goods[0].public_body(), **card_body(goods[0])},
            "room": room_body(view),
        }
    if shown.page == "over":
        return _over(view, shown, language)
    if shown.page == "order":
        return _order(view, shown, goods[0].variants[0], now)
    return _checkout(view, shown, goods, now=now, language=language)


def _sample_product(view: RoomView) -> Product:
    sku = Sku(
        sku="sample",
        product="sample",
        product_name="Sample",
        room=view.room,
        name="Sample",
        variant="",
        description="",
        picture="",
        product_description="",
        product_picture="",
        price_minor=2500,
        currency="EUR",
        limit_per_order=None,
        limit_per_session=2,
        limit_per_customer=None,
        on_sale_from=None,
        on_sale_until=None,
        on_sale=True,
        low_at=0,
        on_hand=UNITS_LEFT + IN_BASKETS + SOLD,
        held=IN_BASKETS,
        sold=SOLD,
        available=UNITS_LEFT,
    )
    return Product(
        product=sku.product,
        room=view.room,
        seller=None,
        name=sku.name,
        description="",
        picture="",
        variants=[sku],
    )


def _session(view: RoomView, now: datetime, holds: list[Json]) -> Json:
    return {
        "session": "0",
        "room": view.room,
        "room_name": view.rules.name,
        "expires_at": now + timedelta(seconds=LEFT_S),
        "seconds_left": LEFT_S,
        "customer": {"bound": False, "needed": False},
        "holds": holds,
        "waiting_for": [],
    }


def _item(sku: Sku) -> Json:
    return {"sku": sku.sku, "name": sku.name, "quantity": 1, "price_minor": sku.price_minor}


def _hold(sku: Sku, now: datetime) -> Json:
    return {
        "hold_id": SAMPLE_ID,
        "state": "held",
        "items": [_item(sku)],
        "total_minor": sku.price_minor,
        "currency": sku.currency,
        "content": "",
        "expires_at": now + timedelta(seconds=HELD_S),
        "seconds_left": HELD_S,
        "extensions_left": 1,
    }


def _checkout(
    view: RoomView,
    shown: ShownState,
    goods: Sequence[Product],
    *,
    now: datetime,
    language: Language,
) -> Json:
    first = goods[0].variants[0]
    holds = [_hold(first, now)] if shown.name in {"held", "declined"} else []
    shelf = Shelf(
        page=Sought(),
        came_for=_came_for(goods[0], shown) if not holds else None,
        chosen=[],
        groups=[
            Group(product=one.product, name=one.name, skus=one.variants)
            for one in (goods if holds else goods[1:])
        ],
        next=None,
    )
    declined = language.say(
        "The payment was declined and nothing was charged. Your items are still held: you can try "
        "again."
    )
    return {
        "session": _session(view, now, holds),
        "shelf": shelf.body(),
        "gone": False,
        "holds": holds,
        "waiting_for": [],
        "asked": {first.sku: 1} if shown.name == "choosing" else {},
        "partial_offered": False,
        "returns": None,
        "order": None,
        "problem": declined if shown.name == "declined" else None,
        "at_pay": shown.name == "declined",
        "stripe_key": "",
        "mail_offered": False,
        "form_key": SAMPLE_ID,
        "still": True,
    }


def _came_for(product: Product, shown: ShownState) -> Group:
    first, *others = product.variants
    if shown.name == "gone":
        # Nothing of it is left, in a basket or out of one.
        values = {name: getattr(first, name) for name in Sku.__dataclass_fields__}
        first = Sku(**{**values, "held": 0, "available": 0, "sold": first.on_hand})
    return Group(product=product.product, name=product.name, skus=[first, *others])


def _over(view: RoomView, shown: ShownState, language: Language) -> Json:
    left = shown.name == "left_checkout"
    session = {"end_reason": "left" if left else "expired", "room_name": view.rules.name}
    return {
        "reason": language.say("The time of this session is over."),
        "room": view.room,
        "view": session,
        "sells": True,
        "bought": [],
    }


def _order(view: RoomView, shown: ShownState, sku: Sku, now: datetime) -> Json:
    order = {
        "order_id": SAMPLE_ID,
        "number": "sample-1",
        "status": _STATUS[shown.name],
        "items": [_item(sku)],
        "total_minor": sku.price_minor,
        "currency": sku.currency,
        "refunded_minor": 0,
        "refunding_minor": 0,
        "refunds": [],
        "detail": None,
        "created_at": now,
        "paid_at": now if shown.name == "paid" else None,
        "order_url": "#",
    }
    return {
        "order": order,
        "room": view.room,
        "key": "",
        "called_off": False,
        "stuck": False,
        "still": True,
        "bank_step": None,
    }

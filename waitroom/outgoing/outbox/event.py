"""Events: their kinds, and the body in which each is sent."""

from datetime import UTC, datetime

import msgspec

TEST = "webhook.test"

# The kinds that can be subscribed to, with their meanings. A kind, once sent, keeps its meaning.
KINDS = {
    "ticket.called": "a number was called",
    "hold.placed": "units were held",
    "hold.released": "a hold was given up",
    "hold.expired": "a hold ran out",
    "hold.confirmed": "a hold's units were sold",
    "order.paid": "an order was paid",
    "order.refunded": "money of an order went back, in part or all of it",
    "order.cancelled": "an order came to nothing",
    "stock.low": "few units of a SKU are left",
    "stock.out": "no unit of a SKU is left",
    "stock.back": "units of a SKU are there again",
    "room.opened": "a room opened",
    "room.paused": "a room was paused",
    "room.resumed": "a room goes on",
    "room.ended": "a room's sale ended",
    "room.sold_out": "everything in a room is sold",
    "room.stock_back": "a room that was sold out has units again",
}


def event_name(webhook_id: str) -> str:
    """Return the `webhook-id`; it holds no full stop, which separates what is signed."""
    return f"evt_{webhook_id.replace('-', '')}"


def encode_event(kind: str, at: datetime, data: str) -> str:
    """Return the body as the specification has it; `data` is JSON already.

    The same event always gives the same text, so every retry carries the same body.
    """
    moment = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    body = {"type": kind, "timestamp": moment, "data": msgspec.Raw(data.encode())}
    return msgspec.json.encode(body).decode()

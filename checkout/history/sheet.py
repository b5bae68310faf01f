"""Orders as a CSV file: a row for each line, with its order's columns beside it. Pure.

UTF-8 with commas; moments in UTC, amounts in minor units. Cells that a spreadsheet would take for a
formula are guarded (`inventory.kit.tables.cells`), so that `unguarded` gives every cell as it was.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from checkout.history.order_file import ListedOrder
from checkout.order import OrderItem, operator_status
from inventory.kit.tables.writing import write_rows

COLUMNS = (
    "order_id",
    "number",
    "status",
    "created_at",
    "paid_at",
    "customer_email",
    "sku",
    "name",
    "quantity",
    "price_minor",
    "line_total_minor",
    "units_refunded",
    "units_returned",
    "line_refunded_minor",
    "order_total_minor",
    "order_refunded_minor",
    "currency",
)


def header() -> str:
    return write_rows([COLUMNS])


def rows_of(orders: Iterable[ListedOrder]) -> str:
    """Return orders as lines of a file, in the order of `COLUMNS`."""
    return write_rows(_row(listed, item) for listed in orders for item in listed.order.items)


def _row(listed: ListedOrder, item: OrderItem) -> list[str]:
    order = listed.order
    return [
        str(order.order_id),
        order.number,
        operator_status(order),
        _moment(order.created_at),
        _moment(order.paid_at),
        listed.customer_email or "",
        item.sku,
        item.name,
        str(item.quantity),
        str(item.price_minor),
        str(item.quantity * item.price_minor),
        str(item.refunded),
        str(item.returned),
        str(item.refunded_minor),
        str(order.total_minor),
        str(order.refunded_minor),
        order.currency,
    ]


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at else ""

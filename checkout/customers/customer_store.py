"""Customers on PostgreSQL: their sessions, their orders, and what is kept about them."""

from typing import TypedDict
from uuid import UUID

import msgspec

from checkout.customers.customer import Customer
from checkout.history.cursor import Cursor
from checkout.order import Order, read_order
from checkout.refusals import CustomerBusy, OtherCustomer, UnknownOrder
from inventory.hold import Verdict, refusal
from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import NotFound
from inventory.refusals import SessionOver

SQL = load_queries("checkout")

_BUSY = {
    "session_open": "You are inside {room}; leave it first.",
    "payment_running": "A payment in {room} is still under way.",
    "sale_running": "What you bought in {room} counts against its limit until the sale has ended.",
    "declined_lately": "A payment in {room} was declined within the last hour. Try again later.",
}


class KeptSession(TypedDict):
    """A session of a customer, as it is kept."""

    session: str
    room: str
    number: int
    state: str
    called_at: str
    claimed_at: str | None
    ended_at: str | None
    end_reason: str | None
    # The address that waits for returned units.
    waits_for_returns_at: str | None


class KeptItem(TypedDict):
    """Units of one SKU in a hold."""

    sku: str
    quantity: int
    price_minor: int


class KeptHold(TypedDict):
    """A hold of a customer, as it is kept."""

    hold_id: UUID
    session: str
    state: str
    placed_at: str
    ended_at: str | None
    items: list[KeptItem]


class KeptOrder(Order, frozen=True, kw_only=True):
    """An order of a customer, as it is kept, and its payment's name at the gateway."""

    gateway: str
    gateway_ref: str | None


class CustomerData(TypedDict):
    """Everything that is kept about a customer; moments are as the database writes them."""

    issuer: str
    subject: str
    email: str
    known_since: str
    sessions: list[KeptSession]
    holds: list[KeptHold]
    orders: list[KeptOrder]


class CustomerStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def bind(self, session_id: int, customer: Customer) -> None:
        """Bind a session to a customer, with its holds and orders; again changes nothing.

        Raises `OtherCustomer`, `SessionOver`, or `LimitReached` when with this session's units the
        customer would have more than they may.
        """
        values = (session_id, customer.issuer, customer.subject, customer.email)
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["bind_customer"], *values)
        assert row is not None
        match row["verdict"]:
            case "other_customer":
                raise OtherCustomer
            case "over":
                raise SessionOver
            case "limit_reached":
                raise refusal(Verdict.CUSTOMER_LIMIT, sku=row["culprit"], figure=row["figure"])

    async def orders(self, customer: Customer, *, after: Cursor | None, limit: int) -> list[Order]:
        """Return a customer's newest orders, of whichever sessions, or those after the cursor.

        The list is empty for an unknown customer.
        """
        place = (after and after.at, after and after.order_id)
        values = (customer.issuer, customer.subject, *place, limit)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_customer_orders"], *values)
        return [read_order(row["document"]) for row in rows]

    async def order(self, customer: Customer, order_id: UUID) -> Order:
        """Return one order of a customer; raises `UnknownOrder` for a foreign one too."""
        values = (customer.issuer, customer.subject, order_id)
        async with connection(self._pool) as borrowed:
            document = await borrowed.fetchval(SQL["read_customer_order"], *values)
        if document is None:
            raise UnknownOrder
        return read_order(document)

    async def data(self, customer: Customer) -> CustomerData:
        """Return everything kept about a customer, as SQL wrote it.

        Raises `NotFound` when that is nothing.
        """
        async with connection(self._pool) as borrowed:
            found = await borrowed.fetchval(
                SQL["read_customer_data"], customer.issuer, customer.subject
            )
        if found is None:
            raise NotFound("Nothing is kept about you here.")
        data: CustomerData = msgspec.json.decode(found)
        return data

    async def erase(self, customer: Customer) -> None:
        """Erase a customer's identity; raises `CustomerBusy` while a sale still needs it."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["erase_customer"], customer.issuer, customer.subject)
        assert row is not None
        if row["verdict"] in _BUSY:
            room = row["culprit"]
            raise CustomerBusy(
                _BUSY[row["verdict"]].format(room=room), reason=row["verdict"], room=room
            )

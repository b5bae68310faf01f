"""The customers' API: whose a session is, and what follows them from one to the next."""

from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from checkout.api import Checkout
from checkout.customers.customer import TOKEN_BYTES_MAX, Customer
from checkout.customers.customer_store import CustomerData, CustomerStore
from checkout.customers.identity import Identity
from checkout.history.cursor import CURSOR, LIMIT, Cursor, read_cursor
from checkout.order import UNSETTLED, OrderBody, OrderList
from checkout.refusals import (
    CustomerBusy,
    CustomersNotConfigured,
    CustomerTokenInvalid,
    Fault,
    IdentityProviderAway,
    OtherCustomer,
    UnknownOrder,
)
from checkout.session import checkout_url
from inventory.kit.doors.client import bearer
from inventory.kit.doors.described import Answer, Caller, described
from inventory.kit.http import json_response, read_body, read_form, read_query
from inventory.kit.problem import NotFound


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT: the provider's JWT, as it is."""

    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_BYTES_MAX)]


_SIGN_IN = msgspec.json.Decoder(SignIn)


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a sign-in: the session is this customer's now."""

    bound: bool


class CustomersApi:
    def __init__(self, checkout: Checkout, *, customers: CustomerStore, identity: Identity) -> None:
        self._checkout = checkout
        self._customers = customers
        self._identity = identity

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/checkout/customer", self.bind),
            web.post("/checkout/customer", self.bind_by_form),
            web.get("/checkout/customer/orders", self.list_orders),
            web.get("/checkout/customer/orders/{order_id}", self.read_order),
            web.get("/checkout/customer/data", self.read_data),
            web.delete("/checkout/customer/data", self.erase),
        ]

    @described(
        caller=Caller.SESSION,
        body=SignIn,
        answer=Bound,
        refusals=(
            CustomerTokenInvalid,
            CustomersNotConfigured,
            IdentityProviderAway,
            OtherCustomer,
        ),
    )
    async def bind(self, request: web.Request) -> web.Response:
        """Bind the session to a customer, by the token of the identity provider."""
        session = await self._checkout.sessions.of(request)
        wish = await read_body(request, _SIGN_IN)
        customer = await self._identity.customer(wish.token)
        await self._customers.bind(session.session_id, customer)
        return json_response(Bound(bound=True))

    async def bind_by_form(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        form = await read_form(request)
        customer = await self._identity.customer(form.get("token", ""))
        await self._customers.bind(session.session_id, customer)
        raise web.HTTPSeeOther(checkout_url(session.room))

    @described(caller=Caller.CUSTOMER, query=(LIMIT, CURSOR), answer=OrderList)
    async def list_orders(self, request: web.Request) -> web.Response:
        """List the orders of a customer, the newest first, whichever session placed them."""
        customer = await self._customer(request)
        query = read_query(request)
        limit = LIMIT.of(query)
        after = read_cursor(CURSOR.of(query))
        orders = await self._customers.orders(customer, after=after, limit=limit)
        last = orders[-1] if len(orders) == limit else None
        following = last and str(Cursor(at=last.created_at, order_id=last.order_id))
        return json_response(
            {"orders": [self._checkout.order_body(o) for o in orders], "next": following}
        )

    @described(
        caller=Caller.CUSTOMER,
        answer=OrderBody,
        also=(Answer(status=202, body=OrderBody, text="The gateway has not decided yet."),),
        refusals=(UnknownOrder,),
    )
    async def read_order(self, request: web.Request) -> web.Response:
        """Return one order of a customer."""
        customer = await self._customer(request)
        try:
            order_id = UUID(request.match_info["order_id"])
        except ValueError as error:
            raise UnknownOrder from error
        order = await self._customers.order(customer, order_id)
        return json_response(
            self._checkout.order_body(order), status=202 if order.state in UNSETTLED else 200
        )

    @described(caller=Caller.CUSTOMER, answer=CustomerData, refusals=(NotFound,))
    async def read_data(self, request: web.Request) -> web.Response:
        """Return everything that is kept about a customer."""
        return json_response(await self._customers.data(await self._customer(request)))

    @described(caller=Caller.CUSTOMER, status=204, refusals=(CustomerBusy,))
    async def erase(self, request: web.Request) -> web.Response:
        """Erase a customer. Orders stay for the books, but nothing leads to the person."""
        await self._customers.erase(await self._customer(request))
        return web.Response(status=204)

    async def _customer(self, request: web.Request) -> Customer:
        """Return the bearer token's customer; a session alone is not enough here."""
        token = bearer(request)
        if token is None:
            raise CustomerTokenInvalid(Fault.FORM)
        return await self._identity.customer(token)

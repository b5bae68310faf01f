"""The customers' API: whose a session is, and what follows them from one to the next."""

from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from checkout.api import Checkout
from checkout.customers.customer import TOKEN_BYTES_MAX, Customer
from checkout.customers.customer_store import CustomerStore
from checkout.customers.identity import Identity
from checkout.history.cursor import Cursor, read_cursor
from checkout.order import UNSETTLED
from checkout.refusals import CustomerTokenInvalid, Fault, UnknownOrder
from checkout.session import checkout_url
from inventory.kit.doors.client import bearer
from inventory.kit.http import json_response, query_int, read_body, read_form


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT: the provider's JWT, as it is."""

    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_BYTES_MAX)]


_SIGN_IN = msgspec.json.Decoder(SignIn)


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

    async def bind(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        wish = await read_body(request, _SIGN_IN)
        customer = await self._identity.customer(wish.token)
        await self._customers.bind(session.session_id, customer)
        return json_response({"bound": True})

    async def bind_by_form(self, request: web.Request) -> web.Response:
        session = await self._checkout.sessions.of(request)
        form = await read_form(request)
        customer = await self._identity.customer(form.get("token", ""))
        await self._customers.bind(session.session_id, customer)
        raise web.HTTPSeeOther(checkout_url(session.room))

    async def list_orders(self, request: web.Request) -> web.Response:
        customer = await self._customer(request)
        limit = query_int(request, "limit", default=20, low=1, high=100)
        after = read_cursor(request.query.get("cursor"))
        orders = await self._customers.orders(customer, after=after, limit=limit)
        last = orders[-1] if len(orders) == limit else None
        following = last and str(Cursor(at=last.created_at, order_id=last.order_id))
        return json_response(
            {"orders": [self._checkout.order_body(o) for o in orders], "next": following}
        )

    async def read_order(self, request: web.Request) -> web.Response:
        customer = await self._customer(request)
        try:
            order_id = UUID(request.match_info["order_id"])
        except ValueError as error:
            raise UnknownOrder from error
        order = await self._customers.order(customer, order_id)
        return json_response(
            self._checkout.order_body(order), status=202 if order.state in UNSETTLED else 200
        )

    async def read_data(self, request: web.Request) -> web.Response:
        return json_response(await self._customers.data(await self._customer(request)))

    async def erase(self, request: web.Request) -> web.Response:
        await self._customers.erase(await self._customer(request))
        return web.Response(status=204)

    async def _customer(self, request: web.Request) -> Customer:
        """Return the bearer token's customer; a session alone is not enough here."""
        token = bearer(request)
        if token is None:
            raise CustomerTokenInvalid(Fault.FORM)
        return await self._identity.customer(token)

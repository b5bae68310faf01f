"""The operators' API for webhooks, and its screen: endpoints, deliveries, replay."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType
from yarl import URL

from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.moments import Moment
from inventory.kit.doors.query import Choice, Whole
from inventory.kit.doors.texts import OptionalName
from inventory.kit.http import json_response, read_body, read_query, wants_html
from inventory.kit.problem import BadRequest, NotFound, Unprocessable
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.audit.sentences import say_action
from waitroom.admin.screens import Screens
from waitroom.outgoing.outbox.endpoint_store import (
    REPLAY_MAX,
    Delivery,
    Endpoint,
    EndpointAction,
    EndpointStore,
)
from waitroom.outgoing.outbox.event import KINDS
from waitroom.outgoing.outbox.webhook_client import vet
from waitroom.refusals import AddressRefused, DeliveryRunning, EndpointInactive

STATES = ("pending", "delivered", "failed")
ID_MAX = 2**31 - 1
DELIVERY_ID_MAX = 2**63 - 1

Url = Annotated[str, Meta(min_length=1, max_length=2000)]
Kinds = Annotated[list[str], Meta(max_length=len(KINDS))]


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An endpoint to add; without kinds it gets every event."""

    url: Url
    description: OptionalName = ""
    kinds: Kinds = []


class EndpointChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: Url | UnsetType = UNSET
    description: OptionalName | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAction(EndpointAction):
    """An operator's change of an endpoint, with a sentence for people."""

    sentence: str


class EndpointList(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoints, and the latest changes of them."""

    endpoints: list[Endpoint]
    actions: list[ToldAction]


class EndpointSecret(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint with its secret, which is shown here and never again."""

    endpoint: Endpoint
    secret: str


class DeliveryDue(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery that is sent next."""

    delivery_id: int


class DeliveryList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of deliveries, the newest first; `next` is the cursor of the page after it."""

    deliveries: list[Delivery]
    next: str | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """The number of failed deliveries that are sent again, and whether more are left."""

    replayed: int
    more: bool


_LIMIT = Whole(name="limit", text="Deliveries on a page.", default=50, low=1, high=200)
_CURSOR = Whole(
    name="cursor",
    text="The `next` of the page before.",
    default=DELIVERY_ID_MAX,
    low=1,
    high=DELIVERY_ID_MAX,
)
_STATE = Choice(name="state", text="Only deliveries in this state.", words=STATES)
NEW_ENDPOINT = decoder(NewEndpoint)
ENDPOINT_CHANGE = decoder(EndpointChange)
REPLAY = decoder(Replay)


class WebhooksAdmin:
    def __init__(
        self, guard: Guard, *, endpoints: EndpointStore, screens: Screens, allow_private: bool
    ) -> None:
        self._guard = guard
        self._endpoints = endpoints
        self._screens = screens
        self._allow_private = allow_private

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        one = "/admin/webhooks/{endpoint}"
        return [
            web.get("/admin/webhooks", as_role("viewer", self.list)),
            web.post("/admin/webhooks", as_role("admin", self.add, fresh=True)),
            web.get(one, as_role("viewer", self.read)),
            web.patch(one, as_role("admin", self.change, fresh=True)),
            web.delete(one, as_role("admin", self.delete, fresh=True)),
            web.post(f"{one}/rotate", as_role("admin", self.rotate, fresh=True)),
            web.post(f"{one}/test", as_role("operator", self.test)),
            web.post(f"{one}/replay", as_role("operator", self.replay_failed)),
            web.get(f"{one}/deliveries", as_role("viewer", self.deliveries)),
            web.post("/admin/deliveries/{delivery}/replay", as_role("operator", self.replay)),
        ]

    @described(answer=EndpointList)
    async def list(self, request: web.Request, operator: Operator) -> web.Response:
        """Answer browsers with the screen and programs with the endpoints."""
        if wants_html(request):
            kinds = [{"kind": kind, "says": says} for kind, says in KINDS.items()]
            return await self._screens.render(operator, "webhooks", kinds=kinds)
        endpoints = [_body(found, operator) for found in await self._endpoints.all()]
        actions = [
            ToldAction(
                **asdict(one), sentence=say_action(one.who, one.action, one.detail, currency=None)
            )
            for one in await self._endpoints.actions()
        ]
        return json_response(EndpointList(endpoints=endpoints, actions=actions))

    @described(body=NewEndpoint, answer=EndpointSecret, status=201, refusals=(AddressRefused,))
    async def add(self, request: web.Request, operator: Operator) -> web.Response:
        """Add an endpoint. The answer alone has its secret."""
        wish = await read_body(request, NEW_ENDPOINT)
        url = await vet(wish.url, allow_private=self._allow_private)
        endpoint_id, secret = await self._endpoints.add(
            wish.url,
            shown=_shortened(url),
            description=wish.description,
            kinds=_known(wish.kinds),
            who=operator.name,
        )
        await self._guard.note(
            "webhook_added", operator, request, endpoint_id=endpoint_id, url=_shortened(url)
        )
        endpoint = _body(await self._endpoints.read(endpoint_id), operator)
        return json_response(EndpointSecret(endpoint=endpoint, secret=secret), status=201)

    @described(answer=Endpoint)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """Return an endpoint."""
        return json_response(_body(await self._endpoints.read(_endpoint_id(request)), operator))

    @described(body=EndpointChange, answer=Endpoint, refusals=(AddressRefused,))
    async def change(self, request: web.Request, operator: Operator) -> web.Response:
        """Change an endpoint, or turn it on or off."""
        endpoint_id, wish = _endpoint_id(request), await read_body(request, ENDPOINT_CHANGE)
        changes = {k: v for k, v in msgspec.structs.asdict(wish).items() if v is not UNSET}
        if not changes:
            raise BadRequest("Say at least one thing to change.")
        if "kinds" in changes:
            changes["kinds"] = _known(changes["kinds"])
        detail = dict(changes)
        if "url" in changes:
            detail["url"] = _shortened(await vet(changes["url"], allow_private=self._allow_private))
        await self._endpoints.change(endpoint_id, who=operator.name, detail=detail, **changes)
        if "url" in changes:
            await self._guard.note(
                "webhook_moved", operator, request, endpoint_id=endpoint_id, url=detail["url"]
            )
        return json_response(_body(await self._endpoints.read(endpoint_id), operator))

    @described(status=204)
    async def delete(self, request: web.Request, operator: Operator) -> web.Response:
        """Delete an endpoint with its deliveries."""
        endpoint = await self._endpoints.read(_endpoint_id(request))
        shown = _shortened(URL(endpoint.url))
        await self._endpoints.delete(endpoint.endpoint_id, shown=shown, who=operator.name)
        await self._guard.note(
            "webhook_deleted", operator, request, endpoint_id=endpoint.endpoint_id, url=shown
        )
        return web.Response(status=204)

    @described(answer=EndpointSecret)
    async def rotate(self, request: web.Request, operator: Operator) -> web.Response:
        """Replace the secret of an endpoint. The old one signs too for a while."""
        endpoint_id = _endpoint_id(request)
        secret = await self._endpoints.rotate(endpoint_id, who=operator.name)
        await self._guard.note("webhook_secret_rotated", operator, request, endpoint_id=endpoint_id)
        endpoint = _body(await self._endpoints.read(endpoint_id), operator)
        return json_response(EndpointSecret(endpoint=endpoint, secret=secret))

    @described(answer=DeliveryDue, status=202, refusals=(EndpointInactive,))
    async def test(self, request: web.Request, operator: Operator) -> web.Response:
        """Send a test event to an endpoint."""
        delivery_id = await self._endpoints.send_test(_endpoint_id(request), who=operator.name)
        return json_response(DeliveryDue(delivery_id=delivery_id), status=202)

    @described(query=(_LIMIT, _CURSOR, _STATE), answer=DeliveryList)
    async def deliveries(self, request: web.Request, operator: Operator) -> web.Response:
        """List the deliveries to an endpoint, the newest first."""
        endpoint_id = _endpoint_id(request)
        query = read_query(request)
        limit, before = _LIMIT.of(query), _CURSOR.of(query)
        state = _STATE.of(query)
        await self._endpoints.read(endpoint_id)
        found = await self._endpoints.deliveries(
            endpoint_id, states=[state] if state else STATES, before=before, limit=limit
        )
        following = str(found[-1].delivery_id) if len(found) == limit else None
        return json_response(DeliveryList(deliveries=found, next=following))

    @described(answer=DeliveryDue, status=202, refusals=(EndpointInactive, DeliveryRunning))
    async def replay(self, request: web.Request, operator: Operator) -> web.Response:
        """Send a delivery once more."""
        delivery_id = _whole(request.match_info["delivery"], DELIVERY_ID_MAX)
        await self._endpoints.replay(delivery_id, who=operator.name)
        return json_response(DeliveryDue(delivery_id=delivery_id), status=202)

    @described(body=Replay, answer=Replayed, status=202, refusals=(EndpointInactive,))
    async def replay_failed(self, request: web.Request, operator: Operator) -> web.Response:
        """Send once more what failed since a moment."""
        endpoint_id, wish = _endpoint_id(request), await read_body(request, REPLAY)
        replayed = await self._endpoints.replay_failed(
            endpoint_id, since=wish.since, who=operator.name
        )
        return json_response(Replayed(replayed=replayed, more=replayed >= REPLAY_MAX), status=202)


def _known(kinds: Iterable[str]) -> list[str]:
    """Return the kinds in order, each once; raises `Unprocessable` for one that is never sent."""
    wanted = set(kinds)
    for kind in sorted(wanted - set(KINDS)):
        raise Unprocessable(f"There are no events of the kind {kind!r}.")
    return [kind for kind in KINDS if kind in wanted]


def _endpoint_id(request: web.Request) -> int:
    return _whole(request.match_info["endpoint"], ID_MAX)


def _whole(text: str, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(high))):
        raise NotFound
    if int(text) > high:
        raise NotFound
    return int(text)


def _body(endpoint: Endpoint, operator: Operator) -> Endpoint:
    """Return the fields that this operator may see: a URL's path and query often have secrets."""
    if operator.role == "admin":
        return endpoint
    return replace(endpoint, url=_shortened(URL(endpoint.url)))


def _shortened(url: URL) -> str:
    """Return a URL for the record, without path and query."""
    return f"{url.origin()}/…" if url.path_qs != "/" else str(url.origin())

"""A port of their own for the operators' routes and the metrics, which no other serves then."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from inventory.kit.doors.client import asked_port
from inventory.kit.http import route_of
from inventory.kit.problem import NotFound

OWN = ("/admin", "/metrics")


def own_port(port: int) -> Middleware:
    """Return the middleware that hides operators' routes at every other port.

    The route that was found decides, and not the path: a path has many spellings.
    """

    @web.middleware
    async def only_there(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request.match_info)
        if route.startswith(OWN) and asked_port(request) != port:
            raise NotFound
        return await handler(request)

    return only_there

"""Requests for a room of another shard are led there: whatever the method, with path and query."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from inventory.kit.http import read_query

# Returns the address of the shard that has a room, None for this one.
Elsewhere = Callable[[str], str | None]
# A room that moved left these behind: orders stay where they were made.
LEFT_BEHIND = ("/orders", "/analytics", "/audit", "/audit.csv")


def redirecting(elsewhere: Elsewhere, has_left: Callable[[str], bool]) -> Middleware:
    """Return the middleware; a request for a room of this shard costs it two look-ups.

    `has_left` says whether a room was here, and left its orders.
    """

    @web.middleware
    def led(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        room = request.match_info.get("room")
        if room is None and request.path == "/checkout":
            room = read_query(request).get("room")
        if room is not None and (address := elsewhere(room)) is not None:
            path = request.path
            if path.startswith("/admin/") and path.endswith(LEFT_BEHIND) and has_left(room):
                return handler(request)
            raise web.HTTPTemporaryRedirect(address + request.rel_url.raw_path_qs)
        return handler(request)

    return led

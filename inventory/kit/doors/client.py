"""The client that a request came from, for every limit that counts by client."""

from aiohttp import web

from inventory.kit.doors.client_address import TrustedProxies, network_of

TRUSTED_PROXIES: "web.AppKey[TrustedProxies]" = web.AppKey("trusted_proxies")
_NONE = TrustedProxies()


def client_address(request: web.Request) -> str:
    """Return the address of the client: the peer's, or the one that trusted proxies report."""
    return request.config_dict.get(TRUSTED_PROXIES, _NONE).client(
        request.remote,
        x_forwarded_for=request.headers.getall("X-Forwarded-For", ()),
        forwarded=request.headers.getall("Forwarded", ()),
    )


def client_network(request: web.Request) -> str:
    """Return what limits by address count: the client's IPv4 address, or its /64 of IPv6."""
    return network_of(client_address(request))

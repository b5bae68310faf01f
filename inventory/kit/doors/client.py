"""The client that a request came from: its address, its token, and the host that it asked."""

from aiohttp import web

from inventory.kit.doors.client_address import TrustedProxies, network_of

# The beginning of every API key, so that one which leaks is recognized.
API_KEY_PREFIX = "wrk_"

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


def asked_host(request: web.Request) -> str:
    """Return the host that a browser asked, which a proxy before a site may name beside its own."""
    return request.headers.get("X-Forwarded-Host") or request.host


def bearer(request: web.Request) -> str | None:
    """Return the token of `Authorization: Bearer …`, if there is one.

    The scheme's name is the same in any case (RFC 9110, section 11.1). What is not ASCII is no
    token (section 11.2): a question mark in its place is refused like any other wrong one.
    """
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    token = token.encode("ascii", "replace").decode()
    return token.strip() or None if scheme.lower() == "bearer" else None


def api_key(request: web.Request) -> str | None:
    """Return the API key that a program sent, if it sent one."""
    token = bearer(request)
    return token if token is not None and token.startswith(API_KEY_PREFIX) else None

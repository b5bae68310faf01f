"""The client that a request came from: its address, its token, and the host that it asked."""

from collections import Counter
from functools import lru_cache
from ipaddress import IPv4Network
from socket import AF_INET, inet_pton

from aiohttp import web
from multidict import istr

from inventory.kit.doors.client_address import (
    TrustedProxies,
    is_loopback,
    network_of,
    parse_address,
)

# The beginning of every API key, so that one which leaks is recognized.
API_KEY_PREFIX = "wrk_"
# Most requests come from addresses that asked a moment ago. Longer headers are not kept, so the
# bound holds for bytes too.
CLIENTS_KEPT_MAX = 16_384
KEPT_LENGTH_MAX = 128
# The length of the prefix of an IPv4 network that is one host.
HOST_V4 = 32
# A proxy that the settings do not name is noticed by looking at every few requests.
SAMPLED_EVERY = 8
SAMPLES_MIN, SAMPLES_MAX = 4, 1024
# The network of clients of which a proxy on this machine tells no address (RFC 7239, section 6.2).
UNTOLD = "unknown"

TRUSTED_PROXIES: "web.AppKey[TrustedProxies]" = web.AppKey("trusted_proxies")
CLIENTS: "web.AppKey[Clients]" = web.AppKey("clients")
# Found in the headers of a request without a look at their case.
_X_FORWARDED_FOR, _FORWARDED = istr("X-Forwarded-For"), istr("Forwarded")
_AUTHORIZATION = istr("Authorization")
_NONE = TrustedProxies()


class Clients:
    """The networks of clients, kept for those that ask again."""

    def __init__(self, proxies: TrustedProxies) -> None:
        self._proxies = proxies
        # Every few of the requests that no trusted proxy brought: the peer, if it names another
        # client in a header, else "".
        self._strangers = 0
        self._sampled: list[str] = []
        self._kept = lru_cache(CLIENTS_KEPT_MAX)(self._read)
        self._direct = lru_cache(CLIENTS_KEPT_MAX)(self._read_peer)
        # The trusted proxy that brought the last request, and in most services every one.
        self._proxy: str | None = None
        trusted_v4 = [one for one in proxies.networks if isinstance(one, IPv4Network)]
        self._trusted_hosts = {
            one.network_address.packed for one in trusted_v4 if one.prefixlen == HOST_V4
        }
        self._trusted_v4 = [
            (int(one.netmask), int(one.network_address))
            for one in trusted_v4
            if one.prefixlen < HOST_V4
        ]

    def network(self, request: web.Request) -> str:
        """Return what limits by address count: the client's IPv4 address, or its /64 of IPv6."""
        peername = request.protocol.peername
        peer = peername[0] if isinstance(peername, tuple) else request.remote or ""
        if peer != self._proxy:
            direct = self._direct(peer)
            if direct is not None:
                self._strangers += 1
                if not self._strangers % SAMPLED_EVERY:
                    self._sample(peer, forwards=_X_FORWARDED_FOR in request.headers)
                return direct
            self._proxy = peer
        headers = request.headers
        listed = headers.getall(_X_FORWARDED_FOR, ())
        if len(listed) != 1 or len(listed[0]) > KEPT_LENGTH_MAX or _FORWARDED in headers:
            return self._read(peer, tuple(listed), tuple(headers.getall(_FORWARDED, ())))
        # Almost every shopper comes from an IPv4 address that did not ask lately, through one
        # proxy. To read it in full would cost a fifth of a join.
        entry: str = listed[0]
        try:
            packed = inet_pton(AF_INET, entry)
        except (OSError, ValueError):
            pass
        else:
            is_proxy = packed in self._trusted_hosts
            if not is_proxy and not (self._trusted_v4 and self._is_trusted(packed)):
                return entry
        return self._kept(peer, (entry,), ())

    def _sample(self, peer: str, *, forwards: bool) -> None:
        if len(self._sampled) >= SAMPLES_MAX:
            self._sampled.clear()
        self._sampled.append(peer if forwards else "")

    def forwarder(self) -> str:
        """Return the peer that names clients without being trusted in most requests, "" for none.

        Any client may send the header by itself; a proxy sends it with every request.
        """
        if len(self._sampled) < SAMPLES_MIN:
            return ""
        peer, times = Counter(self._sampled).most_common(1)[0]
        return peer if times > len(self._sampled) / 2 else ""

    def _is_trusted(self, packed: bytes) -> bool:
        """Say whether an IPv4 address lies in a network of trusted proxies."""
        number = int.from_bytes(packed)
        return any(number & mask == network for mask, network in self._trusted_v4)

    def trusts(self, request: web.Request) -> bool:
        """Say whether the peer is a trusted proxy."""
        return self._direct(request.remote or "") is None

    def _read_peer(self, peer: str) -> str | None:
        """Return the network of a peer, None for a trusted proxy, which names its client."""
        trusted = self._proxies.trusts(parse_address(peer))
        return None if trusted else self._read(peer, (), ())

    def _read(self, peer: str, listed: tuple[str, ...], forwarded: tuple[str, ...]) -> str:
        proxies = self._proxies
        network = network_of(proxies.client(peer, x_forwarded_for=listed, forwarded=forwarded))
        if not (listed or forwarded) or not is_loopback(network):
            return network
        # A header that contradicts the proxy's own makes no client the machine itself, which may do
        # more than others.
        told = proxies.reported(peer, x_forwarded_for=listed, forwarded=forwarded)
        return UNTOLD if told is None else network


def client_address(request: web.Request) -> str:
    """Return the address of the client: the peer's, or the one that trusted proxies report."""
    return request.config_dict.get(TRUSTED_PROXIES, _NONE).client(
        request.remote,
        x_forwarded_for=request.headers.getall("X-Forwarded-For", ()),
        forwarded=request.headers.getall("Forwarded", ()),
    )


def client_network(request: web.Request) -> str:
    """Return what limits by address count: the client's IPv4 address, or its /64 of IPv6."""
    clients = request.app.get(CLIENTS)
    return network_of(client_address(request)) if clients is None else clients.network(request)


def asked_port(request: web.Request) -> int | None:
    """Return the port of this machine at which a request arrived."""
    address = request.transport.get_extra_info("sockname") if request.transport else None
    return int(address[1]) if isinstance(address, tuple) else None


def asked_host(request: web.Request) -> str:
    """Return the host that a browser asked.

    A trusted proxy before a site may name it beside its own. From others the header is a client's
    own word, and counts for nothing.
    """
    named = request.headers.get("X-Forwarded-Host")
    if not named:
        return request.host
    proxies = request.config_dict.get(TRUSTED_PROXIES, _NONE)
    return named if proxies.trusts(parse_address(request.remote or "")) else request.host


def bearer(request: web.Request) -> str | None:
    """Return the token of `Authorization: Bearer …`, if there is one.

    The scheme's name is the same in any case (RFC 9110, section 11.1). What is not ASCII is no
    token (section 11.2): a question mark in its place is refused like any other wrong one.
    """
    header = request.headers.get(_AUTHORIZATION)
    if header is None:
        return None
    if header.startswith("Bearer ") and header.isascii():
        # As nearly all write it.
        return header[7:].strip() or None
    scheme, _, token = header.strip().partition(" ")
    token = token.encode("ascii", "replace").decode()
    return token.strip() or None if scheme.lower() == "bearer" else None


def api_key(request: web.Request) -> str | None:
    """Return the API key that a program sent, if it sent one."""
    token = bearer(request)
    return token if token is not None and token.startswith(API_KEY_PREFIX) else None

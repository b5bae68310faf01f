"""The address of a client: the peer's, or the one that trusted proxies report. Pure.

A proxy appends the address that it sees to `X-Forwarded-For`, or to `Forwarded` (RFC 7239). Only
the entries that trusted proxies wrote can be believed, and these are the last ones. The client is
therefore the right-most address that is no trusted proxy's own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# More proxies than this do not stand in a row; a longer header is a client's own invention.
HOPS_MAX = 32
# A site gets a /64 at least, and may send each request from another address in it.
IPV6_PREFIX = 64
_LOOPBACK_V6 = str(ip_network(("::1", IPV6_PREFIX), strict=False))
# RFC 6052: a translator in front of an IPv6 service shows IPv4 clients under this prefix.
_TRANSLATED = IPv6Network("64:ff9b::/96")
_MAPPED = IPv6Network("::ffff:0:0/96")
# The networks in which IPv4 addresses are written as IPv6 ones.
_OF_IPV4 = (_MAPPED, _TRANSLATED)
_PARAMETER = re.compile(r'\s*([!#$%&\'*+.^_`|~\w-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]+)\s*', re.ASCII)
_EMPTY = re.compile(r"\s*", re.ASCII)
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[\d.]+))(?::\w+)?", re.ASCII)


def parse_address(text: str) -> Address | None:
    """Return an address in its one form, or None if this is none.

    It may stand in brackets and have a port or a zone. An IPv4 address that is written as an IPv6
    one, mapped or translated, is the IPv4 address.
    """
    text = text.strip()
    if (match := _WITH_PORT.fullmatch(text)) is not None:
        text = match["six"] or match["four"] or ""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    if found in _TRANSLATED:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks that are written here, such as 10.0.0.0/8; raises `ValueError`."""
    found = []
    for text in texts:
        network = ip_network(text.strip(), strict=False)
        if isinstance(network, IPv6Network) and any(map(network.subnet_of, _OF_IPV4)):
            four = IPv4Address(int(network.network_address) & 0xFFFFFFFF)
            network = ip_network((four, network.prefixlen - 96), strict=False)
        found.append(network)
    return tuple(found)


def network_of(address: str | None) -> str:
    """Return what a limit counts: an IPv4 address, or the /64 that an IPv6 address lies in."""
    known = parse_address(address or "")
    return str(address) if known is None else network_around(known)


def network_around(known: Address) -> str:
    """Return what a limit counts of an address that was parsed."""
    if isinstance(known, IPv6Address):
        return str(ip_network((known, IPV6_PREFIX), strict=False))
    return str(known)


def is_loopback(network: str) -> bool:
    """Say whether a network is the machine itself: a program on it, or a proxy not listed."""
    return network.startswith("127.") or network == _LOOPBACK_V6


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxies:
    """The networks of the proxies whose word on addresses is taken."""

    networks: tuple[Network, ...] = ()

    def trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)

    def client(
        self, peer: str | None, *, x_forwarded_for: Sequence[str], forwarded: Sequence[str]
    ) -> str:
        """Return the client's address: the peer's, unless the peer is a trusted proxy."""
        reported = self.reported(peer, x_forwarded_for=x_forwarded_for, forwarded=forwarded)
        if reported is not None:
            return str(reported)
        direct = parse_address(peer or "")
        return str(direct if direct is not None else peer)

    def reported(
        self, peer: str | None, *, x_forwarded_for: Sequence[str], forwarded: Sequence[str]
    ) -> Address | None:
        """Return the address that trusted proxies report, None where they report none.

        The arguments are the lines of both headers. A proxy writes one of them and passes the other
        on as the client sent it, so two that disagree count for nothing. Neither does a list in
        which an entry that a proxy must have written cannot be read.
        """
        if not self.networks or not self.trusts(parse_address(peer or "")):
            return None
        by_lists = {
            self._client_in(hops)
            for hops in (_listed(x_forwarded_for), _for_parameters(forwarded))
            if hops
        }
        return by_lists.pop() if len(by_lists) == 1 else None

    def _client_in(self, hops: list[str]) -> Address | None:
        """Return the right-most address of no trusted proxy, else the first; None if unreadable."""
        client = None
        for hop in reversed(hops[-HOPS_MAX:]):
            client = parse_address(hop)
            if not self.trusts(client):
                break
        return client


def _listed(lines: Sequence[str]) -> list[str]:
    # RFC 9110, section 5.6.1: empty elements of a list count for nothing.
    return [entry for line in lines for entry in line.split(",") if entry.strip()]


def _for_parameters(lines: Sequence[str]) -> list[str]:
    """Return the `for` of each element of Forwarded; "" for an element that has none.

    Empty elements count for nothing, as in every list.

    A line that does not follow the grammar gives one entry that no address can be read from, since
    a quotation mark left open by a client would otherwise swallow what the proxy appended.
    """
    found: list[str] = []
    for line in lines:
        found.extend(_elements(line))
    return found


def _elements(line: str) -> list[str]:
    found: list[str | None] = []
    # None while the element is empty.
    current: str | None = None
    position = 0
    while position < len(line):
        match = _PARAMETER.match(line, position) or _EMPTY.match(line, position)
        separator = line[match.end() : match.end() + 1] if match else None
        if match is None or separator not in {"", ";", ","}:
            return [""]
        if match.lastindex:
            is_for = match[1].lower() == "for"
            current = re.sub(r"\\(.)", r"\1", match[2].strip('"')) if is_for else current or ""
        position = match.end() + 1
        if separator == ",":
            found.append(current)
            current = None
    return [hop for hop in (*found, current) if hop is not None]

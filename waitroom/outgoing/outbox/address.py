"""Addresses: which URLs and which IP addresses a webhook may be sent to.

A webhook is a request that an operator aims and this service makes from inside its own network. So
it goes to addresses of the public Internet alone. The client checks the very address that it
connects to, because a name may resolve to another one a moment later.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from yarl import URL

from waitroom.refusals import AddressRefused

URL_LENGTH_MAX = 2000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
PORT_MAX = 65535

# Networks that the IANA IPv4 Special-Purpose Address Registry keeps from the public, and besides:
# multicast, reserved networks, the retired relays of 6to4, and Azure's metadata service, whose
# address is a public one.
REFUSED_V4 = tuple(
    ip_network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
# All public IPv6 addresses are in here. Addresses outside of it that embed an IPv4 one (mapped
# ::ffff:0:0/96, compatible ::/96, NAT64 64:ff9b::/96) are refused with the rest.
PUBLIC_V6 = ip_network("2000::/3")
# Within it: protocol assignments with Teredo, documentation, 6to4.
REFUSED_V6 = tuple(
    ip_network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_public(address: str) -> bool:
    """Say whether this IP address, as text, belongs to the public Internet."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in net for net in REFUSED_V4)
    if parsed.scope_id is not None:
        return False
    return parsed in PUBLIC_V6 and not any(parsed in net for net in REFUSED_V6)


def check_url(text: str, *, allow_private: bool) -> URL:
    """Return the URL of an endpoint as it is requested; raises `AddressRefused` and says why.

    It is parsed as the HTTP client parses it, so that both see the same host. A name is not
    resolved here. Path and query are sent as they were typed: a signature may be among them, and a
    slash that is written %2F may mean something else than a slash. `allow_private` also allows
    http.
    """
    if len(text) > URL_LENGTH_MAX:
        raise AddressRefused(f"A URL has at most {URL_LENGTH_MAX} characters.")
    if not text.isascii() or any(sign <= " " or sign in '\\"<>^`{|}\x7f' for sign in text):
        raise AddressRefused("A URL is written in ASCII, without spaces, quotes or backslashes.")
    try:
        url, typed = URL(text), URL(text, encoded=True)
        port, authority = url.port, urlsplit(text).netloc
    except ValueError as error:
        raise AddressRefused("This is not a URL.") from error
    schemes = {"https", "http"} if allow_private else {"https"}
    if url.scheme not in schemes or not url.raw_host:
        raise AddressRefused(f"An endpoint's URL begins with {' or '.join(sorted(schemes))}://.")
    if "@" in authority:
        raise AddressRefused("A URL with a name or password in it is refused.")
    if url.raw_fragment or "#" in text:
        raise AddressRefused("A URL with a fragment is refused; it would not be sent.")
    if text.endswith("?") and not url.raw_query_string:
        raise AddressRefused("A URL with nothing after its ? is refused; it would not be sent.")
    if port is None or not 0 < port <= PORT_MAX:
        raise AddressRefused(f"A port is from 1 to {PORT_MAX}.")
    _check_host(url.raw_host, bracketed="[" in authority, allow_private=allow_private)
    return URL(f"{url.origin()}{typed.raw_path_qs}", encoded=True)


def _check_host(host: str, *, bracketed: bool, allow_private: bool) -> None:
    literal = _literal(host)
    if literal is None:
        if bracketed or not _NAME.fullmatch(host):
            raise AddressRefused("A name has letters, digits, hyphens and dots.")
        last = host.rstrip(".").rpartition(".")[2]
        if last.isdigit() or last.lower().startswith("0x"):
            # A resolver takes 127.1, 2130706433 and 0x7f.1 for addresses, a reader for names.
            raise AddressRefused("An IPv4 address is written as four decimal numbers.")
    elif not allow_private and not is_public(str(literal)):
        raise AddressRefused(f"{literal} is not an address of the public Internet.")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None

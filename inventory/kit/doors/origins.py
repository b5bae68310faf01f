"""The origins of web pages (RFC 6454), and the hosts of other addresses. Pure."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import idna

_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]{0,5}))?", re.ASCII)
_PORT_MAX = 65535
# RFC 1035, section 2.3.4. Names within a data centre may have underscores.
_HOST_LENGTH_MAX = 253
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
# A name that ends in a number is an IPv4 address to browsers, or no host at all.
_NUMERIC = re.compile(r"(?:.*\.)?[0-9]+\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a page is from.

    The host is as `parse_host` returns it, and the port is always there.
    """

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """The origin as browsers write it, without the port that is usual for the scheme."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    def is_at(self, host_header: str) -> bool:
        """Say whether a request with this Host header went to the same host and port.

        The header leaves out the port that is usual for the scheme, and the scheme itself: a proxy
        may have taken https off on the way.
        """
        try:
            host, port = _authority(host_header)
        except ValueError:
            return False
        return (self.host, self.port) == (host, _PORTS[self.scheme] if port is None else port)


def parse_origin(text: str) -> Origin:
    """Read an origin such as https://queue.example.com and nothing else; raises `ValueError`."""
    scheme, separator, authority = text.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise ValueError("an origin begins with http:// or https://")
    host, port = _authority(authority.removesuffix("/"))
    return Origin(scheme=scheme, host=host, port=_PORTS[scheme] if port is None else port)


def origin_of(address: str) -> Origin | None:
    """Return the origin of an address such as that of a Referer header, None if it has none."""
    try:
        parts = urlsplit(address)
        return parse_origin(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return None


def parse_host(text: str) -> str:
    """Return a host in the one form that browsers send; raises `ValueError`.

    Names are in small letters and in ASCII (RFC 5891), IPv6 addresses in brackets and short.
    """
    if text.startswith("[") and text.endswith("]") and "%" not in text:
        return f"[{IPv6Address(text[1:-1])}]"
    if len(text) > _HOST_LENGTH_MAX:
        raise ValueError("this is too long for a host")
    name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    if _NAME.fullmatch(name) is None:
        raise ValueError("this is not a host")
    return str(IPv4Address(name)) if _NUMERIC.fullmatch(name) else name


def is_this_machine(host: str) -> bool:
    """Say whether a host always means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe_address(url: str) -> bool:
    """Say whether keys and secrets may go over this address: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and is_this_machine(host)


def _authority(text: str) -> tuple[str, int | None]:
    parts = _AUTHORITY.fullmatch(text)
    if parts is None:
        raise ValueError("this is not a host with its port")
    port = int(parts["port"]) if parts["port"] else None
    if port is not None and not 0 < port <= _PORT_MAX:
        raise ValueError(f"a port is a number from 1 to {_PORT_MAX}")
    return parse_host(parts["host"]), port

"""The origins of web pages (RFC 6454): scheme, host and port. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@\\:\[\]]+)(?::(?P<port>[0-9]{0,5}))?", re.ASCII
)
_PORT_MAX = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a page is from; the host is in small letters, and the port is always there."""

    scheme: str
    host: str
    port: int

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


def _authority(text: str) -> tuple[str, int | None]:
    parts = _AUTHORITY.fullmatch(text.strip())
    if parts is None:
        raise ValueError("this is not a host with its port")
    port = int(parts["port"]) if parts["port"] else None
    if port is not None and not 0 < port <= _PORT_MAX:
        raise ValueError(f"a port is a number from 1 to {_PORT_MAX}")
    return parts["host"].lower(), port

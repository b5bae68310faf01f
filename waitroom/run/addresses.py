"""Addresses in the settings: of engines, to listen on, and for browsers. Pure."""

import re
from ipaddress import IPv6Address
from urllib.parse import parse_qs, urlsplit

from inventory.kit.doors.origins import parse_host, parse_origin
from inventory.kit.servers.hosts import hosts_of
from waitroom.store.valkey.several import SEVERAL, read_several

# The address of an engine that `waitroom up` starts itself.
EMBEDDED = "embedded:"

_PUBLIC_PATH = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
# Below one of these, a path of the service could not be told from one that has the path in front.
# A test compares them with the routes.
_OWN_PATHS = frozenset(
    {
        *("admin", "api", "arrive", "cancel", "check", "checkout", "error", "healthz"),
        *("inventory", "known-user", "language", "metrics", "openapi.json", "pictures"),
        *("products", "readyz", "rooms", "shop", "static", "status"),
    }
)


def check_engine_url(setting: str, url: str, schemes: set[str]) -> None:
    """Raise `ValueError` for an address that no engine can have, and never repeat its password."""
    scheme, colon, rest = url.partition("://")
    if not (colon and scheme in schemes):
        raise ValueError(f"{setting} begins with {' or '.join(sorted(schemes))}, and then ://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    try:
        # PostgreSQL takes several hosts with commas between them.
        for host in authority.split(","):
            _ = urlsplit(f"//{host}").port
    except ValueError:
        raise ValueError(f"{setting} names a host or a port that cannot be read") from None


def check_postgres_url(setting: str, url: str) -> None:
    """Raise `ValueError` for an address at which PostgreSQL could not be written to."""
    check_engine_url(setting, url, {"postgresql", "postgres"})
    try:
        hosts_of(url)
    except ValueError:
        raise ValueError(f"{setting} needs one port, or one for each host") from None
    asked = parse_qs(urlsplit(f"//h?{url.partition('?')[2]}").query).get("target_session_attrs")
    if asked and asked[-1] not in {"read-write", "primary"}:
        raise ValueError(
            f"{setting} has target_session_attrs={asked[-1]}, and the service writes: "
            "say read-write, or leave it out"
        )


def check_valkey_url(setting: str, url: str) -> None:
    """Raise `ValueError` for an address at which there can be no Valkey."""
    check_engine_url(setting, url, {"redis", "rediss", "unix", *SEVERAL})
    scheme = url.partition("://")[0]
    if scheme not in SEVERAL:
        return
    try:
        several = read_several(url)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    if several.by_sentinel and not several.service:
        raise ValueError(f"{setting} has to name a service after its sentinels, as in /mymaster")


def listening_host(text: str) -> str:
    """Return an address or name to listen on, IPv6 without brackets; raises `ValueError`."""
    host = text.strip()
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    return str(IPv6Address(bare)) if ":" in bare else parse_host(host)


def public_address(text: str) -> str:
    """Return an origin, or an origin with a plain path; raises `ValueError`."""
    scheme, separator, rest = text.strip().partition("://")
    authority, _, path = rest.partition("/")
    origin = parse_origin(f"{scheme}{separator}{authority}").address
    path = path.rstrip("/")
    if path and (_PUBLIC_PATH.fullmatch(path) is None or path.partition("/")[0] in _OWN_PATHS):
        raise ValueError("this is not a path that the service can stand at")
    return f"{origin}/{path}" if path else origin

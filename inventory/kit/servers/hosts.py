"""The hosts that a URL of an engine names. Pure."""

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

PORT = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`name` is a name, an address without brackets, or the folder of a socket."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def hosts_of(url: str, *, usual_port: int = PORT) -> list[Host]:
    """Return the hosts of a URL as libpq reads it, in its order; none where it names none.

    `usual_port` is that of a host without one. Raises `ValueError` where hosts and ports do not go
    together.
    """
    # `urlsplit` alone would take the brackets of one address for those of all.
    rest = url.partition("://")[2]
    authority = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    query = parse_qs(urlsplit(f"//h?{rest.partition('?')[2]}").query)
    listed = authority or query.get("host", [""])[-1]
    names = [name for name in listed.split(",") if name]
    ports = [int(port or usual_port) for port in query.get("port", [""])[-1].split(",")]
    if len(ports) not in {1, len(names)} and names:
        raise ValueError("a URL has one port, or one for each host")
    found = [_split(name) for name in names]
    return [
        Host(name=unquote(name), port=port or ports[number % len(ports)])
        for number, (name, port) in enumerate(found)
    ]


def _split(host: str) -> tuple[str, int]:
    """Return name and port, 0 for none."""
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        return name, int(port.removeprefix(":") or 0)
    name, _, port = host.partition(":")
    return name, int(port or 0)

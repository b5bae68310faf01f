"""URLs of Valkey on several servers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from inventory.kit.servers.hosts import Host, hosts_of

SENTINEL_PORT, NODE_PORT = 26379, 6379
SEVERAL = frozenset(
    {"redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"},
)


def is_cluster(url: str) -> bool:
    return url.partition("://")[0].endswith("+cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """What a URL says of several servers.

    `hosts` are sentinels, or nodes of a cluster; `service` is the name under which the sentinels
    know the primary. `rest` is the URL of one server that has the login and the options of all.
    """

    hosts: Sequence[Host]
    by_sentinel: bool
    service: str
    rest: str

    @property
    def tls(self) -> bool:
        return self.rest.startswith("rediss:")


def read_several(url: str) -> Several:
    """Read such a URL; raises `ValueError` if a part of it cannot be read."""
    scheme, _, rest = url.partition("://")
    plain, _, kind = scheme.partition("+")
    by_sentinel = kind == "sentinel"
    authority, slash, path = rest.partition("?")[0].partition("/")
    login, at, _ = authority.rpartition("@")
    query = rest.partition("?")[2]
    service, _, database = path.partition("/") if by_sentinel else ("", "", path)
    if database and not database.isdecimal():
        raise ValueError("the database in the URL is a number")
    if not by_sentinel and int(database or 0):
        raise ValueError("a cluster has no database but 0")
    hosts = hosts_of(
        f"{plain}://{authority}", usual_port=SENTINEL_PORT if by_sentinel else NODE_PORT
    )
    if not hosts:
        raise ValueError("the URL names no host")
    place = f"/{database}" if slash and database else ""
    return Several(
        hosts=hosts,
        by_sentinel=by_sentinel,
        service=unquote(service),
        rest=f"{plain}://{login}{at}host{place}{'?' if query else ''}{query}",
    )

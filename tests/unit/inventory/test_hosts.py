"""The hosts of a URL are those that libpq would try."""

import asyncio
from typing import Any

import asyncpg
import pytest

from inventory.kit.servers import servers
from inventory.kit.servers.hosts import Host, hosts_of
from inventory.kit.servers.servers import Servers, servers_of

A, B = Host(name="a", port=5432), Host(name="b", port=6432)
SYSTEM = 7


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://a/w", ["a:5432"]),
        ("postgresql://user:p%40ss@a:1,b:2/w?sslmode=require", ["a:1", "b:2"]),
        ("postgresql://a,b:2/w", ["a:5432", "b:2"]),
        ("postgresql://a,b/w?port=7", ["a:7", "b:7"]),
        ("postgresql://w@/w?host=/run/one,/run/Two&port=1,2", ["/run/one:1", "/run/Two:2"]),
        ("postgres://[::1]:5433,[2001:db8::7]/w", ["[::1]:5433", "[2001:db8::7]:5432"]),
        ("postgresql://%2Frun%2FPostgres/w", ["/run/Postgres:5432"]),
        ("postgresql:///w", []),
    ],
)
def test_hosts_are_read_as_libpq_reads_them(url: str, hosts: list[str]) -> None:
    assert [str(host) for host in hosts_of(url)] == hosts


def test_one_host_is_no_matter_for_a_look_around() -> None:
    assert servers_of("postgresql://a/w") is None
    assert servers_of("postgresql://a,b/w") is not None


class Peer:
    """A connection to a host that tells its timeline."""

    def __init__(self, timeline: int) -> None:
        self.timeline = timeline
        self.open = True

    async def fetchrow(self, *_: object, **__: object) -> dict[str, object]:
        return {"system_identifier": SYSTEM, "file": f"{self.timeline:08X}{0:016X}"}

    def terminate(self) -> None:
        self.open = False


class Net:
    """Hosts by name: a timeline, None for a host that is silent, or an error."""

    def __init__(self, **hosts: int | Exception | None) -> None:
        self.hosts = hosts
        self.peers: list[Peer] = []

    async def connect(self, _: str, *, host: str, **__: Any) -> Any:
        found = self.hosts[host]
        if found is None:
            await asyncio.Event().wait()
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, int)
        self.peers.append(Peer(found))
        return self.peers[-1]


def standby() -> Exception:
    return asyncpg.TargetServerAttributeNotMatched("a standby")


async def connected(found: Servers) -> int:
    peer: Any = await found.connect("url")
    timeline: int = peer.timeline
    return timeline


@pytest.fixture
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "LOOK_S", 0.02)


@pytest.mark.usefixtures("short_look")
@pytest.mark.parametrize("away", [None, OSError("refused"), standby()])
async def test_the_host_that_takes_writes_is_found_whatever_the_other_does(
    away: Exception | None,
) -> None:
    net = Net(a=away, b=4)

    assert await connected(Servers([A, B], connect=net.connect)) == 4


async def test_of_two_that_take_writes_the_later_timeline_is_the_primary() -> None:
    net = Net(a=3, b=4)

    assert await connected(Servers([A, B], connect=net.connect)) == 4
    assert [peer.timeline for peer in net.peers if peer.open] == [4]


async def test_a_primary_that_was_replaced_is_left_for_good() -> None:
    net = Net(a=3, b=standby())
    found = Servers([A, B], connect=net.connect)
    assert await connected(found) == 3

    net.hosts = {"a": OSError("refused"), "b": 4}
    assert await connected(found) == 4
    net.hosts = {"a": 3, "b": OSError("refused")}
    await found.let_go()

    with pytest.raises((OSError, asyncpg.TargetServerAttributeNotMatched)):
        await connected(found)


async def test_a_pool_lets_go_of_a_primary_when_another_is_found() -> None:
    net = Net(a=3, b=standby())
    found = Servers([A, B], connect=net.connect)
    pool = Expired()
    found.pools.add(pool)  # type: ignore[arg-type] # all that is asked of a pool
    await connected(found)
    assert pool.times == 0

    net.hosts = {"a": None, "b": 4}
    await found.let_go()
    await connected(found)

    assert pool.times == 2


async def test_an_error_that_says_more_than_being_away_is_the_one_that_is_raised() -> None:
    net = Net(a=OSError("refused"), b=asyncpg.InvalidPasswordError("wrong"))

    with pytest.raises(asyncpg.InvalidPasswordError):
        await connected(Servers([A, B], connect=net.connect))


class Expired:
    def __init__(self) -> None:
        self.times = 0

    async def expire_connections(self) -> None:
        self.times += 1

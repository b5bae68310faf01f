"""A host of several is cut off in the middle of a sale, and comes back."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import structlog
from gate_peers import proxy
from hosts_apart import Host, Network, network, why_not
from programs import all_know, answers
from replicated import Server
from sources import ROOT
from support import KEY, eventually, execute, open_room, secrets, settings
from told_sale import ToldCrowd, untrue
from valkeys import Node, wheel_server

from inventory.kit.language.away import away_page
from waitroom.run.app import Service, open_service
from waitroom.run.engines.postgres import OWNER
from waitroom.store.migrate import migrate

SHOPPERS, UNITS = 70, 40
SOLD_BEFORE, SOLD_MEANWHILE = 8, 8
ARRIVE_S = 15.0
# The promise: the others go on so soon after a host was cut off.
GOES_ON_S = 20.0
PATIENCE_S = 180.0
STOP_WAIT_S = 40.0
SITES = ("one", "two")
NO_HOSTS = why_not()

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Site:
    """A host on which the program runs with all its roles."""

    host: Host
    process: "subprocess.Popen[bytes]"
    output: Path

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:8080"

    def leads(self, leader: str) -> bool:
        return leader in self.output.read_text("utf-8")


@dataclass(slots=True, kw_only=True)
class Sale:
    network: Network
    sites: list[Site]
    service: Service
    crowd: ToldCrowd
    url: str

    async def sold(self, least: int) -> None:
        async def so_many() -> bool:
            return len(self.crowd.told.paid) >= least

        await eventually(so_many, within_s=PATIENCE_S)

    async def leading(self) -> Site:
        """Return the site whose controller leads."""
        ((leader,),) = await execute(self.service, "SELECT leader FROM office")
        return next(site for site in self.sites if site.leads(leader))


@contextmanager
def engines(host: Host) -> Iterator[tuple[Server, Node]]:
    place = Path(tempfile.mkdtemp(prefix="wr-data-", dir="/tmp"))
    # The user that PostgreSQL runs as has to get there.
    place.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        postgres = Server(place / "postgres", address=host.address, port=5432)
        valkey = Node(wheel_server(), place / "valkey", address=host.address, port=6379)
        stack.callback(postgres.stop)
        stack.callback(valkey.stop)
        with host.inside():
            postgres.make()
            postgres.start()
            valkey.start()
        yield postgres, valkey


@contextmanager
def serving(host: Host, folder: Path, **environment: str) -> Iterator[Site]:
    """Run the program on a host."""
    output = folder / f"{host.namespace}.log"
    command = [*host.run, sys.executable, "-m", "waitroom", "serve"]
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            env={
                "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
                "PYTHONPATH": str(ROOT),
                "HOME": str(folder),
                "WAITROOM_HOST": host.address,
                "WAITROOM_SIGNING_KEYS": KEY,
                "WAITROOM_GATEWAY": "test",
                "WAITROOM_LIMITS_FACTOR": "1000",
                "WAITROOM_WORKERS": "2",
                **environment,
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Site(host=host, process=process, output=output)
    finally:
        process.terminate()
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def before(host: Host, sites: list[Site], folder: Path) -> str:
    """Return the sample of a proxy as it stands on a host before these, without TLS."""
    text = (ROOT / "config" / "haproxy.cfg").read_text("utf-8")
    (folder / "away.html").write_text(away_page("Waitroom"), encoding="utf-8")
    lines = [f"    server {s.host.namespace} {s.host.address}:8080\n" for s in sites]
    for was, now in {
        "maxconn 30000": "maxconn 1000",
        "    bind :443 ssl crt /etc/ssl/shop.pem alpn h2,http/1.1\n": "",
        "    http-request redirect scheme https code 308 unless { ssl_fc }\n": "",
        "bind :80": f"bind {host.address}:80",
        "X-Forwarded-Proto https": "X-Forwarded-Proto http",
        "/etc/haproxy/away.html": str(folder / "away.html"),
        "    server one 127.0.0.1:8080\n": "".join(lines),
    }.items():
        assert was in text, was
        text = text.replace(was, now)
    return text


@asynccontextmanager
async def sale(folder: Path) -> AsyncIterator[Sale]:
    with ExitStack() as stack:
        net = stack.enter_context(network("front", *SITES, "data"))
        front, data = net.hosts["front"], net.hosts["data"]
        url = f"http://{front.address}"
        postgres, valkey = stack.enter_context(engines(data))
        await postgres.ask(f"CREATE ROLE {OWNER} LOGIN")
        await postgres.ask(f"CREATE DATABASE waitroom OWNER {OWNER}")
        postgres_url, valkey_url = postgres.url(OWNER, "waitroom"), f"redis://{valkey.where}"
        await migrate(postgres_url)
        sites = [
            stack.enter_context(
                serving(
                    net.hosts[name],
                    folder,
                    WAITROOM_POSTGRES_URL=postgres_url,
                    WAITROOM_VALKEY_URL=valkey_url,
                    WAITROOM_PUBLIC_URL=url,
                    # The crowd comes from one address, and names its shoppers as a proxy does.
                    WAITROOM_TRUSTED_PROXIES=f"{front.address},{net.addresses[0]}",
                )
            )
            for name in SITES
        ]
        for site in sites:
            await eventually(lambda at=site.url: answers(f"{at}/readyz"), within_s=PATIENCE_S)
        made = settings(postgres_url, valkey_url)
        text = before(front, sites, folder)
        async with (
            open_service(made, secrets(), roles=frozenset()) as service,
            proxy("haproxy", text, folder, health=f"{url}/healthz", through=front.run),
        ):
            await open_room(service, skus={"mug": UNITS}, limit=1, seats_max=6, session_s=60)
            await all_know(url)
            crowd = ToldCrowd(url, shoppers=SHOPPERS, arrive_s=ARRIVE_S)
            yield Sale(network=net, sites=sites, service=service, crowd=crowd, url=url)


async def networks_noted(found: Sale) -> set[str]:
    """Let shoppers come from two addresses, one of whom says to be another; return who was seen."""
    honest, liar = found.network.addresses[1:3]
    for address, says in ((honest, {}), (liar, {"X-Forwarded-For": "198.51.100.7"})):
        way = aiohttp.TCPConnector(local_addr=(address, 0))
        async with aiohttp.ClientSession(found.url, connector=way, headers=says) as browser:
            form = {"name": "night", "password": "no such word"}
            async with browser.post("/admin/login", data=form) as answer:
                assert answer.status == 401

    async def noted() -> set[str]:
        asked = "SELECT DISTINCT network FROM security_event WHERE kind = 'sign_in_failed'"
        seen = {row["network"] for row in await execute(found.service, asked)}
        return seen if len(seen) > 1 else set()

    seen: set[str] = await eventually(noted)
    return seen


@pytest.mark.skipif(NO_HOSTS != "", reason=NO_HOSTS)
async def test_a_sale_goes_on_while_the_host_that_leads_is_cut_off_and_shoppers_keep_their_address(
    tmp_path: Path,
) -> None:
    async with sale(tmp_path) as found:
        seen = await networks_noted(found)
        selling = asyncio.create_task(found.crowd.run())
        watching = asyncio.create_task(found.crowd.watch_log(found.url))
        await found.sold(SOLD_BEFORE)
        cut = await found.leading()

        cut.host.cut()
        cut_at = time.monotonic()
        await found.sold(len(found.crowd.told.paid) + SOLD_MEANWHILE)
        took_s = found.crowd.told.paid_since(cut_at)
        successor = await found.leading()
        cut.host.mend()
        mended_at = time.monotonic()
        await eventually(lambda: answers(f"{cut.url}/readyz"), within_s=PATIENCE_S)
        log.info(
            "cut_off",
            sold_after_s=[round(one, 1) for one in took_s[:SOLD_MEANWHILE]],
            back_after_s=round(time.monotonic() - mended_at, 1),
        )
        result = await asyncio.wait_for(selling, PATIENCE_S)
        watching.cancel()

        assert took_s[-1] < GOES_ON_S
        assert successor is not cut
        assert await untrue(found.service, found.crowd.told) == []
        assert result.units_bought == UNITS == len(found.crowd.told.paid)
        assert result.unfinished == 0
        assert seen == set(found.network.addresses[1:3])

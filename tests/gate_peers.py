"""Debian's proxies, started with the samples of `config/gate/`, and a shop to stand behind them."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

from aiohttp import web
from programs import answers
from sources import ROOT
from support import eventually

SAMPLES = ROOT / "config" / "gate"
START_WAIT_S = 20.0

# Its workers have the rights of who runs the tests, whose folders they use.
NGINX = """daemon off;
user {user};
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/sample.conf;
}}
"""
# What each program is given to run in the foreground with `sample.conf` of a folder.
COMMANDS = {
    "nginx": ("-p", "{folder}", "-c", "{folder}/nginx.conf"),
    "caddy": ("run", "--adapter", "caddyfile", "--config", "{folder}/sample.conf"),
    "haproxy": ("-db", "-f", "{folder}/sample.conf"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A proxy: its program, the file that it reads, and how that is changed for a test.

    `fit` are texts of the sample, each with what stands in its place for the test: the port, and no
    certificate. `opens` is what an operator changes to have the site open while waitroom is away.
    """

    program: str
    sample: str
    fit: tuple[tuple[str, str], ...]
    opens: tuple[str, str]
    releases: bool = False


PEERS = {
    "nginx": Peer(
        program="nginx",
        sample="nginx.conf",
        fit=(
            ("listen 443 ssl;", "listen 127.0.0.1:{port};"),
            ("server_name shop.example.com;", "server_name _;"),
            ("    ssl_certificate /etc/ssl/shop.pem;\n", ""),
            ("    ssl_certificate_key /etc/ssl/shop.key;\n", ""),
        ),
        opens=("error_page 500 = @waitroom-closed;", "error_page 500 = @waitroom-open;"),
    ),
    "caddy": Peer(
        program="caddy",
        sample="Caddyfile",
        fit=(("shop.example.com {", "{{\n\tadmin off\n}}\nhttp://127.0.0.1:{port} {{"),),
        opens=(
            'respond "We cannot be reached just now. Please try again in a moment." 503',
            "reverse_proxy 127.0.0.1:{shop}",
        ),
    ),
    "haproxy": Peer(
        program="haproxy",
        sample="haproxy.cfg",
        fit=(
            ("/etc/haproxy/haproxy.lua", str(SAMPLES / "haproxy.lua")),
            ("bind :443 ssl crt /etc/ssl/shop.pem", "bind 127.0.0.1:{port}"),
            ("X-Forwarded-Proto https", "X-Forwarded-Proto http"),
        ),
        opens=("8080 closed", "8080 open"),
        releases=True,
    ),
}


def sample_of(peer: Peer, *, port: int, shop: int, waitroom: int, opened: bool) -> str:
    """Return the sample with the ports of a test; every text that is changed has to be there."""
    text = (SAMPLES / peer.sample).read_text("utf-8")
    changes = [*peer.fit, *([peer.opens] if opened else [])]
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after.format(port=port, shop=shop) if "{" in after else after)
    assert "127.0.0.1:8080" in text
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{waitroom}").replace(
        "127.0.0.1:3000", f"127.0.0.1:{shop}"
    )


@asynccontextmanager
async def started(
    name: str, folder: Path, *, port: int, shop: int, waitroom: int, opened: bool
) -> AsyncIterator[str]:
    """Run a proxy until the test is done; its address is returned."""
    peer, url = PEERS[name], f"http://127.0.0.1:{port}"
    sample = sample_of(peer, port=port, shop=shop, waitroom=waitroom, opened=opened)
    async with proxy(peer.program, sample, folder, health=f"{url}/queue/healthz"):
        yield url


@asynccontextmanager
async def proxy(
    program: str,
    text: str,
    folder: Path,
    *,
    health: str,
    ca: Path | None = None,
    through: Sequence[str] = (),
) -> AsyncIterator[None]:
    """Run a proxy with a configuration, until the test is done; it is there once `health` is.

    `through` is a command that runs it, such as on another host.
    """
    found = await asyncio.to_thread(
        subprocess.run,
        ["sh", str(ROOT / "tests" / "find_peers.sh"), program],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    (folder / "sample.conf").write_text(text, encoding="utf-8")
    (folder / "nginx.conf").write_text(
        NGINX.format(folder=folder, user=getuser()), encoding="utf-8"
    )
    options = [part.format(folder=folder) for part in COMMANDS[program]]
    command = [*through, found.stdout.strip(), *options]
    with (folder / "out").open("wb") as out:
        process = await asyncio.to_thread(
            subprocess.Popen, command, cwd=folder, env={"HOME": str(folder)}, stdout=out, stderr=out
        )
        try:

            async def is_there() -> bool:
                assert process.poll() is None, (folder / "out").read_text()
                return await answers(health, ca=ca)

            await eventually(is_there, within_s=START_WAIT_S)
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 10)


@dataclass(slots=True)
class Shop:
    """A shop that says what reached it. `says` are headers of its answers."""

    port: int
    says: dict[str, str]


@asynccontextmanager
async def open_shop(says: Mapping[str, str] | None = None) -> AsyncIterator[Shop]:
    shop = Shop(port=0, says=dict(says or {}))

    async def tell(request: web.Request) -> web.Response:
        body = {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": await request.text(),
        }
        return web.json_response(body, headers=shop.says)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", tell)
    runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    shop.port = runner.addresses[0][1]
    yield shop
    await runner.cleanup()

"""Debian's proxies with the samples of `config/`, in front of several hosts and with TLS."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from gate_peers import proxy
from peers.samples import free_port
from programs import all_know, open_site
from sources import ROOT
from support import secrets, settings
from tls_front import HOST, Authority, new_authority
from yarl import URL

from inventory.kit.language.away import away_page

CONFIG = ROOT / "config"
HOST_LINES = {
    "nginx": ("    server 127.0.0.1:8080 max_fails=3 fail_timeout=5s;\n", "127.0.0.1:8080"),
    "haproxy": ("    server one 127.0.0.1:8080\n", "one 127.0.0.1:8080"),
    "caddy": ("127.0.0.1:8080", "127.0.0.1:8080"),
}
STATE = "/rooms/drop/state"
SAMPLES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}


def _fit(program: str, folder: Path, authority: Authority, port: int, plain: int) -> dict[str, str]:
    """Return texts of a sample with what stands in their places in a test."""
    certificate = authority.issue(HOST)
    key = certificate.with_suffix(".key")
    if program == "nginx":
        return {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "server_name shop.example.com;": f"server_name {HOST};",
            "/etc/ssl/shop.pem": str(certificate),
            "/etc/ssl/shop.key": str(key),
            "/var/cache/nginx/": f"{folder}/cache-",
            "/var/www/waitroom/away.html": str(folder / "away.html"),
        }
    if program == "haproxy":
        both = folder / "both.pem"
        both.write_text(certificate.read_text() + key.read_text())
        return {
            # As many as the descriptors of a machine that tests.
            "maxconn 30000": "maxconn 1000",
            "bind :80": f"bind 127.0.0.1:{plain}",
            "bind :443": f"bind 127.0.0.1:{port}",
            "/etc/ssl/shop.pem": str(both),
            "/etc/haproxy/away.html": str(folder / "away.html"),
        }
    return {
        "shop.example.com {": f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n}}\n"
        f"{HOST} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}",
        "root * /var/www/waitroom": f"root * {folder}",
    }


def _on_hosts(program: str, text: str, hosts: Sequence[int]) -> str:
    """Write a line for each host, as the sample says."""
    line, named = HOST_LINES[program]
    assert line in text, line
    if program == "caddy":
        return text.replace(line, " ".join(f"127.0.0.1:{port}" for port in hosts))
    name = "host{port} 127.0.0.1:{port}" if program == "haproxy" else "127.0.0.1:{port}"
    return text.replace(
        line, "".join(line.replace(named, name.format(port=port)) for port in hosts)
    )


@asynccontextmanager
async def front(
    program: str, folder: Path, authority: Authority, *, port: int, plain: int, hosts: Sequence[int]
) -> AsyncIterator[str]:
    """Run a proxy with its sample before services at these ports of this machine."""
    (folder / "away.html").write_text(away_page("Waitroom"), encoding="utf-8")
    text = _on_hosts(program, (CONFIG / SAMPLES[program]).read_text("utf-8"), hosts)
    for before, after in _fit(program, folder, authority, port, plain).items():
        assert before in text, before
        text = text.replace(before, after)
    url = f"https://{HOST}:{port}"

    async with proxy(program, text, folder, health=f"{url}/healthz", ca=authority.ca):
        yield url


@dataclass(slots=True)
class Front:
    """A proxy before hosts of one service; `hosts` end when they are closed."""

    url: str
    plain_url: str
    hosts: list[AsyncExitStack]
    trusted: ssl.SSLContext

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(ssl=self.trusted),
            headers={"Sec-Fetch-Site": "same-origin"},
        ) as session:
            yield session


@asynccontextmanager
async def before_hosts(
    program: str, urls: tuple[str, str], folder: Path, *, hosts: int, besides: Sequence[int] = ()
) -> AsyncIterator[Front]:
    """Run a proxy before hosts of a service on these two engines, and before ports of others."""
    postgres_url, valkey_url = urls
    authority = new_authority(folder / "ca")
    port, plain = free_port(), free_port()
    made = settings(postgres_url, valkey_url, public_url=f"https://{HOST}:{port}")
    async with AsyncExitStack() as stack:
        opened: list[AsyncExitStack] = []
        ports: list[int] = []
        for _ in range(hosts):
            host = await stack.enter_async_context(AsyncExitStack())
            site = await host.enter_async_context(open_site(made, secrets()))
            await all_know(site)
            opened.append(host)
            ports.append(URL(site.url).port or 0)
        url = await stack.enter_async_context(
            front(program, folder, authority, port=port, plain=plain, hosts=[*ports, *besides])
        )
        trusted = ssl.create_default_context(cafile=str(authority.ca))
        yield Front(url, f"http://{HOST}:{plain}", opened, trusted)

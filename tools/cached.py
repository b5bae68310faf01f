"""What nginx takes to answer looks from its cache, over TLS: `python tools/cached.py`.

The program runs behind Debian's nginx with the sample of config/nginx.conf. Two hundred kept
connections ask for the state document without a pause. Printed are looks a second, and the
processor time of nginx and of the web process for each.
"""

import asyncio
import itertools
import json
import ssl
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE / "bench")]

import click
from chaos.stage import LEADER, WEB, Needs, alone, stage
from client import Connection, Crowd
from costs import cpu_s, families
from front_peers import STATE, front
from peers.samples import free_port
from programs import all_know
from support import open_room, secrets, settings
from tls_front import HOST, new_authority
from yarl import URL

from waitroom.run.app import open_service

CONNECTIONS = 200
# nginx ends a connection after a thousand answers.
SECONDS = 2.0


async def measure(folder: Path) -> dict[str, float]:
    """Return looks a second, and µs of processor time for each by part."""
    authority = new_authority(folder / "ca")
    port, plain = free_port(), free_port()
    (folder / "front").mkdir()
    async with stage(folder, Needs(parts=(alone(WEB), alone(LEADER)))) as running:
        made = settings(running.database.server.url, running.valkey_url)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            await open_room(service)
        await all_know(running.url)
        hosts = [URL(running.url).port or 0]
        async with front("nginx", folder / "front", authority, port=port, plain=plain, hosts=hosts):
            trusted = ssl.create_default_context(cafile=str(authority.ca))
            loop = asyncio.get_running_loop()
            made_of = [
                await loop.create_connection(Connection, HOST, port, ssl=trusted)
                for _ in range(CONNECTIONS)
            ]
            crowd = Crowd([connection for _, connection in made_of])
            look = f"GET {STATE} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode()
            parts = {
                "nginx": [int((folder / "front" / "pid").read_text())],
                "web": [running.process(WEB)],
            }
            before = {name: cpu_s(families(pids)) for name, pids in parts.items()}
            done = await crowd.run(itertools.repeat(look), status=200, seconds=SECONDS)
            taken = {
                f"{name}_us": (cpu_s(families(pids)) - before[name]) * 1e6 / done.answered
                for name, pids in parts.items()
            }
            crowd.close()
    return {"looks_per_s": done.per_second, **taken}


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="A file for the figures, as JSON.")
def main(*, out: Path | None) -> None:
    """Let nginx answer a crowd's looks, and say what that takes."""
    with tempfile.TemporaryDirectory(prefix="waitroom-cached-") as folder:
        figures = asyncio.run(measure(Path(folder)))
    for name, value in figures.items():
        click.echo(f"{name:12} {value:,.1f}")
    if out is not None:
        rounded = {name: round(value, 1) for name, value in figures.items()}
        out.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a look costs a web process among few and among thousands of kept connections.

    python tools/overload/front_alone.py [--rounds 8] [--looks 6000] [--before DIR]

The front serves a short answer from one process, without engines, on a core of its own; its
clients are on another, and cost it nothing. Each client sends its next look when it has the answer
to its last. The processor time of the front for each look is read around slices of so many looks,
by turns among few and many connections, and by the code of another checkout with `--before`.
Prints the first quartiles: other programs can only make a slice dearer.
"""

import asyncio
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles

import click

ROOT = Path(__file__).parents[2]
SIZES = (64, 3_000)
LOOK = (
    b"GET /look HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\n"
    b"Accept-Language: en\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
)
COST = b"GET /healthz HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
ANSWER_BYTES = 300
# All may wait: this measures what a look costs, and not who is refused.
WAIT_S = 60.0


def serve() -> None:
    """Serve on a free port, which is printed."""
    import uvloop  # noqa: PLC0415 - these are of the checkout that is measured
    from aiohttp import web  # noqa: PLC0415

    from inventory.kit.doors.client_address import TrustedProxies, parse_networks  # noqa: PLC0415
    from inventory.kit.http import rim  # noqa: PLC0415
    from waitroom.run.listening import precedence  # noqa: PLC0415
    from waitroom.run.listening.descriptors import Bounds  # noqa: PLC0415
    from waitroom.run.listening.front import Front  # noqa: PLC0415
    from waitroom.run.processes.heartbeat import Heartbeat  # noqa: PLC0415
    from waitroom.run.serve import calm_the_collector  # noqa: PLC0415

    precedence.WAIT_MAX_S.update(dict.fromkeys(precedence.Rank, WAIT_S))
    precedence.WAITING_ALWAYS = precedence.WAITING_MAX
    body = b"x" * ANSWER_BYTES

    class Told(Heartbeat):
        def listens_on(self, sockets: object) -> None:
            sys.stdout.write(f"{list(sockets)[0].getsockname()[1]}\n")  # type: ignore[call-overload] # noqa: RUF015
            sys.stdout.flush()

    async def look(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async def cost(_: web.Request) -> web.Response:
        return web.Response(text=str(time.process_time()))

    async def run() -> None:
        app = web.Application(middlewares=[rim])
        app.router.add_get("/look", look)
        app.router.add_get("/healthz", cost)
        many = 4 * max(SIZES)
        front = Front(
            app,
            bounds=Bounds(total_max=many, network_max=many, backlog=1024),
            proxies=TrustedProxies(networks=parse_networks([])),
        )
        await front.open("127.0.0.1", (0,), Told())
        calm_the_collector()
        await asyncio.Event().wait()

    uvloop.run(run())


def cost_s(port: int) -> float:
    """Return the processor time that the front has taken up to now."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(COST)
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))
    return float(answer.rpartition(b"\r\n\r\n")[2])


def slice_us(port: int, size: int, looks: int) -> float:
    """Return what one of so many looks cost the front, in microseconds, among `size` clients."""
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(size)]
    by_number = {sock.fileno(): sock for sock in socks}
    with select.epoll() as poll:
        for sock in socks:
            poll.register(sock.fileno(), select.EPOLLIN)
        _look(poll, by_number, max(2 * size, 500))
        before = cost_s(port)
        _look(poll, by_number, looks)
        after = cost_s(port)
    for sock in socks:
        sock.close()
    return (after - before) / looks * 1e6


def _look(poll: select.epoll, socks: dict[int, socket.socket], looks: int) -> None:
    first = list(socks.values())[:looks]
    for sock in first:
        sock.send(LOOK)
    sent, told = len(first), 0
    while told < looks:
        for number, _ in poll.poll(WAIT_S, 4096):
            socks[number].recv(65_536)
            told += 1
            if sent < looks:
                sent += 1
                socks[number].send(LOOK)


@click.command()
@click.option("--rounds", default=8, show_default=True)
@click.option("--looks", default=6_000, show_default=True)
@click.option("--before", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(rounds: int, looks: int, before: Path | None) -> None:
    """Measure, and print the first quartiles in microseconds as JSON."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    fronts, ports = [], {}
    for name, source in {"now": ROOT, **({"before": before} if before else {})}.items():
        front = subprocess.Popen(
            [sys.executable, __file__, "serve"],
            env={**os.environ, "PYTHONPATH": str(source), "PYTHONSAFEPATH": "1"},
            stdout=subprocess.PIPE,
        )
        os.sched_setaffinity(front.pid, {cores[0]})
        assert front.stdout is not None
        fronts.append(front)
        ports[name] = int(front.stdout.readline())
    found: dict[str, list[float]] = {f"{one}, {size}": [] for one in ports for size in SIZES}
    try:
        for index in range(rounds):
            for size in SIZES:
                for name in list(ports)[:: -1 if index % 2 else 1]:
                    found[f"{name}, {size}"].append(slice_us(ports[name], size, looks))
    finally:
        for front in fronts:
            front.kill()
            front.wait()
    first = {name: round(quantiles(took, n=4)[0], 1) for name, took in found.items()}
    click.echo(json.dumps(first, indent=1))


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()

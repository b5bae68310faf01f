"""Hosts on a network of their own, each a network namespace: an address, and a cable to pull.

Linux alone has them, and only root may make them.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

# From linux/sched.h.
CLONE_NEWNET = 0x40000000
HERE = Path("/proc/thread-self/ns/net")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host. `cable` is the end of its cable that is not its own."""

    namespace: str
    address: str
    cable: str

    @property
    def run(self) -> tuple[str, ...]:
        """Return what a command goes through to run here."""
        return ("ip", "netns", "exec", self.namespace)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread be on the host, with what it starts and opens; nothing may be awaited."""
        home = os.open(HERE, os.O_RDONLY)
        there = os.open(Path("/run/netns") / self.namespace, os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(home)
            os.close(there)

    def cut(self) -> None:
        """Pull the cable: what is under way is lost, and nobody is told."""
        _ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        _ip("link", "set", self.cable, "up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The hosts by name. Who runs the tests is on the network too, at `addresses`."""

    hosts: dict[str, Host]
    addresses: Sequence[str]


def why_not() -> str:
    """Say why there can be no such network here, "" if there can."""
    if shutil.which("ip") is None:
        return "network namespaces need `ip`: install the package iproute2"
    probe = f"wr-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False)
    if made.returncode != 0:
        return "network namespaces need Linux and the rights of root"
    _ip("netns", "del", probe)
    return ""


@contextmanager
def network(*names: str, addresses: int = 3) -> Iterator[Network]:
    """Connect hosts by a bridge, at which this process has a few addresses."""
    mark = f"wr{os.getpid() % 100_000}"
    net = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
    own = [f"{net}.{number + 1}" for number in range(addresses)]
    hosts = {}
    with ExitStack() as stack:
        _ip("link", "add", mark, "type", "bridge")
        stack.callback(_ip, "link", "del", mark)
        for address in own:
            _ip("addr", "add", f"{address}/24", "dev", mark)
        _ip("link", "set", mark, "up")
        for number, name in enumerate(names):
            host = Host(
                namespace=f"{mark}-{name}",
                address=f"{net}.{100 + number}",
                cable=f"{mark}c{number}",
            )
            _ip("netns", "add", host.namespace)
            stack.callback(_ip, "netns", "del", host.namespace)
            plug = ("peer", "name", "eth0", "netns", host.namespace)
            _ip("link", "add", host.cable, "type", "veth", *plug)
            _ip("link", "set", host.cable, "master", mark, "up")
            for what in (
                ("link", "set", "lo", "up"),
                ("addr", "add", f"{host.address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
            ):
                _ip("-n", host.namespace, *what)
            hosts[name] = host
        yield Network(hosts=hosts, addresses=own)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "this thread cannot enter the namespace")

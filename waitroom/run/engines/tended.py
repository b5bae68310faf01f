"""One engine that runs: started again when it dies or hangs, and stopped in the end."""

import os
import subprocess
import time
from pathlib import Path

import structlog

from waitroom.run.engines.complaints import last_words
from waitroom.run.engines.postgres import Postgres
from waitroom.run.engines.pulse import HUNG_AFTER_S, Pulse
from waitroom.run.engines.server import EngineError, stop
from waitroom.run.engines.valkey import Valkey
from waitroom.run.processes.silence import DEATHS_MAX, Deaths

log = structlog.get_logger()

# The end of a server's log in which its last complaint is looked for.
LOG_TAIL_BYTES = 64 * 1024


class TendedEngine:
    """A server that runs, or is started again in a moment."""

    def __init__(self, server: Postgres | Valkey) -> None:
        self.server = server
        self.process: subprocess.Popen[bytes] = server.start()
        self._deaths = Deaths()
        # When it is due to be started again; None while it runs.
        self._due_at: float | None = None
        self._pulse = Pulse(server.socket, server.question)

    def look(self) -> None:
        """Start the server again if it has died or hangs; raises EngineError if it cannot live."""
        now, server = time.monotonic(), self.server
        if self._due_at is not None:
            if now >= self._due_at:
                self._start_again()
        elif (code := self.process.poll()) is not None:
            self._note_death(now, code)
        elif self._pulse.is_hung():
            log.error("engine_hangs", engine=server.name, silent_s=round(HUNG_AFTER_S))
            server.kill()
            self.process.wait()

    def stop(self) -> None:
        """Stop the server; at once if it does not answer, since it would hear no signal either."""
        self._pulse.close()
        if self.process.poll() is None and not self._pulse.answers():
            log.warning("engine_killed", engine=self.server.name, why="it does not answer")
            self.server.kill()
        stop(self.process, self.server.stop_steps)

    def _start_again(self) -> None:
        # The parts of a server that was killed may outlive it, and would tear its data apart.
        self.server.clear_leftovers()
        self.process, self._due_at = self.server.start(), None
        self._pulse.begin_anew()
        log.warning("engine_started_again", engine=self.server.name)

    def _note_death(self, now: float, code: int) -> None:
        server, why = self.server, _last_words_in(self.server.log)
        self._deaths.count(now)
        if self._deaths.too_many:
            said = f": {why}" if why else ""
            raise EngineError(
                f"{server.name} died {DEATHS_MAX + 1} times in a minute{said} (see {server.log})"
            )
        facts = {"said": why} if why else {}
        log.error("engine_died", engine=server.name, exit_code=code, log=str(server.log), **facts)
        self._due_at = now + self._deaths.rest_s


def _last_words_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - LOG_TAIL_BYTES, 0))
            return last_words(file.read().decode(errors="replace").splitlines())
    except OSError:
        return ""

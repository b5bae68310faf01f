"""Several processes on one port: start them, watch them, restart them, stop them."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from waitroom.run.listening.descriptors import bounds_within, raise_limit, warn_if_few
from waitroom.run.processes.child import Child, said_that_it_leaves
from waitroom.run.processes.exits import BROKEN, CANNOT_START, DONE
from waitroom.run.processes.launched import inherited_environment
from waitroom.run.processes.renewal import Renewal
from waitroom.run.processes.service_manager import ServiceManager
from waitroom.run.processes.silence import Deaths
from waitroom.run.processes.spare import Spare
from waitroom.run.processes.watched import WatchedSecrets
from waitroom.run.settings import ENVIRONMENT_PREFIX, Settings
from waitroom.run.shards.shard import public_json

log = structlog.get_logger()

STOP_WAIT_S = 20.0
WATCH_S = 0.2
# All may wait for the spare.
WATCH_LOADING_S = 0.02
# A process that cannot start, but has lived with the same settings before, misses an engine. It is
# tried until the engine is back.
TRIED_AGAIN_AFTER_S = 2.0
# A process that dies again and again is tried this often while others of its supervisor serve.
HOPELESS_REST_S = 10.0


class Engines(Protocol):
    """Engines that the supervisor looks after besides its processes."""

    def look(self) -> None:
        """Start again what has died; raises an error that says why it cannot."""


def as_variable(value: object) -> str:
    """Return a setting's value as `load_settings` reads it from the environment."""
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value).lower() if isinstance(value, bool) else str(value)


class Supervisor:
    """Run `workers` web processes and one for the other roles, each with these settings.

    A process that dies is started again. One that is frozen is killed first: shoppers whose
    connections it holds would wait for it for ever. A process that is told to stop, and not by its
    supervisor, serves until there is another; on SIGHUP, and when the secrets file has changed, all
    of them do, one after the other (`renewal.py`).
    """

    def __init__(
        self, settings: Settings, *, roles: Sequence[str], engines: Engines | None = None
    ) -> None:
        self._settings = settings
        self._engines = engines
        self._manager = ServiceManager()
        self._deaths = Deaths()
        # The exit code for when none of the processes can live: that of the last one that died.
        self._why = BROKEN
        self._metrics_dir = tempfile.mkdtemp(prefix="waitroom-metrics-")
        self._environment = self._make_environment()
        self._stopping = self._said_ready = False
        self._looked_at = time.monotonic()
        self._secrets = WatchedSecrets(settings)
        names = [f"web-{i + 1}" for i in range(settings.workers)] if "web" in roles else []
        jobs = [(name, "web") for name in names]
        others = [role for role in roles if role != "web"]
        if others:
            jobs.append(("+".join(others), ",".join(others)))
        run = [sys.executable, "-m", "waitroom", "serve", "--workers", "1", "--role"]
        self._children = [Child(name, run, role) for name, role in jobs]
        self._spare = Spare(run)
        self._renewal = Renewal(self._children, run)
        # The processes inherit the limit, so one line tells of it.
        limit, engine_connections = raise_limit(), settings.postgres_connections_max
        warn_if_few(limit, bounds_within(limit, engine_connections=engine_connections))
        # All start as forks of it, once it has loaded the code.
        self._spare.tend(self._environment, calm=False, wanted=True)

    def _make_environment(self) -> dict[str, str]:
        # The processes sell, and have no use for the owner's rights or the engines of others.
        values = msgspec.to_builtins(self._settings) | {"postgres_owner_url": ""}
        values["shards"] = public_json(values["shards"])
        settings = {
            ENVIRONMENT_PREFIX + name.upper(): as_variable(value) for name, value in values.items()
        }
        return {
            **inherited_environment(),
            **settings,
            "WAITROOM_SUPERVISOR": str(os.getpid()),
            "PROMETHEUS_MULTIPROC_DIR": self._metrics_dir,
        }

    def run(self, when_ready: Callable[[], None], is_ready: Callable[[], bool]) -> int:
        """Watch the processes until a signal comes; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told)
        signal.signal(signal.SIGHUP, self._told_to_renew)
        told_ready = False
        try:
            while not self._stopping:
                if self._engines is not None:
                    self._engines.look()
                if not self._keep_alive():
                    return self._why
                if self._secrets.changed():
                    self._told_to_renew()
                self._spare = self._renewal.step(self._environment, self._spare)
                self._spare.tend(
                    self._environment, calm=self._is_calm, wanted=self._renewal.is_under_way
                )
                if not told_ready and is_ready():
                    told_ready = True
                    when_ready()
                self._tell_manager()
                time.sleep(WATCH_LOADING_S if self._spare.is_loading else WATCH_S)
            return DONE
        finally:
            self.stop()

    def _tell_manager(self) -> None:
        self._manager.alive()
        if not self._said_ready and all(child.serves for child in self._children):
            self._said_ready = True
            self._manager.ready()

    def _told(self, *_: object) -> None:
        self._stopping = True

    def _told_to_renew(self, *_: object) -> None:
        self._renewal.begin()

    @property
    def _is_calm(self) -> bool:
        return all(child.serves and child.runs for child in self._children)

    def _keep_alive(self) -> bool:
        """Look at every process once; return False when none of them can live."""
        now = time.monotonic()
        since_last_look_s, self._looked_at = now - self._looked_at, now
        # All are heard before any is tended: what becomes of a dead one's connections depends on
        # whether another one listens.
        said = [child.hear() for child in self._children]
        for child, words in zip(self._children, said, strict=True):
            child.tend_leaving()
            if child.due_at is None:
                self._tend(child, words, since_last_look_s)
            elif now >= child.due_at and not self._spare.is_loading:
                child.start(self._environment, self._spare)
        if self._deaths.too_many and not any(c.lived and c.runs for c in self._children):
            log.error("processes_cannot_live", exit_code=self._why)
            return False
        return True

    def _tend(self, child: Child, words: bytes, since_last_look_s: float) -> None:
        """Replace a process that runs as far as is known, if it does not."""
        code = child.ended()
        if code is not None:
            self._replace_dead(child, code)
        elif said_that_it_leaves(words) and not self._stopping:
            log.info("process_leaves", process=child.name)
            child.succeed(self._environment, self._spare)
        elif child.is_frozen(since_last_look_s, others_serve=self._others_serve(child)):
            log.error("process_frozen", process=child.name, silent_s=round(child.silent_s))
            child.kill()

    def _others_serve(self, child: Child) -> bool:
        return any(one.takes_connections for one in self._children if one is not child)

    def _replace_dead(self, child: Child, code: int) -> None:
        if child.go_back():
            self._renewal.failed(child, code)
            return
        rest_s = TRIED_AGAIN_AFTER_S
        self._why = code if code in CANNOT_START else BROKEN
        if not (child.lived and code in CANNOT_START):
            self._deaths.count(time.monotonic())
            rest_s = HOPELESS_REST_S if self._deaths.too_many else self._deaths.rest_s
        if self._others_serve(child) and not child.was_frozen:
            # It took its connections until it died, so next to none wait for the one to come.
            child.pass_on()
        log.warning("process_restarted", process=child.name, exit_code=code)
        child.due_at = time.monotonic() + rest_s

    def stop(self) -> None:
        self._manager.stopping()
        self._spare.end()
        self._renewal.end()
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + STOP_WAIT_S
        for child in self._children:
            if child.end_by(deadline):
                log.error("process_killed", process=child.name)
        shutil.rmtree(self._metrics_dir, ignore_errors=True)

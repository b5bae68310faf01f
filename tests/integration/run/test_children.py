"""A supervisor's process, with no engine near: it beats, freezes, and is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support import eventually

from waitroom.run.processes import renewal
from waitroom.run.processes.child import Child
from waitroom.run.processes.renewal import Renewal
from waitroom.run.processes.silence import (
    FROZEN_AFTER_S,
    LOOK_COUNTS_MAX_S,
    START_HOLDING_MAX_S,
    START_MAX_S,
)
from waitroom.run.processes.spare import TOLD, Spare

BEATING = """
import asyncio
from waitroom.run.processes.heartbeat import Heartbeat
asyncio.run(Heartbeat().run())
"""
# The first process listens. The one after it has its socket, and is stuck before it says so.
STUCK = """
import asyncio, os, socket, time
from waitroom.run.processes.heartbeat import LISTENERS, Heartbeat
if os.environ[LISTENERS]:
    time.sleep(600)
heartbeat = Heartbeat()
heartbeat.listens_on([socket.create_server(("127.0.0.1", 0))])
asyncio.run(heartbeat.run())
"""
# A spare that loads next to nothing, and then listens where the one before it did.
SPARE = """
import asyncio, os, socket, sys
from waitroom.run.processes import spare
from waitroom.run.processes.heartbeat import Heartbeat, inherited_listeners
spare.CODE = os.environ.get("CODE", "json")
role = spare.wait_to_be_told(lambda: None) if sys.argv[-1] == spare.TOLD else sys.argv[-1]
spare.show_role(role)
if "DIES" in os.environ:
    sys.exit(3)
if os.path.exists(os.environ.get("AWAY", "")):
    sys.exit(69)
sockets = inherited_listeners() or [socket.create_server(("127.0.0.1", 0))]
heartbeat = Heartbeat()
heartbeat.listens_on(sockets)
asyncio.run(heartbeat.run())
"""
# A spare that says why it cannot load its code, and takes a while to end.
FAILING = """
import os, socket, sys, time
from waitroom.run.processes.heartbeat import CHANNEL
with socket.socket(fileno=int(os.environ[CHANNEL])) as channel:
    channel.send(b"half of an update is there")
time.sleep(0.3)
sys.exit(1)
"""
# Time for which it waited for a processor since its start does not count in the first.
LOOKS = int(FROZEN_AFTER_S / LOOK_COUNTS_MAX_S) + 2


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child("beating", [sys.executable, "-c", BEATING], "controller")
    made.start(os.environ)
    yield made
    made.kill()
    made.end_by(time.monotonic() + 10)


async def test_a_frozen_process_is_told_from_one_that_works(child: Child) -> None:
    async def heard() -> bytes:
        return child.hear()

    await eventually(heard)
    assert child.serves
    os.kill(child.pid, signal.SIGSTOP)
    child.hear()

    for _ in range(LOOKS):
        assert child.hear() == b""
        frozen = child.is_frozen(LOOK_COUNTS_MAX_S, others_serve=False)
    assert frozen

    os.kill(child.pid, signal.SIGCONT)
    await eventually(heard)
    assert not child.is_frozen(LOOK_COUNTS_MAX_S, others_serve=False)


async def test_a_start_that_holds_up_connections_is_given_less_time_while_others_serve() -> None:
    child = Child("stuck", [sys.executable, "-c", STUCK], "web")
    child.start(os.environ)
    try:
        await _listens(child)
        os.kill(child.pid, signal.SIGKILL)
        await _ended(child)
        child.start(os.environ)

        looks = int(START_HOLDING_MAX_S / LOOK_COUNTS_MAX_S)
        assert not any(child.is_frozen(LOOK_COUNTS_MAX_S, others_serve=True) for _ in range(looks))
        assert not child.is_frozen(LOOK_COUNTS_MAX_S, others_serve=False)
        assert child.is_frozen(LOOK_COUNTS_MAX_S, others_serve=True)
        # There is nobody else whom the connections could go to.
        looks = int((START_MAX_S - START_HOLDING_MAX_S) / LOOK_COUNTS_MAX_S) - 2
        assert not any(child.is_frozen(LOOK_COUNTS_MAX_S, others_serve=False) for _ in range(looks))
    finally:
        child.kill()
        child.end_by(time.monotonic() + 10)


@pytest.fixture
def spare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spare]:
    monkeypatch.setattr("waitroom.run.processes.spare.CALM_S", 0.0)
    made = Spare([sys.executable, "-c", SPARE])
    yield made
    made.end()


async def test_a_spare_takes_the_place_of_a_process_that_was_frozen_with_its_socket(
    spare: Spare,
) -> None:
    child = Child("web-1", [sys.executable, "-c", SPARE], "web")
    child.start(os.environ, spare)
    try:
        port = await _listens(child)
        ready = await _loaded(spare)

        child.kill()
        await _ended(child)
        child.start(os.environ, spare)

        assert _told(child.pid)
        assert await _listens(child) == port
        assert _name(child.pid) == "waitroom:web"
        assert spare.pid_if_ready == ready
    finally:
        child.kill()
        child.end_by(time.monotonic() + 10)


async def test_a_process_starts_afresh_where_its_spare_has_died_or_has_not_loaded(
    spare: Spare,
) -> None:
    child = Child("web-1", [sys.executable, "-c", SPARE], "web")
    child.start(os.environ, spare)
    try:
        await _listens(child)
        ready = await _loaded(spare)
        for pid in (ready, child.pid):
            os.kill(pid, signal.SIGKILL)
        await _ended(child)
        child.start(os.environ, spare)

        assert not _told(child.pid)
        assert await _listens(child)
        assert spare.pid_if_ready is None
        spare.tend(os.environ, calm=True)
        assert spare.fork("web", []) is None
    finally:
        child.kill()
        child.end_by(time.monotonic() + 10)


async def test_what_a_spare_said_stands_until_it_has_ended() -> None:
    failing = Spare([sys.executable, "-c", FAILING])

    async def ended() -> bool:
        failing.tend(os.environ, calm=False, wanted=True)
        return "spare_ended" in [one["event"] for one in logs]

    with capture_logs() as logs:
        await eventually(ended)

    assert failing.why == "half of an update is there"


@dataclass
class Renewed:
    """A process that serves, and the replacement of it."""

    child: Child
    renewal: Renewal
    spare: Spare
    port: int

    def look(self, environment: Mapping[str, str]) -> None:
        """Do what a supervisor does each time it looks."""
        self.child.hear()
        self.child.tend_leaving()
        code = self.child.ended()
        if code is not None:
            assert self.child.go_back()
            self.renewal.failed(self.child, code)
        self.spare = self.renewal.step(environment, self.spare)
        self.spare.tend(environment, calm=False, wanted=self.renewal.is_under_way)


@pytest.fixture
async def renewed(spare: Spare) -> AsyncIterator[Renewed]:
    command = [sys.executable, "-c", SPARE]
    child = Child("web-1", command, "web")
    child.start(os.environ)
    made = Renewed(child, Renewal([child], command), spare, port=await _listens(child))
    yield made
    made.renewal.end()
    made.spare.end()
    child.terminate()
    child.end_by(time.monotonic() + 10)


async def test_a_process_is_renewed_from_a_spare_that_loaded_since_and_serves_until_then(
    renewed: Renewed,
) -> None:
    child, before = renewed.child, renewed.child.pid
    stale = await _loaded(renewed.spare)
    renewed.renewal.begin()

    async def succeeded() -> bool:
        assert child.takes_connections
        renewed.look(os.environ)
        return child.pid != before

    await eventually(succeeded)
    assert renewed.spare.pid_if_ready != stale
    assert _state(stale) in _ENDED
    assert _state(before) not in _ENDED

    async def alone() -> bool:
        assert child.takes_connections
        renewed.look(os.environ)
        return _state(before) in _ENDED

    await eventually(alone)
    assert await _listens(child) == renewed.port


@pytest.mark.parametrize("broken", [{"CODE": "no_such_code"}, {"DIES": "yes"}])
async def test_code_that_cannot_start_leaves_the_processes_that_serve(
    renewed: Renewed, broken: Mapping[str, str]
) -> None:
    before = renewed.child.pid
    renewed.renewal.begin()

    async def given_up() -> bool:
        renewed.look({**os.environ, **broken})
        return not renewed.renewal.is_under_way and not renewed.child.is_succeeded

    with capture_logs() as logs:
        await eventually(given_up)
    renewed.look(os.environ)

    assert [one["event"] for one in logs].count("not_renewed") == 1
    assert renewed.child.pid == before
    assert renewed.child.takes_connections
    assert await _listens(renewed.child) == renewed.port
    if "CODE" in broken:
        assert "No module named 'no_such_code'" in logs[-1]["why"]


async def test_a_renewal_goes_on_when_an_engine_is_back(
    renewed: Renewed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "REST_S", 0.1)
    before, away = renewed.child.pid, tmp_path / "away"
    away.touch()
    renewed.renewal.begin()
    environment = {**os.environ, "AWAY": str(away)}

    async def renewed_later() -> bool:
        renewed.look(environment)
        return any(one["event"] == "renewed_later" for one in logs)

    async def succeeded() -> bool:
        assert renewed.child.takes_connections
        renewed.look(environment)
        return renewed.child.serves and renewed.child.pid != before

    with capture_logs() as logs:
        await eventually(renewed_later)
        assert renewed.child.pid == before
        away.unlink()
        await eventually(succeeded)

    assert await _listens(renewed.child) == renewed.port
    assert not renewed.renewal.is_under_way


async def _listens(child: Child) -> int:
    """Return the port at which a process listens."""

    async def serves() -> bool:
        child.hear()
        return child.serves

    await eventually(serves)
    return int(child.listeners[0].getsockname()[1])


async def _loaded(spare: Spare) -> int:
    """Return the process id of a spare that is ready."""

    async def ready() -> int | None:
        spare.tend(os.environ, calm=True)
        return spare.pid_if_ready

    return await eventually(ready)


def test_a_supervisor_loads_none_of_the_code_of_its_processes() -> None:
    look = "import sys, waitroom.cli.serve; print('waitroom.run.service' in sys.modules)"
    seen = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)

    assert seen.stdout == "False\n"


_ENDED = {"Z", ""}


def _state(pid: int) -> str:
    """Return the letter of a process's state, "" for one that is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _told(pid: int) -> bool:
    """Say whether a process began as a fork of a spare."""
    return TOLD in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()


async def _ended(child: Child) -> None:
    async def ended() -> bool:
        return child.ended() is not None

    await eventually(ended)

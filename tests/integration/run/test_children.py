"""A supervisor's process, with no engine near: it beats, freezes, and is killed."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from support import eventually

from waitroom.run.processes.child import Child
from waitroom.run.processes.silence import (
    FROZEN_AFTER_S,
    LOOK_COUNTS_MAX_S,
    START_HOLDING_MAX_S,
    START_MAX_S,
)

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
LOOKS = int(FROZEN_AFTER_S / LOOK_COUNTS_MAX_S) + 1


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child("beating", [sys.executable, "-c", BEATING], web=False)
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
    child = Child("stuck", [sys.executable, "-c", STUCK], web=True)
    child.start(os.environ)
    try:

        async def serves() -> bool:
            child.hear()
            return child.serves

        await eventually(serves)
        os.kill(child.pid, signal.SIGKILL)

        async def ended() -> bool:
            return child.ended() is not None

        await eventually(ended)
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

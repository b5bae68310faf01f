"""A supervisor's process, with no engine near: it beats, freezes, and is killed."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from support import eventually

from waitroom.run.processes.child import Child
from waitroom.run.processes.silence import FROZEN_AFTER_S, LOOK_COUNTS_MAX_S

BEATING = """
import asyncio
from waitroom.run.processes.heartbeat import Heartbeat
asyncio.run(Heartbeat().run())
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
        frozen = child.is_frozen(LOOK_COUNTS_MAX_S)
    assert frozen

    os.kill(child.pid, signal.SIGCONT)
    await eventually(heard)
    assert not child.is_frozen(LOOK_COUNTS_MAX_S)

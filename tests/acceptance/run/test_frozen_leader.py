"""A leader that is frozen, and wakes when its successor has long been in office."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis
from programs import STOP_WAIT_S
from support import (
    KEY,
    as_owner,
    eventually,
    execute,
    open_room,
    size,
)

from waitroom.log.audit import audit
from waitroom.log.chain import LogEntry
from waitroom.log.verify.finding import all_holds
from waitroom.run.app import Service

WAITING = 2000
JOIN_BATCH = 500
TURNS = size("TURNS", 1)
CALLS_PER_MINUTE = 1200

TAKEN = "SELECT min(at) FROM writing WHERE who = $1 AND what = 'office' AND at > $2"
STANDS = "SELECT gate, version FROM line JOIN room_state USING (room_id)"
CALLING = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
AND query LIKE '%call_numbers%'"""

# The database itself writes down who writes: each controller tells its name when it connects. In
# `lease_holder` each process says that it lives, and in `process_keys` and `signing_key` by which
# keys it signs, whether it leads or not.
WATCH = """
CREATE TABLE writing (at timestamptz NOT NULL, who text, what text NOT NULL);
GRANT INSERT ON writing TO PUBLIC;
CREATE FUNCTION note_writing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO writing
        VALUES (clock_timestamp(), current_setting('test.who', true), TG_TABLE_NAME);
    RETURN NULL;
END $$;
DO $$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind = 'r' AND c.relname NOT IN (
                'writing', 'lease_holder', 'process_keys', 'signing_key') LOOP
        EXECUTE format('CREATE TRIGGER z_note_writing AFTER INSERT OR UPDATE OR DELETE ON %s'
            ' FOR EACH ROW EXECUTE FUNCTION note_writing()', t);
    END LOOP;
END $$;
"""


@dataclass(slots=True)
class Controller:
    """One controller in a process of its own, which tells the database its name."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def offices_lost(self) -> int:
        return self.log.read_text().count("office_lost")

    def stop(self) -> None:
        self.wake()
        self.process.terminate()
        assert self.process.wait(STOP_WAIT_S) == 0, self.log.read_text()


Start = Callable[[str], Controller]


@pytest.fixture
def controller(postgres_url: str, valkey_url: str, tmp_path: Path) -> Iterator[Start]:
    started: list[Controller] = []

    def start(name: str) -> Controller:
        log = tmp_path / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "waitroom", "serve", "--role", "controller"],
                env={
                    **os.environ,
                    "WAITROOM_SIGNING_KEYS": KEY,
                    "WAITROOM_POSTGRES_URL": f"{postgres_url}&test.who={name}",
                    "WAITROOM_VALKEY_URL": valkey_url,
                    "WAITROOM_GATEWAY": "test",
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        started.append(Controller(name, process, log))
        return started[-1]

    yield start
    for one in started:
        one.stop()


async def one(service: Service, sql: str, *values: Any) -> Any:
    ((value,),) = await execute(service, sql, *values)
    return value


async def now(service: Service) -> datetime:
    at: datetime = await one(service, "SELECT clock_timestamp()")
    return at


async def open_line(service: Service) -> None:
    """Open a room whose line moves steadily for longer than the test, and watch all writing."""
    await open_room(
        service,
        skus={},
        policy="rate",
        seats_max=10 * WAITING,
        calls_per_minute=CALLS_PER_MINUTE,
        claim_window_s=3600,
    )
    line_id = service.board.room("drop").line_id
    for _ in range(WAITING // JOIN_BATCH):
        await service.lines.join(line_id, JOIN_BATCH, os.urandom(32))
    async with as_owner(service.pool) as borrowed:
        await borrowed.execute(WATCH)


async def office_taken(service: Service, who: Controller, *, since: datetime) -> datetime:
    """Return when a controller took office, as soon as it has."""

    async def taken() -> Any:
        return await one(service, TAKEN, who.name, since)

    at: datetime = await eventually(taken)
    return at


async def goes_on(service: Service) -> None:
    """Wait while whoever leads calls and publishes twice; all others have had their turn too."""
    gate, version = (await execute(service, STANDS))[0]

    async def gone_on() -> bool:
        rows = await execute(service, STANDS)
        return bool(rows[0]["gate"] > gate and rows[0]["version"] >= version + 2)

    await eventually(gone_on)


async def wake(old: Controller) -> None:
    """Wake a controller, and wait until it knows that it is not the leader any more."""
    lost = old.offices_lost()
    old.wake()

    async def stands_by() -> bool:
        return old.offices_lost() > lost

    await eventually(stands_by)


async def written_by(service: Service, who: Controller, *, since: datetime) -> list[str]:
    rows = await execute(
        service, "SELECT what FROM writing WHERE who = $1 AND at > $2", who.name, since
    )
    return [row["what"] for row in rows]


async def line_moved_once_over_each_number(service: Service) -> None:
    """Replay the log: every call goes on where the one before ended, and terms only rise."""
    rows = await execute(service, "SELECT seq, body, hash FROM log_entry ORDER BY seq")
    assert all_holds(audit(LogEntry(**dict(row)) for row in rows))
    calls = [body for row in rows if (body := json.loads(row["body"]))["kind"] == "called"]
    head, term = 0, 0
    for call in calls:
        assert call["from"] == head + 1
        assert call["to"] - head == call["called"]
        assert call["again"] == []
        assert call["term"] >= term
        head, term = call["to"], call["term"]
    assert head == await one(service, "SELECT gate FROM line") < WAITING
    assert term == await one(service, "SELECT term FROM office")
    numbers = await execute(service, "SELECT number, times_called FROM admission ORDER BY number")
    assert [tuple(row) for row in numbers] == [(n, 1) for n in range(1, head + 1)]


async def test_a_leader_that_was_frozen_writes_nothing_after_its_successor_took_office(
    service: Service, controller: Start, valkey_url: str
) -> None:
    await open_line(service)
    began_at = await now(service)
    leader = controller("first")
    await office_taken(service, leader, since=began_at)
    standby = controller("second")
    await goes_on(service)

    for _ in range(TURNS):
        frozen_at = await now(service)
        leader.freeze()
        taken_at = await office_taken(service, standby, since=frozen_at)
        await goes_on(service)
        await wake(leader)
        await goes_on(service)

        assert await written_by(service, leader, since=taken_at) == []
        leader, standby = standby, leader

    assert await one(service, "SELECT term FROM office") == 1 + TURNS
    await line_moved_once_over_each_number(service)
    assert await _version_in_valkey(valkey_url) >= await one(
        service, "SELECT version - 1 FROM room_state"
    )


@pytest.mark.endure
async def test_a_call_that_was_under_way_when_its_leader_froze_is_void_under_its_successor(
    service: Service, controller: Start
) -> None:
    await open_line(service)
    began_at = await now(service)
    old = controller("first")
    await office_taken(service, old, since=began_at)
    await goes_on(service)
    new = controller("second")

    async def waits_to_call() -> Any:
        return await execute(service, CALLING)

    async with as_owner(service.pool) as borrowed:
        # Whoever calls waits here, with the statement sent and the leader's decision in it.
        await borrowed.execute("SELECT FROM log_head FOR NO KEY UPDATE")
        await eventually(waits_to_call)
        gate = await one(service, "SELECT gate FROM line")
        frozen_at = await now(service)
        old.freeze()
        taken_at = await office_taken(service, new, since=frozen_at)
        assert await one(service, "SELECT gate FROM line") == gate
    await goes_on(service)
    old.wake()
    await goes_on(service)

    assert await written_by(service, old, since=taken_at) == []
    # It is awake, and stands by: it leads again when there is need of it.
    frozen_at = await now(service)
    new.freeze()
    await office_taken(service, old, since=frozen_at)
    await goes_on(service)
    assert await one(service, "SELECT term FROM office") == 3
    await line_moved_once_over_each_number(service)


async def _version_in_valkey(url: str) -> int:
    client = redis.from_url(url)
    version = await client.hget("waitroom:state:{drop}", "version")
    await client.aclose()
    return int(version)

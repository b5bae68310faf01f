"""The program as a newcomer meets it: starting, stopping, and the first mistakes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from chaos.programs import at_work, roles_of
from programs import LOOKS, READY_WAIT_S, Command, Running, all_know, answers
from support import authorization, eventually, execute, open_room

from waitroom.admin.accounts.keys import NewKey
from waitroom.run.app import Service
from waitroom.run.processes.exits import REFUSED, UNAVAILABLE, UNFIT

Program = Callable[..., Awaitable[Running]]


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a failed run."""
    assert result.returncode in {REFUSED, UNAVAILABLE, UNFIT}, result.stdout + result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith("starting")]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("waitroom: ")
    return lines[0]


async def post(url: str, **options: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(url, **options) as answer:
        return answer.status, await answer.json()


async def get(url: str, **options: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url, **options) as answer:
        return answer.status, await answer.json()


async def test_up_starts_everything_and_goes_on_with_the_data_after_a_stop_and_after_a_crash(
    program: Program, waitroom: Command, tmp_path: Path
) -> None:
    data = str(tmp_path / "data")
    first = await program("up", "--demo", "--data-dir", data)

    async def announced() -> str:
        text = first.log.read_text()
        return text if "Operators' screen" in text else ""

    said = await eventually(announced)
    for address in ("/", "/rooms/autumn-drop", "/admin"):
        assert first.url + address in said
    password = (tmp_path / "data" / "first-operator-password").read_text().strip()
    assert password in said
    status, joined = await post(f"{first.url}/rooms/autumn-drop/tickets")
    assert status == 201
    # Commands find the engines by the data folder while `up` runs, and not once it has ended.
    beside = await asyncio.to_thread(
        waitroom, "room", "set", "artists-proof", "seats_max=7", "--data-dir", data
    )
    assert beside.returncode == 0, beside.stderr
    shown = await asyncio.to_thread(waitroom, "room", "show", "artists-proof", "--data-dir", data)
    assert "seats_max=7" in shown.stdout
    assert await asyncio.to_thread(first.stop, signal.SIGINT) == 0
    assert data in complaint(waitroom("room", "show", "artists-proof", "--data-dir", data))

    second = await program("up", "--demo", "--data-dir", data)

    status, again = await post(
        f"{second.url}/rooms/autumn-drop/tickets", headers=authorization(joined["ticket"])
    )
    assert (status, again["number"]) == (200, joined["number"])
    _, catalogue = await get(f"{second.url}/inventory/skus")
    assert len(catalogue["skus"]) == 19

    said = complaint(waitroom("up", "--port", "0", "--data-dir", data))
    assert data in said
    assert "in use" in said

    for engine in _children(second.process.pid)[:2]:
        os.kill(engine, signal.SIGKILL)

    async def goes_on() -> bool:
        timeout = aiohttp.ClientTimeout(10)
        url = f"{second.url}/rooms/autumn-drop/tickets"
        try:
            return (await post(url, timeout=timeout))[0] == 201
        except (aiohttp.ClientError, TimeoutError):
            return False

    assert "engine_died" in await eventually(lambda: _said(second, "engine_started_again", 2))
    assert await eventually(goes_on)


async def _said(running: Running, words: str, times: int) -> str:
    """Return the log when it has the words so often."""
    text = running.log.read_text()
    return text if text.count(words) >= times else ""


async def test_a_port_in_use_is_one_clear_line(waitroom: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = waitroom("up", "--port", str(port), "--data-dir", str(tmp_path))
    said = complaint(ended)

    assert ended.returncode == UNAVAILABLE
    assert f"port {port}" in said
    assert "in use" in said


@pytest.mark.parametrize(
    ("arguments", "environment", "words", "code"),
    [
        (["up"], {"WAITROOM_PROT": "80"}, "WAITROOM_PORT", UNFIT),
        (["up"], {"WAITROOM_PORT": "eighty"}, "port", UNFIT),
        (["up", "--config", "nowhere.toml"], {}, "nowhere.toml", UNFIT),
        (["up", "--no-such-option"], {}, "", REFUSED),
        (["serve"], {}, "waitroom up", UNFIT),
        (["serve", "--role", "cook"], {"WAITROOM_POSTGRES_URL": "postgresql://x",
                                       "WAITROOM_VALKEY_URL": "redis://x"}, "no role", UNFIT),
        (["migrate", "--postgres-url", "postgresql://127.0.0.1:1/x"], {}, "no PostgreSQL listens",
         UNAVAILABLE),
        (["room", "create", "x", "--name", "X"], {}, "--postgres-url", UNFIT),
    ],
)  # fmt: skip
def test_a_first_mistake_is_answered_in_one_line(
    waitroom: Command,
    tmp_path: Path,
    arguments: list[str],
    environment: dict[str, str],
    words: str,
    code: int,
) -> None:
    ended = waitroom(*arguments, WAITROOM_DATA_DIR=str(tmp_path), **environment)

    assert ended.returncode == code
    assert not words or words in complaint(ended)


@pytest.mark.parametrize("command", ["up", "serve"])
def test_without_a_gateway_nothing_starts_and_one_line_says_how_to_choose_one(
    waitroom: Command, tmp_path: Path, command: str
) -> None:
    environment = {
        "WAITROOM_GATEWAY": "",
        "WAITROOM_DATA_DIR": str(tmp_path),
        "WAITROOM_PUBLIC_URL": "https://shop.example.com",
        "WAITROOM_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
        "WAITROOM_VALKEY_URL": "redis://127.0.0.1:1",
    }

    said = complaint(waitroom(command, **environment))

    for words in ("no payment gateway", 'gateway = "stripe"', "WAITROOM_GATEWAY", "--demo"):
        assert words in said
    assert list(tmp_path.iterdir()) == []


def test_a_person_at_a_terminal_is_asked_how_shoppers_pay(tmp_path: Path) -> None:
    terminal, end = os.openpty()
    environment = {"WAITROOM_GATEWAY": "", "WAITROOM_DATA_DIR": str(tmp_path)}
    os.write(terminal, b"stripe\n")

    ended = subprocess.run(
        [sys.executable, "-m", "waitroom", "up"],
        env={**os.environ, **environment},
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )

    os.close(terminal)
    os.close(end)
    assert "How are shoppers to pay?" in ended.stdout
    assert 'gateway = "stripe" needs stripe_publishable_key' in ended.stdout
    assert (ended.returncode, list(tmp_path.iterdir())) == (UNFIT, [])


def test_keygen_keeps_what_is_there_unless_told_to_rotate(
    waitroom: Command, tmp_path: Path
) -> None:
    made = waitroom("keygen", "--data-dir", str(tmp_path))
    refused = complaint(waitroom("keygen", "--data-dir", str(tmp_path)))
    rotated = waitroom("keygen", "--rotate", "--data-dir", str(tmp_path))

    assert made.returncode == 0
    assert "--rotate" in refused
    assert "holds 2 keys; the new one signs" in rotated.stdout
    assert (tmp_path / "secrets.toml").stat().st_mode & 0o777 == 0o600


async def test_the_command_line_makes_rooms_and_stock(
    service: Service, waitroom: Command, postgres_url: str
) -> None:
    def run(*arguments: str) -> str:
        result = waitroom(*arguments, "--postgres-url", postgres_url)
        assert result.returncode == 0, result.stderr
        return result.stdout

    run("room", "create", "drop", "--name", "Drop", "seats_max=7")
    run("room", "create", "yen", "--name", "Yen", "--currency", "JPY", "--like", "drop")
    run("sku", "add", "mug", "--room", "drop", "--name", "Mug", "--price-minor", "900")
    run("sku", "add", "vase", "--room", "drop", "--name", "Vase", "--price", "12,50")
    run("sku", "add", "fan", "--room", "yen", "--name", "Fan", "--price", "1500")
    on_hand = run("sku", "receive", "mug", "5")
    status = run("room", "status", "drop", "open")

    assert on_hand == "mug: 5 on hand\n"
    assert status == "drop: scheduled → open\n"
    (row,) = await execute(service, "SELECT on_hand FROM room_stock WHERE on_hand > 0")
    assert row["on_hand"] == 5
    seats = await execute(service, "SELECT room FROM room WHERE seats_max = 7 ORDER BY room")
    assert [row["room"] for row in seats] == ["drop", "yen"]
    twice = waitroom("room", "create", "drop", "--name", "Drop", "--postgres-url", postgres_url)
    assert "already" in complaint(twice)
    prices = await execute(service, "SELECT sku, price_minor, currency FROM sku ORDER BY sku")
    assert [tuple(row) for row in prices] == [
        ("fan", 1500, "JPY"), ("mug", 900, "EUR"), ("vase", 1250, "EUR"),
    ]  # fmt: skip
    half = waitroom("sku", "add", "cup", "--room", "yen", "--name", "Cup", "--price", "1.5",
                    "--postgres-url", postgres_url)  # fmt: skip
    assert "an amount in JPY" in complaint(half)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["room", "create", "r", "--name", "R", "--opens-at", "2027-04-10T18:00:00"],
         "'2027-04-10T18:00:00' is not a moment with its offset from UTC"),
        (["room", "create", "r", "--name", "R", "opens_at=2027-04-10"],
         "opens_at: '2027-04-10' is not a moment with its offset from UTC"),
        (["room", "create", "r", "--name", ""], "name: it needs at least one visible character"),
        (["room", "create", "r", "--name", " \u200b"], "at least one visible character"),
        (["room", "create", "a b", "--name", "R"], "cannot name a room"),
        (["room", "create", "r", "--name", "R", "seats_max=99999999999999999999"],
         "seats_max: expected int <= 10000000"),
        (["sku", "add", "mug", "--room", "drop", "--name", "\u2060", "--price", "1"],
         "at least one visible character"),
        (["sku", "add", "a b", "--room", "drop", "--name", "Mug", "--price", "1"],
         "letters, digits, dots"),
        (["sku", "add", "mug", "--room", "drop", "--name", "Mug", "--price-minor",
          "99999999999999999999"], "price_minor: expected int <= 1000000000000"),
        (["sku", "add", "mug", "--room", "drop", "--name", "Mug", "--price-minor", "-1"],
         "price_minor: expected int >= 0"),
        (["sku", "receive", "mug", "99999999999"], "is not in the range"),
    ],
)  # fmt: skip
async def test_a_value_that_cannot_be_is_refused_in_words(
    service: Service, waitroom: Command, postgres_url: str, arguments: list[str], said: str
) -> None:
    await open_room(service, skus={})

    result = waitroom(*arguments, "--postgres-url", postgres_url)

    assert result.returncode == 2
    last = result.stderr.rstrip("\n").rpartition("\n")[2]
    assert said in last
    assert "engine" not in last
    assert "_check" not in last


async def test_sigterm_turns_readyz_and_finishes_what_has_begun(
    service: Service, program: Program, postgres_url: str, valkey_url: str
) -> None:
    await open_room(service, skus={"mug": 3})
    running = await program(
        "serve", "--workers", "1",
        WAITROOM_POSTGRES_URL=postgres_url, WAITROOM_VALKEY_URL=valkey_url, WAITROOM_DRAIN_S="2",
    )  # fmt: skip

    running.process.terminate()

    async def turned() -> bool:
        return (await get(f"{running.url}/readyz"))[0] == 503

    assert await eventually(turned)
    assert (await post(f"{running.url}/rooms/drop/tickets"))[0] == 201
    assert await asyncio.to_thread(running.process.wait, 30) == 0


async def test_a_killed_worker_is_replaced_and_all_end_with_their_supervisor(
    service: Service, serving: Running
) -> None:
    await open_room(service, skus={"mug": 3})
    await all_know(serving)
    children = at_work(serving.process.pid)
    assert len(children) == 3
    # Whether a spare is there already is a matter of seconds.
    for spare in set(_children(serving.process.pid)) - set(children):
        os.kill(spare, signal.SIGKILL)

    os.kill(next(child for child in children if _is_web(child)), signal.SIGKILL)

    async def begun() -> set[int]:
        return set(at_work(serving.process.pid)) - set(children)

    # The next one is frozen before it listens: new connections are for the other one until then.
    (successor,) = await eventually(begun)
    os.kill(successor, signal.SIGSTOP)
    async with asyncio.timeout(READY_WAIT_S):
        for _ in range(LOOKS):
            assert await answers(f"{serving.url}/rooms/drop/state")
    os.kill(successor, signal.SIGCONT)

    children = at_work(serving.process.pid)
    for child in children:
        os.kill(child, signal.SIGKILL)

    async def replaced() -> bool:
        now = at_work(serving.process.pid)
        return len(now) == 3 and not set(now) & set(children)

    await eventually(replaced)

    async def joined() -> bool:
        try:
            return (await post(f"{serving.url}/rooms/drop/tickets"))[0] == 201
        except aiohttp.ClientError:
            return False

    assert await eventually(joined)
    children = _children(serving.process.pid)

    serving.process.kill()
    serving.process.wait()

    async def gone() -> bool:
        return not any(_alive(child) for child in children)

    assert await eventually(gone)


def _is_web(pid: int) -> bool:
    return roles_of(pid) == "web"


async def test_processes_of_one_port_are_one_service_to_metrics_and_to_a_second_service(
    service: Service, serving: Running, waitroom: Command
) -> None:
    await open_room(service)
    for _ in range(20):
        await get(f"{serving.url}/healthz")

    new = NewKey(name="prometheus", scopes=("figures",))
    secret = await service.keys.add(new, maker=None, now=datetime.now(UTC))
    keyed = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{serving.url}/metrics", headers=keyed) as answer:
            text = await answer.text()
        # Also a request from this machine needs it: a proxy that sets no header looks the same.
        async with session.get(f"{serving.url}/metrics") as answer:
            assert answer.status == 401

    counted = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith('waitroom_request_seconds_count{route="/healthz",status="200"}')
    ]
    assert sum(counted) == 20
    port = serving.url.rpartition(":")[2]
    assert "in use" in complaint(waitroom("up", "--port", port))


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]


def _alive(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"

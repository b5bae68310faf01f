"""A key is rotated, and the oldest retired, beside a running program of several processes."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from programs import LOOKS, Running, all_know
from support import authorization, eventually, open_room

from waitroom.run.app import Service
from waitroom.run.keys.secrets_file import generate_secrets
from waitroom.run.settings import read_secrets

pytestmark = pytest.mark.endure

Program = Callable[..., Awaitable[Running]]


async def fetch(method: str, url: str, **options: Any) -> tuple[int, Any]:
    """Ask on a connection of its own, which reaches any of the processes."""
    async with aiohttp.ClientSession() as new, new.request(method, url, **options) as answer:
        return answer.status, await answer.json()


async def test_a_rotation_beside_a_running_program_ends_no_place(
    service: Service, program: Program, postgres_url: str, valkey_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "secrets.toml"
    generate_secrets(path)
    environment = {
        "WAITROOM_SIGNING_KEYS": "",
        "WAITROOM_DATA_DIR": str(tmp_path),
        "WAITROOM_POSTGRES_URL": postgres_url,
        "WAITROOM_VALKEY_URL": valkey_url,
    }

    def keygen(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "waitroom", "keygen", *options],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    await open_room(service, skus={"mug": 9}, seats_max=9)
    running = await program("serve", WAITROOM_WORKERS="2", **environment)
    await all_know(running)
    room = f"{running.url}/rooms/drop"
    _, place = await fetch("POST", f"{room}/tickets")
    bearer = authorization(place["ticket"])
    _, claimed = await fetch("POST", f"{room}/claims", headers=bearer)
    _, before = await fetch("GET", f"{running.url}/.well-known/jwks.json")
    (old,) = read_secrets(path).keys

    rotated = keygen("--rotate")
    refused = keygen("--retire")

    async def new_key_signs() -> bool:
        keys = [await fetch("GET", f"{running.url}/.well-known/jwks.json") for _ in range(LOOKS)]
        first = {found["keys"][0]["kid"] for _, found in keys}
        return before["keys"][0]["kid"] not in first and len(first) == 1

    await eventually(new_key_signs)

    async def all_have_reported() -> str:
        shown = await asyncio.to_thread(keygen, "--show")
        return shown.stdout if shown.stdout.count("has every key") == 3 else ""

    shown = await eventually(all_have_reported)
    looks = [await fetch("GET", f"{room}/tickets/me", headers=bearer) for _ in range(LOOKS)]
    held, _ = await fetch(
        "POST",
        f"{running.url}/checkout/holds",
        json={"items": [{"sku": "mug", "quantity": 1}]},
        headers={**authorization(claimed["session"]), "Idempotency-Key": "one"},
    )
    path.write_text("signing_keys = 1\n")
    broken = await fetch("GET", f"{room}/state")

    assert rotated.returncode == 0, rotated.stderr
    assert "holds 2 keys; the new one signs" in rotated.stdout
    assert "1 turns of places that it signed go on until" in refused.stderr
    assert {(status, body["status"]) for status, body in looks} == {(200, "claimed")}
    assert (held, broken[0]) == (201, 200)
    assert "keys_differ" not in running.log.read_text()
    assert old.hex() not in running.log.read_text() + shown
    await eventually(lambda: said(running.log, "secrets_unusable"))


async def said(log: Path, words: str) -> bool:
    return words in await asyncio.to_thread(log.read_text)

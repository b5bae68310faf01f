"""The whole API against its own description, by requests that nobody would think of."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template

import aiohttp
import pytest
from programs import Running, all_know
from support import PASSWORD, Shopper, open_room, tick

from waitroom.run.app import Service

SEED = os.environ.get("CONTRACT_SEED", "20261129")
EXAMPLES = os.environ.get("CONTRACT_EXAMPLES", "20")
CONFIG = Path(__file__).with_name("schemathesis.toml")
TOOL = str(Path(sys.executable).with_name("st"))
WAIT_S = 3600


@pytest.mark.parametrize("audience", ["shopper", "checkout", "customer", "operator", "service"])
async def test_the_program_answers_as_its_description_says(
    serving: Running,
    services: Callable[..., Awaitable[Service]],
    tmp_path: Path,
    audience: str,
) -> None:
    service = await services()
    await open_room(service, skus={"mug": 5000}, policy="rate")
    await tick(service)
    await all_know(serving)
    await service.operators.add("ada", role="admin", password=PASSWORD)
    async with aiohttp.ClientSession(serving.url) as client:
        shopper, waiting = Shopper(client), Shopper(client)
        await shopper.join()
        await waiting.join()
        await shopper.claim()
    values = {
        "operator": await service.operators.sign_in("ada", PASSWORD),
        "session": shopper.session,
        "ticket": waiting.ticket,
        "examples": EXAMPLES,
    }
    config = tmp_path / "schemathesis.toml"
    config.write_text(Template(CONFIG.read_text()).substitute(values))

    ran = await asyncio.to_thread(
        subprocess.run,
        [
            *(TOOL, "--config-file", str(config), "run", f"{serving.url}/openapi.json"),
            *("--include-tag", audience, "--seed", SEED),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        cwd=tmp_path,
    )

    assert ran.returncode == 0, ran.stdout
    assert await service.ledger.breaches() == []
    assert await service.orders.breaches() == []

"""The README's first sale, typed as it stands there."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from programs import Running, all_know

README = Path(__file__).parents[3] / "README.md"


def commands() -> str:
    """Return the shell commands of the first sale, but for the crowd at its end."""
    section = README.read_text(encoding="utf-8").split("## A first sale of your own\n")[1]
    section = section.split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    return "\n".join(block for block in blocks if "waitroom load" not in block)


async def test_the_first_sale_of_the_readme_works(
    program: Callable[..., Awaitable[Running]], tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": ""}
    running = await program("up", "--demo", **home)
    script = commands().replace(".venv/bin/waitroom", f"{sys.executable} -m waitroom")

    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(README.parent), **home},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    await all_know(running.url, "prints")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{running.url}/inventory/skus?room=prints") as answer,
    ):
        (sku,) = (await answer.json())["skus"]
    assert (sku["sku"], sku["price_minor"], sku["available"]) == ("harbour", 4500, 25)

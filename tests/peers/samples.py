"""Sites of other frameworks, each a program of its own, written as the docs have them."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from programs import answers
from sources import ROOT
from support import eventually

DOCS = ROOT / "docs" / "integrate" / "offline.md"
EXAMPLE = "https://queue.example"
START_WAIT_S = 20.0
# How each sample is served; `PORT` stands for a free one.
SERVED = {
    "site_express.mjs": ["site_express.mjs"],
    "site_django.py": ["-m", "wsgi_server", "site_django"],
    "site_flask.py": ["-m", "wsgi_server", "site_flask"],
    "site_starlette.py": ["-m", "uvicorn", "--port", "PORT", "site_starlette:app"],
    "site_aiohttp.py": ["-m", "aiohttp_server", "site_aiohttp"],
}


def sample(name: str, issuer: str, reach: str) -> str:
    """Return a sample of the docs, with the address of a real waitroom and one to reach it at."""
    blocks = re.findall(r"```(?:python|javascript)\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    found = [block for block in blocks if block.split("\n", 1)[0].endswith(f" {name}")]
    assert len(found) == 1, name
    python = name.endswith(".py")
    where = f', room="drop", reach="{reach}"' if python else f', {{ reach: "{reach}", room: "drop"'
    plain = f'"{EXAMPLE}", room="drop"' if python else f'"{EXAMPLE}", {{\n  room: "drop"'
    assert plain in found[0]
    return found[0].replace(plain, f'"{issuer}"{where}')


def node() -> str:
    found = shutil.which("node")
    assert found is not None, "Node is missing; on Debian and Ubuntu: apt install nodejs npm"
    return found


def installed() -> Path:
    """Return the folder of Express and of our package, which npm installs once."""
    folder = ROOT / "build" / "peers"
    if not (folder / "node_modules" / "waitroom-gate").exists():
        folder.mkdir(parents=True, exist_ok=True)
        ours = ROOT / "connectors" / "javascript"
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
        subprocess.run([*command, "express@5", str(ours)], check=True, capture_output=True)
    return folder / "node_modules"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(name: str, issuer: str, reach: str, folder: Path) -> AsyncIterator[str]:
    """Serve a sample until the test ends; its address is returned."""
    (folder / name).write_text(sample(name, issuer, reach), encoding="utf-8")
    port = str(free_port())
    program = sys.executable
    if name.endswith(".mjs"):
        program = node()
        (folder / "node_modules").symlink_to(await asyncio.to_thread(installed))
    command = [program, *(port if part == "PORT" else part for part in SERVED[name])]
    paths = [ROOT / "connectors" / "python", ROOT / "tests" / "peers"]
    environment = {
        **os.environ,
        "PORT": port,
        "PYTHONPATH": os.pathsep.join([str(folder), *map(str, paths)]),
    }
    log = (folder / "log").open("wb")
    process = await asyncio.to_thread(
        subprocess.Popen, command, cwd=folder, env=environment, stdout=log, stderr=log
    )
    try:
        url = f"http://127.0.0.1:{port}"

        async def is_there() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            return await answers(url)

        await eventually(is_there, within_s=START_WAIT_S)
        yield url
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)
        log.close()

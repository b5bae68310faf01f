"""Every command of README and docs, typed as it stands there beside a running `waitroom up`.

Each page is one script in a folder of its own. `SCENES` has what a page takes as given, such as a
room or a file, and `NOT_RUN` what cannot be run here, with the reason.
"""

import asyncio
import re
import shlex
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import click
import pytest
from blocks import Block, blocks
from programs import Running, all_know
from quick import quick_program
from support import KEY

from waitroom.cli.program import main
from waitroom.run.engines import EngineUrls, running_engines

_BESIDE = "the program that all commands here are run beside"
_REHEARSAL = "a rehearsal takes minutes; its tests play small ones"
_SERVES = "it serves until it is stopped; tests start it in many ways"
# Blocks by page and first line, and why they are not run. Their `waitroom` commands are parsed.
NOT_RUN = {
    ("README.md", "make run"): _BESIDE,
    ("README.md", "make test"): "this is one of its tests",
    ("README.md", ".venv/bin/waitroom load --room prints --shoppers 200"): "a crowd of minutes",
    ("docs/performance.md", "waitroom rehearse small --policy expected"): _REHEARSAL,
    ("docs/run-the-night/rehearse.md", "waitroom rehearse drop  "): _REHEARSAL,
    ("docs/run-the-night/rehearse.md", "waitroom rehearse --replay"): _REHEARSAL,
    ("docs/sell.md", ".venv/bin/waitroom up"): _BESIDE,
    ("docs/start.md", "make run"): _BESIDE,
    ("docs/start.md", "make test"): "this is one of its tests",
    ("docs/start.md", "waitroom serve"): _SERVES,
}
TIMEOUT_S = 120
# What is typed where a command asks for a password.
TYPED = "lantern river cobalt tiger\n" * 2
# An answer that refuses ends a script too.
CURL = 'curl() { command curl --fail-with-body -sS "$@"; }'
SOON = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:00+00:00")
_VENV = "mkdir -p .venv/bin; ln -s $(command -v waitroom) .venv/bin/\n"
_ROOM = "waitroom room create drop --name Drop\n"
_KEY = "export WAITROOM_KEY=$(waitroom key add docs --scope {scopes})\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a page takes as given: commands before its own, and texts for those of the reader."""

    before: str = ""
    texts: dict[str, str] = field(default_factory=dict)


# What stands in scripts for the reader's own addresses.
_ADDRESSES = re.compile(r"(?:https://(?:shop|queue)\.example|http://127\.0\.0\.1:8080)(?![.\w])")
# Names that several pages use, each for a thing of its own.
_NAMES = re.compile(r"(?<![\w./-])(drop|mug|shop|night)(?![\w./])|(?<=/rooms/)(drop)(?![\w.])")
# The page on files begins with one.
_FILE = next(b.text for b in blocks("toml") if b.page == "docs/integrate/rooms-as-files.md")
SCENES = {
    "README.md": Scene(before=_VENV),
    "docs/how-it-works/draw-and-log.md": Scene(texts={"rooms/drop": "rooms/autumn-drop"}),
    "docs/integrate.md": Scene(before=_ROOM + _KEY.format(scopes="figures")),
    "docs/integrate/assistant.md": Scene(before=_ROOM),
    "docs/integrate/api.md": Scene(
        before=_ROOM
        + "waitroom sku add mug --room drop --name Mug --price 22.00\n"
        + _KEY.format(scopes="figures --scope stock"),
        texts={"skus/mug/": "skus/mug-integrate-api/"},
    ),
    "docs/integrate/known-user.md": Scene(before=_ROOM + _KEY.format(scopes="rooms")),
    "docs/integrate/rooms-as-files.md": Scene(
        before="cat > rooms.toml <<'END'\n" + _FILE + "END\n",
        texts={
            "2027-03-01T18:00:00+01:00": SOON,
            # The demonstration has a mug.
            "products.mug": "products.cup",
            "mug-blue": "cup-blue",
            "WAITROOM_KEY=wrk_…": "WAITROOM_KEY=$(waitroom key add f --scope rooms --scope stock)",
        },
    ),
    "docs/integrate/stock-elsewhere.md": Scene(before=_KEY.format(scopes="stock")),
    "docs/run-the-night.md": Scene(
        before=_ROOM + "waitroom room status drop open\n",
        texts={
            "--new-password": "--new-password < typed",
            '"a rehearsal"': '"a rehearsal" <<< drop',
        },
    ),
    "docs/sell.md": Scene(
        before=_VENV,
        texts={"2026-11-22T19:00:00+01:00": SOON},
    ),
    "docs/sell/catalogue.md": Scene(before=_KEY.format(scopes="stock")),
    "docs/sell/who-may-join.md": Scene(
        before="waitroom room create members --name Room\n"
        "printf 'name\\nAda\\n' > members.csv\n" + _KEY.format(scopes="rooms") + "curl -X PUT -H "
        '"Authorization: Bearer $WAITROOM_KEY" -H "Content-Type: application/json" '
        "-d '{\"share\": 1}' https://queue.example/admin/rooms/members/lanes/vip\n",
        texts={"invite ROOM": "invite members", "2026-12-01T18:00:00+01:00": SOON},
    ),
    # Its own engines and its own secrets: a folder of its own stands for the machine.
    "docs/start.md": Scene(
        before="export HOME=$PWD\n",
        texts={
            "postgresql://waitroom:…@db.example.com/waitroom": "$POSTGRES",
            "redis://cache.example.com:6379/0": "$VALKEY",
        },
    ),
}


def reason(block: Block) -> str:
    """Return why a block is not run, "" for one that is."""
    found = (
        why
        for (page, first), why in NOT_RUN.items()
        if page == block.page and f"{block.first}  ".startswith(first)
    )
    return next(found, "")


def script_of(page: str, url: str) -> str:
    """Return what a page is typed as: its scene, and then its own commands in their order."""
    scene = SCENES.get(page, Scene())
    own = "\n".join(one.text for one in blocks("sh") if one.page == page and not reason(one))
    text = f"{scene.before}\n{own}"
    for given, ours in scene.texts.items():
        text = text.replace(given, ours)
    if page != "README.md":
        slug = re.sub(r"\W+", "-", page.removeprefix("docs/").removesuffix(".md"))
        text = _NAMES.sub(lambda found: f"{found[0]}-{slug}", text)
        text = text.replace("key add docs", f"key add {slug}")
    return _ADDRESSES.sub(url, text)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with quick_program(tmp_path_factory.mktemp("quick")) as folder:
        yield folder


async def test_the_commands_of_every_page_work_as_they_are_written(
    program: Callable[..., Awaitable[Running]], quick: Path, tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": ""}
    running = await program("up", "--demo", **home)
    engines = running_engines(tmp_path / ".local" / "share" / "waitroom")
    assert engines is not None
    found = {"POSTGRES": str(engines.postgres_owner_url), "VALKEY": str(engines.valkey_url)}
    base = {"PATH": f"{quick}:/usr/bin:/bin", **home, **found, "WAITROOM_SIGNING_KEYS": KEY}
    (tmp_path / "csv").mkdir()
    pages = dict.fromkeys(block.page for block in blocks("sh") if not reason(block))

    async def typed(page: str) -> str:
        folder = tmp_path / "pages" / page
        folder.mkdir(parents=True)
        (folder / "typed").write_text(TYPED)
        done = await asyncio.to_thread(run, script_of(page, running.url), folder, base)
        return f"{page}: {done.stderr[-800:]}" if done.returncode else ""

    failed = [one for one in await asyncio.gather(*map(typed, pages)) if one]

    assert len(pages) > 8
    assert not failed, "\n".join(failed)
    await all_know(running, "prints")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{running.url}/inventory/skus?room=prints") as answer,
    ):
        (sku,) = (await answer.json())["skus"]
    assert (sku["sku"], sku["price_minor"], sku["available"]) == ("harbour", 4500, 25)
    await _files_and_sql(engines, base, tmp_path / "csv")


def run(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script as a careful person would: the first command that fails ends it."""
    return subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", f"{CURL}\n{script}"],
        cwd=folder,
        env=environment,
        input=TYPED,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


async def _files_and_sql(engines: EngineUrls, base: dict[str, str], folder: Path) -> None:
    """Import every sample of a file in a dry run, and run the SQL in a transaction that ends."""
    for number, block in enumerate(blocks("csv")):
        (folder / "file.csv").write_text(block.text.replace("harbour", f"csv-{number}"))
        command = "waitroom catalogue import prints file.csv --dry-run"
        done = await asyncio.to_thread(run, command, folder, base)
        assert done.returncode == 0, (block.place, done.stderr)
    # The SQL is for the database's administrator.
    connection = await asyncpg.connect(
        str(engines.postgres_owner_url).replace("waitroom@", "postgres@")
    )
    try:
        for block in blocks("sql"):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(
                re.sub(r"(?<!DATABASE )\bwaitroom\b", "waitroom_docs", block.text)
            )
            await transaction.rollback()
    finally:
        await connection.close()


def test_every_block_that_is_not_run_is_there_and_its_commands_are_understood() -> None:
    found = [block for block in blocks("sh") if reason(block)]

    assert {(page, first) for page, first in NOT_RUN} == {
        (page, first)
        for page, first in NOT_RUN
        for block in found
        if page == block.page and f"{block.first}  ".startswith(first)
    }
    for block in found:
        for line in block.text.splitlines():
            program_name, *arguments = shlex.split(line.replace("…", "x"), comments=True) or [""]
            if program_name.endswith("waitroom"):
                parse(arguments)


def parse(arguments: list[str]) -> None:
    """Let the program read arguments, without running anything; raises `click.UsageError`."""
    command: click.Command = main
    context = click.Context(main, info_name="waitroom")
    while isinstance(command, click.Group):
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
        context = click.Context(found, parent=context, info_name=name)
    command.parse_args(context, arguments)

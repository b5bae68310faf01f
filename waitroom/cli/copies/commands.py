"""`waitroom backup`, `restore` and `restored`."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from inventory.kit.database import open_pool
from waitroom.cli.copies.dump import dump, load
from waitroom.cli.options import OUTPUT_FILE, beside_up, fail, load_for, plainly, settings_options
from waitroom.cli.up import prepare_database, with_engines
from waitroom.line.state import RoomState, decode_state
from waitroom.run.settings import Settings
from waitroom.store.line_store import LineStore
from waitroom.store.memory import Memory
from waitroom.store.place_store import LineOfCopy, PlaceStore

REASON = "The database was brought back from an older copy."
# Documents are written once a second, and the last joins may be missing in the last of them.
SPARE_SHARE, SPARE_MIN = 0.1, 20

spare_option = click.option(
    "--spare",
    type=click.IntRange(0, 1_000_000),
    help="How many numbers a line may have given since the copy, at most, where nothing tells.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """A server's major version, the schema of the tables, and whether there are any."""

    major: int
    schema: str
    has_tables: bool


@click.command()
@settings_options
@click.argument("file", type=OUTPUT_FILE)
@plainly
def backup(file: Path, config: Path | None, **overrides: Any) -> None:
    """Copy the database into FILE, as of one moment; a sale may go on meanwhile."""
    settings = beside_up(load_for(config, **overrides))
    with ExitStack() as stack:
        settings, _ = with_engines(settings, stack)
        url = _owner_url(settings)
        server = asyncio.run(_look(url))
        if not server.has_tables:
            fail("this database has no tables of waitroom: there is nothing to copy")
        dump(url, file, major=server.major, schema=server.schema)
    click.echo(f"copied the database into {file} ({file.stat().st_size:,} bytes)")
    click.echo(
        f"keep {settings.secrets_path} with it: without its keys no ticket, session or order link "
        "is good",
        err=True,
    )


@click.command()
@settings_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@spare_option
@plainly
def restore(file: Path, spare: int | None, config: Path | None, **overrides: Any) -> None:
    """Bring FILE back into an empty database, and pause its rooms; the service must not run."""
    settings = load_for(config, **overrides)
    with ExitStack() as stack:
        settings, _ = with_engines(settings, stack)
        url = _owner_url(settings)
        server = asyncio.run(_look(url))
        if server.has_tables:
            fail(
                "this database has tables already: name an empty one with --postgres-url, or a new "
                "folder with --data-dir"
            )
        load(url, file, major=server.major, schema=server.schema)
        asyncio.run(prepare_database(settings))
        asyncio.run(_take_up(settings, spare))


@click.command()
@settings_options
@spare_option
@plainly
def restored(spare: int | None, config: Path | None, **overrides: Any) -> None:
    """Say that the database is older than what shoppers were told: pause rooms, keep numbers.

    For a database that was brought back by other means than `waitroom restore`, or a standby that
    took over without the last writes. The service may run.
    """
    settings = beside_up(load_for(config, **overrides))
    with ExitStack() as stack:
        settings, _ = with_engines(settings, stack)
        asyncio.run(_take_up(settings, spare))


def _owner_url(settings: Settings) -> str:
    return settings.postgres_owner_url or settings.postgres_url


async def _look(url: str) -> _Server:
    pool = await open_pool(url, size_max=1)
    try:
        async with pool.acquire() as connection:
            row = await connection.fetchrow(
                """SELECT current_setting('server_version_num')::int / 10000 AS major,
                          current_schema()::text AS schema, to_regclass('migration') IS NOT NULL
                          AS has_tables"""
            )
    finally:
        await pool.close()
    assert row is not None
    return _Server(**dict(row))


async def _take_up(settings: Settings, spare: int | None) -> None:
    """Pause every room whose sale is not over, and let numbers stand that were given meanwhile."""
    memory = Memory(settings.valkey_url)
    pool = await open_pool(settings.postgres_url, size_max=1, pooler=settings.postgres_pooler)
    try:
        store, numbers = PlaceStore(pool), LineStore(pool)
        rooms = await store.rooms_to_restore()
        documents = await memory.states(rooms)
        unknown: list[str] = []
        for room in rooms:
            lines = await store.note_restored(room, who="waitroom restored", reason=REASON)
            told = decode_state(documents[room]) if room in documents else None
            unknown += [
                f"{room}, line {line.line}"
                for line in lines
                if not await _take_up_line(numbers, room, line, _last_of(told, line), spare)
            ]
    finally:
        await pool.close()
        await memory.close()
    if not rooms:
        click.echo("no sale is under way: nothing to do")
        return
    click.echo(
        "Every room that was open is paused. Compare the payments before you open it ("
        "docs/run-the-night.md, Copies of the database).",
        err=True,
    )
    if unknown:
        fail(
            f"nothing tells how far {'; '.join(unknown)} had come. Run `waitroom restored --spare "
            "N` with the most numbers that may have been given since the copy"
        )


def _last_of(told: RoomState | None, line: LineOfCopy) -> tuple[int, int] | None:
    """Return the last number and the last entry that Valkey's document has, None for none."""
    for each in told.lines if told is not None else ():
        if each.line == line.line:
            return each.tail, each.entries
    return None


def _spare_of(reached: int, before: int) -> int:
    """Return how many numbers more may have been given than the last document tells."""
    return max(round((reached - before) * SPARE_SHARE), SPARE_MIN) if reached else 0


async def _take_up_line(
    store: LineStore,
    room: str,
    line: LineOfCopy,
    told: tuple[int, int] | None,
    spare: int | None,
) -> bool:
    """Let the numbers of one line stand; return False if nothing tells how far it had come."""
    last = (line.last_number, line.last_entry)
    known = told if told is not None and told >= last else None
    if known is None and spare is None:
        click.echo(f"{room}: line {line.line} has {line.last_number} numbers in this copy")
        return False
    for entered in (False, True):
        before = last[entered]
        reached = max(known[entered], before) if known is not None else before
        extra = spare if spare is not None else _spare_of(reached, before)
        stands = await store.take_up(line.line_id, upto=reached + extra, entered=entered)
        if stands is not None and stands > before:
            what = "entry" if entered else "number"
            click.echo(f"{room}: line {line.line} goes on after {what} {stands} (copy: {before})")
    return True

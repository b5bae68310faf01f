"""`waitroom apply` and `waitroom export`: rooms as files."""

import asyncio
import difflib
import math
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Protocol

import click
import msgspec
import tomli_w

from inventory.kit.database import Pool
from inventory.kit.doors.decoding import Json
from inventory.kit.problem import Refusal
from waitroom.admin.rooms.files.room_file import faults, wanted_json
from waitroom.admin.rooms.files.room_file_store import RoomFileStore
from waitroom.cli.options import fail, load_for, plainly, settings_options, with_pool
from waitroom.client.answers import AppliedFile, FileChange
from waitroom.client.http_client import HttpClient
from waitroom.client.operator_client import OperatorClient
from waitroom.client.problem import NoAnswer, Problem
from waitroom.desk.shards.homes import Founding
from waitroom.desk.shards.shard_map import ShardMap

# TOML has no null, so a file says that there is no limit, or no moment, in a word.
NONE = "none"
NULLABLE = frozenset(
    {
        *(
            "calls_per_minute",
            "order_units_max",
            "places_per_address_max",
            "opens_at",
            "closes_at",
            "doors_at",
        ),
        *("public_value_source", "limit_per_order", "limit_per_customer", "places_max"),
        *("on_sale_from", "on_sale_until"),
    }
)
# A text longer than this is cut in the list of changes, but not in JSON.
SHOWN_MAX = 60


class Unfit(Exception):
    """Parts of a file that were refused, one line each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Rooms(Protocol):
    """A service whose rooms are read and changed: over HTTP, or by its database."""

    async def file_json(self, room: str) -> Json: ...

    async def apply(self, room: str, document: Json, *, dry_run: bool) -> AppliedFile: ...


class _ByDatabase:
    """The rooms of the service beside whose database the command runs."""

    def __init__(self, pool: Pool, shards: ShardMap) -> None:
        self._files = RoomFileStore(pool, Founding(shards).check)

    async def file_json(self, room: str) -> Json:
        return await self._files.file_json(room)

    async def apply(self, room: str, document: Json, *, dry_run: bool) -> AppliedFile:
        wanted = wanted_json(document)
        return await self._files.apply(room, wanted, who="cli", may_make=True, dry_run=dry_run)


def _service_options(command: Any) -> Any:
    for option in (
        click.option(
            "--key", envvar="WAITROOM_KEY", help="An API key with the scopes rooms and stock."
        ),
        click.option(
            "--url",
            envvar="WAITROOM_URL",
            help="The service's address; without it the command uses the database.",
        ),
    ):
        command = option(command)
    return settings_options(command)


@click.command()
@_service_options
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each room.")
@plainly
def apply(
    *,
    files: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
    url: str | None,
    key: str | None,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Bring rooms to FILES (TOML), and tell each change. Applied again, they change nothing."""

    async def run(rooms: Rooms) -> list[AppliedFile]:
        documents = _read_all(files)
        # Every room is tried before one is changed: a refusal leaves all of them as they are.
        tried = [await _apply(rooms, one, dry_run=True) for one in documents]
        if dry_run or not any(one.changes for one in tried):
            return [msgspec.structs.replace(one, dry_run=dry_run) for one in tried]
        return [await _apply(rooms, one, dry_run=False) for one in documents]

    try:
        applied = _with_rooms(run, url=url, key=key, config=config, overrides=overrides)
    except Unfit as unfit:
        for line in unfit.lines:
            click.echo(f"waitroom: {line}", err=True)
        fail("nothing was changed")
    _tell(applied, as_json=as_json)


@click.command()
@_service_options
@click.argument("rooms", nargs=-1, required=True)
@plainly
def export(
    *,
    rooms: tuple[str, ...],
    url: str | None,
    key: str | None,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Print ROOMS as a file that `waitroom apply` takes. It has all their rules, and no stock."""

    async def run(service: Rooms) -> Json:
        return {room: _as_toml(await service.file_json(room)) for room in rooms}

    found = _with_rooms(run, url=url, key=key, config=config, overrides=overrides)
    click.echo(tomli_w.dumps({"rooms": found}), nl=False)


def _with_rooms(use: Any, *, url: str | None, key: str | None, config: Any, overrides: Any) -> Any:
    """Run `use` with the rooms of a service: the one at `url`, or the one of a database."""
    if url is None:
        shards = load_for(config, **overrides).shard_map
        return with_pool(config, overrides, lambda pool: use(_ByDatabase(pool, shards)))
    if not key:
        fail("give an API key with --key or WAITROOM_KEY; an admin makes one at /admin/keys")

    async def run() -> Any:
        async with HttpClient(url) as http:
            return await use(OperatorClient(http, key=key))

    try:
        return asyncio.run(run())
    except Problem as problem:
        fail(problem.detail)
    except NoAnswer as silence:
        fail(f"no answer from {url}: {silence}")


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """A room of a file: the file's name for messages, the room, and its keys."""

    file: str
    room: str
    said: dict[str, Any]


async def _apply(rooms: Rooms, one: _Document, *, dry_run: bool) -> AppliedFile:
    try:
        return await rooms.apply(one.room, one.said, dry_run=dry_run)
    except (Problem, Refusal) as refused:
        members = refused.members if isinstance(refused, Problem) else refused.fields
        at = str(members.get("at") or members.get("field") or "")
        raise Unfit([_line(one.file, one.room, at, refused.detail)]) from refused


def _read_all(files: Sequence[Path]) -> list[_Document]:
    """Return the rooms of all files; raises `Unfit` with every fault that needs no service."""
    documents: list[_Document] = []
    lines: list[str] = []
    for file in files:
        try:
            said = tomllib.loads(file.read_bytes().decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            lines.append(f"{file}: it is not valid TOML: {error}")
            continue
        lines += [_line(str(file), "", name, _unknown(name)) for name in said if name != "rooms"]
        rooms = said.get("rooms")
        if not isinstance(rooms, dict) or not rooms:
            lines.append(f"{file}: it has no [rooms.NAME]")
            continue
        for room, keys in rooms.items():
            document, found = _read_room(str(file), room, keys)
            documents.append(document)
            lines += found
    lines += _told_twice(documents)
    if lines:
        raise Unfit(lines)
    return documents


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, ["rooms"])
    return "a file has [rooms.NAME] alone at its top" + ("; did you mean rooms?" if near else "")


def _read_room(file: str, room: str, keys: Any) -> tuple[_Document, list[str]]:
    if not isinstance(keys, dict):
        return _Document(file=file, room=room, said={}), [_line(file, room, "", "it is no table")]
    said: Json = _as_json(keys, "")
    lines = [_line(file, room, key, sentence) for key, sentence in faults(said)]
    return _Document(file=file, room=room, said=said), lines


def _told_twice(documents: Sequence[_Document]) -> Iterator[str]:
    """Yield a line for each room, and each SKU, that stands in two places."""
    seen: dict[tuple[str, str], str] = {}
    for one in documents:
        products = one.said.get("products")
        skus = [
            sku
            for product in (products.values() if isinstance(products, dict) else ())
            if isinstance(product, dict) and isinstance(product.get("skus"), dict)
            for sku in product["skus"]
        ]
        for thing in [("room", one.room), *(("SKU", sku) for sku in skus)]:
            if thing in seen:
                yield _line(one.file, one.room, "", f"the {thing[0]} {thing[1]} stands twice")
            seen[thing] = one.room


def _line(file: str, room: str, key: str, sentence: str) -> str:
    place = ", ".join(part for part in (room and f"room {room}", key) if part)
    return " ".join(f"{file}: {place + ': ' if place else ''}{sentence}".split())


def _as_json(value: Any, name: str) -> Any:
    """Return a value of TOML as the API takes it."""
    if isinstance(value, dict):
        return {key: _as_json(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_json(one, "") for one in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return None if value == NONE and name in NULLABLE else value


def _as_toml(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_toml(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_toml(one) for one in value]
    return NONE if value is None else value


def _tell(applied: Sequence[AppliedFile], *, as_json: bool) -> None:
    if as_json:
        for one in applied:
            click.echo(msgspec.json.encode(one))
        return
    for one in applied:
        if one.changes:
            click.echo(f"{one.room}{' (a new room)' if one.created else ''}")
        for change in one.changes:
            click.echo(f"  {_shown(change)}")
    count = sum(len(one.changes) for one in applied)
    rooms = sum(bool(one.changes) for one in applied)
    if not count:
        click.echo("Nothing to change: the rooms are as the files say.")
        return
    words = f"{count} change{'s' * (count != 1)} in {rooms} room{'s' * (rooms != 1)}"
    dry = applied[0].dry_run
    click.echo(
        f"{words}, and nothing was changed: this was a dry run." if dry else f"{words} made."
    )


def _shown(change: FileChange) -> str:
    now = _short(change.now)
    if change.was is msgspec.UNSET:
        return f"+ {change.key} = {now}"
    return f"~ {change.key}: {_short(change.was)} → {now}"


def _short(value: Any) -> str:
    text = NONE if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"

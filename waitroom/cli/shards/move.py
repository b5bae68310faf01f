"""`waitroom move`: a room goes from one shard to another, between sales."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from inventory.kit.servers.servers import connect_once
from waitroom.cli.options import beside_up, load_for, plainly, settings_options
from waitroom.run.addresses import EMBEDDED
from waitroom.run.settings import Settings, SettingsError
from waitroom.store.shards.moving import CannotMove, Connection, lives_in, move


@click.command(name="move")
@settings_options
@click.argument("room")
@click.option("--to", required=True, help="The shard that gets the room.")
@plainly
def move_room(config: Path | None, *, room: str, to: str, **overrides: Any) -> None:
    """Move ROOM to another shard, between two sales.

    If it breaks off, the same command ends it. Orders stay where they were made.
    """
    settings = beside_up(load_for(config, **overrides))
    if to not in settings.shards:
        known = ", ".join(sorted(settings.shards)) or "none, for the settings name none"
        raise SettingsError(f"there is no shard {to}; the shards are {known}")
    click.echo(asyncio.run(_move(settings, room, to)))
    given = settings.shard_map.shard_of(room)
    if given != to:
        click.echo(f"the settings still give it to the shard {given}: change `rooms` there")


async def _move(settings: Settings, room: str, to: str) -> str:
    """Move a room from where it is; return what became of it."""
    address = f"{settings.shards[to].public_url}/rooms/{room}"
    async with AsyncExitStack() as stack:
        target = await _database_of(settings, to, stack)
        # Another shard is asked only if need be: it may be away.
        others = sorted(settings.shards.keys() - {to}, key=lambda name: name != settings.shard)
        for name in others:
            source = await _database_of(settings, name, stack)
            if await lives_in(source, room, on_its_way_to=to):
                try:
                    await move(source, target, room=room, to=to, who="cli")
                except CannotMove as error:
                    raise SettingsError(str(error)) from error
                return f"the room {room} has moved from {name} to {to}: {address}"
        if await lives_in(target, room):
            return f"the room {room} is in the shard {to} already: {address}"
    raise SettingsError(f"no shard has a room {room}")


async def _database_of(settings: Settings, name: str, stack: AsyncExitStack) -> Connection:
    url = settings.shards[name].postgres_url
    if name == settings.shard:
        url = settings.postgres_url
    if url in {"", EMBEDDED}:
        raise SettingsError(
            f"this machine does not know the postgres_url of the shard {name}: give it in the "
            "settings, or start `waitroom up` if its engines are embedded"
        )
    # A pooler may know no prepared statements.
    opened = await connect_once(url, statement_cache_size=0)
    stack.push_async_callback(opened.close)
    return opened

"""`waitroom keygen`: the signing keys, made, rotated and retired beside a running program."""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from inventory.kit.database import Pool
from waitroom.cli.options import (
    WholeNumber,
    beside_up,
    load_for,
    plainly,
    settings_options,
    with_pool,
)
from waitroom.run.addresses import EMBEDDED
from waitroom.run.keys.key_store import Process, SigningKeys, shown_id
from waitroom.run.keys.secrets_file import (
    add_coming_key,
    generate_secrets,
    let_coming_key_sign,
    retire_oldest_key,
)
from waitroom.run.settings import Overrides, Settings, SettingsError, load_secrets, read_secrets

LOOK_EVERY_S = 0.5


@click.command()
@settings_options
@click.option("--rotate", is_flag=True, help="Add a key and let it sign; older keys stay accepted.")
@click.option("--retire", is_flag=True, help="Drop the oldest key, if nothing alive needs it.")
@click.option("--anyway", is_flag=True, help="With --retire: also if something does.")
@click.option("--show", is_flag=True, help="Show the keys by their ids, and the processes.")
@click.option(
    "--within",
    "within_s",
    type=WholeNumber(0, 3600),
    default=120,
    show_default=True,
    help="With --rotate: the seconds in which every process has to accept the key.",
)
@plainly
def keygen(
    *,
    config: Path | None,
    rotate: bool,
    retire: bool,
    anyway: bool,
    show: bool,
    within_s: int,
    **overrides: Any,
) -> None:
    """Make the secrets file, with the key that signs tickets and sessions."""
    if rotate + retire + show > 1 or (anyway and not retire):
        raise SettingsError(
            "give one of --rotate, --retire and --show; --anyway goes with --retire"
        )
    settings = load_for(config, **overrides)
    path = settings.secrets_path
    if not (rotate or retire or show):
        generate_secrets(path)
        click.echo(f"{path} holds 1 key")
        return
    if (rotate or retire) and os.environ.get("WAITROOM_SIGNING_KEYS"):
        raise SettingsError(
            "the signing keys come from WAITROOM_SIGNING_KEYS, so no file is changed; "
            "docs/start.md says how to rotate them there"
        )
    if rotate:
        add_coming_key(path)
        if beside_up(settings).postgres_url != EMBEDDED:
            for own in _of_each_shard(settings, overrides):
                with_pool(config, own, lambda pool: _all_accept(pool, path, within_s=within_s))
        made = let_coming_key_sign(path)
        click.echo(f"{path} holds {len(made.signing_keys)} keys; the new one signs")
    elif retire:
        _retire(config, _of_each_shard(settings, overrides), path, anyway=anyway)
    else:
        keys = load_secrets(settings).keys
        found = [
            one
            for own in _of_each_shard(settings, overrides)
            for one in with_pool(config, own, lambda pool: SigningKeys(pool).processes())
        ]
        click.echo(
            "\n".join([*map(_key_line, enumerate_roles(keys)), *_process_lines(found, keys)])
        )


async def _all_accept(pool: Pool, path: Path, *, within_s: int) -> None:
    """Wait until every running process accepts the coming key; raises `SettingsError` if not."""
    coming = bytes.fromhex(read_secrets(path).coming_key)
    store, until = SigningKeys(pool), time.monotonic() + within_s
    while late := [one for one in await store.processes() if not one.accepts(coming)]:
        if time.monotonic() > until:
            names = ", ".join(map(str, late))
            raise SettingsError(
                f"the new key waits, and does not sign yet: {names} must read {path} first. Copy "
                "it to machines that lack it, restart processes without a supervisor, and run the "
                "command again"
            )
        await asyncio.sleep(LOOK_EVERY_S)


def _of_each_shard(settings: Settings, overrides: Overrides) -> list[Overrides]:
    """Return the overrides for each shard: all of them have the same keys."""
    return [{**overrides, "shard": name} for name in settings.shards] or [overrides]


def _retire(config: Path | None, of_shards: list[Overrides], path: Path, *, anyway: bool) -> None:
    keys = read_secrets(path).signing_keys
    if len(keys) == 1:
        raise SettingsError(f"{path} holds one key, which signs: `waitroom keygen --rotate` first")
    oldest = bytes.fromhex(keys[0])

    async def look(pool: Pool) -> list[str]:
        store = SigningKeys(pool)
        signing = [str(one) for one in await store.processes() if one.signs_with(oldest)]
        needs = [f"{name} signs with it" for name in signing]
        return needs + await store.needs_of(oldest, now=datetime.now(UTC))

    needs = [need for own in of_shards for need in with_pool(config, own, look)]
    if needs and not anyway:
        raise SettingsError(f"the oldest key is needed: {'; '.join(needs)}")
    made = retire_oldest_key(path)
    click.echo(
        "\n".join([*(f"ended: {need}" for need in needs), _held(path, len(made.signing_keys))])
    )


def _held(path: Path, count: int) -> str:
    return f"{path} holds {count} key{'' if count == 1 else 's'}"


def enumerate_roles(keys: list[bytes]) -> list[tuple[bytes, str]]:
    """Return each key once, oldest first, with what it does."""
    known = list(dict.fromkeys(keys))
    return [(key, "signs" if key == keys[-1] else "is accepted") for key in known]


def _key_line(key_and_role: tuple[bytes, str]) -> str:
    key, role = key_and_role
    return f"key {shown_id(key).hex()} {role}"


def _process_lines(processes: list[Process], keys: list[bytes]) -> list[str]:
    """Return a line for each process, with the keys of the file that it lacks."""
    lines = []
    for one in processes:
        lacking = [shown_id(key).hex() for key in dict.fromkeys(keys) if not one.accepts(key)]
        lines.append(f"{one} {'lacks ' + ', '.join(lacking) if lacking else 'has every key'}")
    return lines or ["no process runs"]

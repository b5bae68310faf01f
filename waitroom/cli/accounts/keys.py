"""`waitroom key`: the API keys of programs, for the owner of the machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from waitroom.admin.accounts.keys import KeyStore, ListedKey, NewKey
from waitroom.admin.accounts.scopes import SCOPES, SCOPES_MAY
from waitroom.cli.accounts.noting import noting
from waitroom.cli.options import NOTE, WholeNumber, plainly, settings_options, with_pool

DAYS_MAX = 3650


@click.group()
def key() -> None:
    """Make API keys for programs, list and end them."""


@key.command(name="add", epilog=" ".join(f"{name}: {may}" for name, may in SCOPES_MAY.items()))
@settings_options
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="A scope; give the option once for each.",
)
@click.option("--room", "rooms", multiple=True, help="The only room in which it works; repeatable.")
@click.option("--days", type=WholeNumber(1, DAYS_MAX), help="The days after which it expires.")
@plainly
def key_add(
    *,
    name: str,
    scopes: tuple[str, ...],
    rooms: tuple[str, ...],
    days: int | None,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Make an API key and print it. It is shown this once."""
    now = datetime.now(UTC)
    new = NewKey(
        name=name,
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        rooms=rooms or None,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    secret = with_pool(
        config,
        overrides,
        noting(
            lambda pool: KeyStore(pool).add(new, maker=None, now=now),
            "key_added",
            key=name,
            scopes=new.scopes,
            rooms=new.rooms,
        ),
    )
    click.echo(secret)


@key.command(name="list")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each key.")
@plainly
def key_list(as_json: bool, config: Path | None, **overrides: Any) -> None:  # noqa: FBT001 - a flag
    """List the keys with their scopes, rooms and last use."""
    found = with_pool(config, overrides, lambda pool: KeyStore(pool).keys())
    if not as_json:
        click.echo(f"{'name':<24} {'state':<8} {'last used':<17} scopes and rooms")
    for one in found:
        click.echo(msgspec.json.encode(one) if as_json else _line(one))


def _line(one: ListedKey) -> str:
    state = "ended" if one.ended_at else "expired" if one.expired else "in force"
    used = f"{one.last_used_at.astimezone(UTC):%Y-%m-%d %H:%MZ}" if one.last_used_at else "never"
    rooms = f" in {', '.join(one.rooms)}" if one.rooms else ""
    return f"{one.name:<24} {state:<8} {used:<17} {', '.join(one.scopes)}{rooms}"


@key.command(name="end")
@settings_options
@click.argument("name")
@click.option("--reason", type=NOTE, default="", help="The reason, for the record.")
@plainly
def key_end(name: str, reason: str, config: Path | None, **overrides: Any) -> None:
    """End a key at once."""
    ended = with_pool(
        config,
        overrides,
        noting(
            lambda pool: KeyStore(pool).end(name=name, who="cli", reason=reason),
            "key_ended",
            key=name,
        ),
    )
    click.echo(f"{name}: {'ended' if ended else 'had ended before'}")

"""`waitroom room`: make rooms and run them."""

import difflib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from inventory.kit.database import Pool
from inventory.kit.doors.texts import is_visible
from inventory.money import DEFAULT_CURRENCY
from waitroom.admin.bodies import NewRoom, RoomChange
from waitroom.cli.invite import invite
from waitroom.cli.options import (
    MOMENT,
    NOTE,
    PUBLISHED,
    checked,
    fail,
    load_for,
    plainly,
    settings_options,
    with_pool,
)
from waitroom.desk.shards.homes import Founding
from waitroom.refusals import NoDrawWaits
from waitroom.store.archive_store import ArchiveStore
from waitroom.store.draw_store import DrawStore
from waitroom.store.room_store import RoomStore

RULES = RoomChange.__struct_fields__[:-1]


@click.group()
def room() -> None:
    """Make rooms and run them."""


@room.command(name="create")
@settings_options
@click.argument("room")
@click.argument("rules", nargs=-1, metavar="[RULE=VALUE]...")
@click.option("--name", required=True, help="The name that shoppers read.")
@click.option("--like", metavar="ROOM", help="A room whose rules, lanes and sellers it gets.")
@click.option(
    "--currency",
    help="The ISO 4217 code of the room's currency, for good; default: that of "
    f"the room it is like, or {DEFAULT_CURRENCY}.",
)
@click.option("--opens-at", type=MOMENT, help="The moment at which the sale opens by itself.")
@click.option("--closes-at", type=MOMENT, help="The moment at which it ends by itself.")
@click.option("--doors-at", type=MOMENT, help="The moment from which shoppers take places.")
@click.option("--draw", is_flag=True, help="Draw the order of all who come before the opening.")
@click.option(
    "--policy",
    type=click.Choice(["expected", "guaranteed", "rate"]),
    help="How shoppers are called; default: expected.",
)
@plainly
def room_create(
    *,
    room: str,
    rules: Sequence[str],
    name: str,
    like: str | None,
    currency: str | None,
    opens_at: datetime | None,
    closes_at: datetime | None,
    doors_at: datetime | None,
    draw: bool,
    policy: str | None,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Make ROOM, which then waits to be opened. A rule is such as seats_max=50."""
    options = {
        "opens_at": opens_at,
        "closes_at": closes_at,
        "doors_at": doors_at,
        "order_by": "draw" if draw else None,
        "policy": policy,
    }
    given = {rule: value for rule, value in options.items() if value is not None}
    pairs = _pairs(rules)
    for rule in given.keys() & pairs.keys():
        fail(f"{rule} is given twice")
    chosen = {} if currency is None else {"currency": currency}
    made = checked(NewRoom, room=room, name=name, copy_of=like, **chosen)
    wanted = _encoded(checked(RoomChange, **given, **pairs))
    founding = Founding(load_for(config, **overrides).shard_map)
    with_pool(
        config,
        overrides,
        lambda pool: RoomStore(pool, founding.check).create(
            made.room,
            made.name,
            rules=wanted,
            who="cli",
            currency=made.currency or None,
            like=made.copied(),
        ),
    )


@room.command(name="set")
@settings_options
@click.argument("room")
@click.argument("rules", nargs=-1, required=True, metavar="RULE=VALUE...")
@click.option("--reason", type=NOTE, default="", help="The reason, for the record.")
@plainly
def room_set(
    room: str, rules: Sequence[str], reason: str, config: Path | None, **overrides: Any
) -> None:
    """Change rules of ROOM, such as seats_max=50 or calls_per_minute=none."""
    wanted = _encoded(checked(RoomChange, **_pairs(rules)))
    with_pool(
        config,
        overrides,
        lambda pool: RoomStore(pool).change(room, wanted, who="cli", reason=reason),
    )


@room.command(name="show")
@settings_options
@click.argument("room")
@plainly
def room_show(room: str, config: Path | None, **overrides: Any) -> None:
    """Print the status of ROOM, and its rules in the form that `set` takes."""
    rules = with_pool(config, overrides, lambda pool: RoomStore(pool).read(room))
    click.echo(f"# {rules.status}\n# sells in {rules.currency}")
    for rule in RULES:
        click.echo(f"{rule}={_text(getattr(rules, rule))}")


@room.command(name="status")
@settings_options
@click.argument("room")
@click.argument("status", type=click.Choice(["open", "paused", "ended"]))
@click.option("--reason", type=NOTE, default="", help="The reason, for the record.")
@plainly
def room_status(room: str, status: str, reason: str, config: Path | None, **overrides: Any) -> None:
    """Open, pause or end ROOM."""
    before = with_pool(
        config,
        overrides,
        lambda pool: RoomStore(pool).set_status(room, status, who="cli", reason=reason),
    )
    click.echo(f"{room}: {before} → {status}")


@room.command(name="sellers")
@settings_options
@click.argument("room")
@plainly
def room_sellers(room: str, config: Path | None, **overrides: Any) -> None:
    """List the sellers of ROOM: those it admits, and those who have SKUs there without it."""
    for found in with_pool(config, overrides, lambda pool: RoomStore(pool).sellers(room)):
        word = "admitted" if found.admitted else "not admitted"
        click.echo(f"{found.seller}: {word}, {found.available} units available")


@room.command(name="admit")
@settings_options
@click.argument("room")
@click.argument("seller")
@click.option("--withdraw", is_flag=True, help="End the admission.")
@click.option("--reason", type=NOTE, default="", help="The reason, for the record.")
@plainly
def room_admit(
    room: str, seller: str, *, withdraw: bool, reason: str, config: Path | None, **overrides: Any
) -> None:
    """Admit SELLER to ROOM: their SKUs are sold there from now on, and calls count on them."""
    with_pool(
        config,
        overrides,
        lambda pool: RoomStore(pool).admit(
            room, seller, admitted=not withdraw, who="cli", reason=reason
        ),
    )
    click.echo(f"{room}: {seller} is {'withdrawn' if withdraw else 'admitted'}")


@room.command(name="reset")
@settings_options
@click.argument("room")
@click.option("--confirm", help="The name of the room once more; without it the command asks.")
@click.option("--reason", type=NOTE, required=True, help="The reason, for the record.")
@plainly
def room_reset(
    room: str, confirm: str | None, reason: str, config: Path | None, **overrides: Any
) -> None:
    """Start the line of ROOM over. Everyone in line loses their place; shoppers inside stay."""
    if (confirm or click.prompt(f"Type {room} to start its line over")) != room:
        fail("that is not the name of the room; nothing was changed")
    if not is_visible(reason):
        fail("give a reason; it goes on record")
    taken_back = with_pool(
        config, overrides, lambda pool: RoomStore(pool).reset(room, who="cli", reason=reason)
    )
    click.echo(f"{room}: line started over, {taken_back} call(s) taken back; waits to be opened")


@room.command(name="archive")
@settings_options
@click.argument("room")
@click.option("--confirm", help="The name of the room once more; without it the command asks.")
@click.option("--reason", type=NOTE, default="", help="The reason, for the record.")
@plainly
def room_archive(
    room: str, confirm: str | None, reason: str, config: Path | None, **overrides: Any
) -> None:
    """Turn what is left of ROOM, which has ended, into balances. Orders and its log are kept."""
    if (confirm or click.prompt(f"Type {room} to archive it")) != room:
        fail("that is not the name of the room; nothing was changed")

    async def archive(pool: Pool) -> None:
        store = ArchiveStore(pool)
        await store.finish(await store.seal(room, who="cli", reason=reason))

    with_pool(config, overrides, archive)
    click.echo(f"{room}: archived")


@room.command(name="public-value")
@settings_options
@click.argument("room")
@click.argument("value", type=PUBLISHED)
@plainly
def room_public_value(room: str, value: str, config: Path | None, **overrides: Any) -> None:
    """Give the draw of ROOM the public value that it waits for."""
    given = with_pool(
        config, overrides, lambda pool: DrawStore(pool).give_value(room, value, who="cli")
    )
    if not given:
        raise NoDrawWaits
    click.echo(f"{room}: the draw goes on")


def _pairs(rules: Sequence[str]) -> dict[str, Any]:
    """Read rules of the form rule=value; `none` lifts a limit."""
    wanted: dict[str, Any] = {}
    for pair in rules:
        rule, equals, text = pair.partition("=")
        if not equals:
            fail(f"{pair!r} is not a rule with its value, such as seats_max=50")
        if rule not in RULES:
            near = difflib.get_close_matches(rule, RULES, n=1)
            fail(f"there is no rule {rule!r}" + (f"; did you mean {near[0]}?" if near else ""))
        if rule in wanted:
            fail(f"{rule} is given twice")
        if text.lower() == "none":
            wanted[rule] = None
        elif rule.endswith("_at"):
            wanted[rule] = _moment(rule, text)
        else:
            wanted[rule] = text
    return wanted


def _moment(rule: str, text: str) -> datetime:
    try:
        return MOMENT.convert(text, None, None)
    except click.BadParameter as error:
        fail(f"{rule}: {error.message}")


room.add_command(invite)


def _encoded(change: RoomChange) -> str:
    """Return rules as the JSON object that the store takes."""
    wanted = msgspec.to_builtins(change)
    wanted.pop("reason", None)
    return msgspec.json.encode(wanted).decode()


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:g}" if isinstance(value, float) else str(value)

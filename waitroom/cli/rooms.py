"""`waitroom room`: make rooms and steer them on the command line."""

import difflib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from inventory.money import DEFAULT_CURRENCY
from waitroom.admin.bodies import RoomChange
from waitroom.cli.invite import invite
from waitroom.cli.options import fail, plainly, settings_options, with_pool
from waitroom.cli.stock import Moment
from waitroom.refusals import NoDrawWaits
from waitroom.store.draw_store import DrawStore
from waitroom.store.room_store import RoomStore

RULES = RoomChange.__struct_fields__[:-1]
_MOMENT = Moment()


@click.group()
def room() -> None:
    """Make and steer rooms."""


@room.command(name="create")
@settings_options
@click.argument("room")
@click.argument("rules", nargs=-1, metavar="[RULE=VALUE]...")
@click.option("--name", required=True)
@click.option(
    "--currency",
    default=DEFAULT_CURRENCY,
    show_default=True,
    help="The ISO 4217 code of what the room sells in; it cannot be changed later.",
)
@click.option("--opens-at", type=_MOMENT, help="When the sale opens by itself.")
@click.option("--closes-at", type=_MOMENT, help="When it ends by itself.")
@click.option("--doors-at", type=_MOMENT, help="From when on places are taken before the sale.")
@click.option("--draw", is_flag=True, help="Put those who come before the opening in order by lot.")
@click.option("--policy", type=click.Choice(["expected", "guaranteed", "rate"]))
@plainly
def room_create(
    *,
    room: str,
    rules: Sequence[str],
    name: str,
    currency: str,
    opens_at: datetime | None,
    closes_at: datetime | None,
    doors_at: datetime | None,
    draw: bool,
    policy: str | None,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Make a room; it waits to be opened. Rules are such as seats_max=50 or join_by=invitation."""
    options = {
        "opens_at": opens_at,
        "closes_at": closes_at,
        "doors_at": doors_at,
        "order_by": "draw" if draw else None,
        "policy": policy,
    }
    given = {rule: value for rule, value in options.items() if value is not None}
    wanted = _encoded({**given, **_pairs(rules)})
    with_pool(
        config,
        overrides,
        lambda pool: RoomStore(pool).create(room, name, rules=wanted, who="cli", currency=currency),
    )


@room.command(name="set")
@settings_options
@click.argument("room")
@click.argument("rules", nargs=-1, required=True, metavar="RULE=VALUE...")
@click.option("--reason", default="", help="It goes on record.")
@plainly
def room_set(
    room: str, rules: Sequence[str], reason: str, config: Path | None, **overrides: Any
) -> None:
    """Change rules of a room, such as seats_max=50 or calls_per_minute=none."""
    wanted = _encoded(_pairs(rules))
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
    """Print a room's status and rules as they can be set."""
    rules = with_pool(config, overrides, lambda pool: RoomStore(pool).read(room))
    click.echo(f"# {rules.status}\n# sells in {rules.currency}")
    for rule in RULES:
        click.echo(f"{rule}={_text(getattr(rules, rule))}")


@room.command(name="status")
@settings_options
@click.argument("room")
@click.argument("status", type=click.Choice(["open", "paused", "ended"]))
@click.option("--reason", default="")
@plainly
def room_status(room: str, status: str, reason: str, config: Path | None, **overrides: Any) -> None:
    """Open, pause or end a room."""
    before = with_pool(
        config,
        overrides,
        lambda pool: RoomStore(pool).set_status(room, status, who="cli", reason=reason),
    )
    click.echo(f"{room}: {before} → {status}")


@room.command(name="reset")
@settings_options
@click.argument("room")
@click.option("--confirm", help="The room's name once more; asked for if it is left out.")
@click.option("--reason", required=True, help="It goes on record.")
@plainly
def room_reset(
    room: str, confirm: str | None, reason: str, config: Path | None, **overrides: Any
) -> None:
    """Begin a room anew: everybody in line loses their place, who is inside stays."""
    if (confirm or click.prompt(f"Type {room} to begin it anew")) != room:
        fail("that is not the room's name; nothing was changed")
    if not reason.strip():
        fail("say the reason; it goes on record")
    taken_back = with_pool(
        config, overrides, lambda pool: RoomStore(pool).reset(room, who="cli", reason=reason)
    )
    click.echo(f"{room}: begun anew, {taken_back} call(s) taken back; it waits to be opened")


@room.command(name="public-value")
@settings_options
@click.argument("room")
@click.argument("value")
@plainly
def room_public_value(room: str, value: str, config: Path | None, **overrides: Any) -> None:
    """Give the draw the public value that it waits for."""
    if not value.strip():
        fail("say the value")
    given = with_pool(
        config, overrides, lambda pool: DrawStore(pool).give_value(room, value.strip(), who="cli")
    )
    if not given:
        raise NoDrawWaits
    click.echo(f"{room}: the draw goes on")


def _pairs(rules: Sequence[str]) -> dict[str, Any]:
    """Read rules of the form name=value; `none` lifts a limit."""
    wanted: dict[str, Any] = {}
    for pair in rules:
        rule, equals, text = pair.partition("=")
        if not equals:
            fail(f"{pair!r} is no rule; say it like seats_max=50")
        if rule not in RULES:
            near = difflib.get_close_matches(rule, RULES, n=1)
            fail(f"there is no rule {rule!r}" + (f"; do you mean {near[0]}?" if near else ""))
        if text.lower() == "none":
            wanted[rule] = None
        elif rule.endswith("_at"):
            wanted[rule] = _MOMENT.convert(text, None, None)
        else:
            wanted[rule] = text
    return wanted


room.add_command(invite)


def _encoded(values: dict[str, Any]) -> str:
    """Return rules as the JSON object that the books take; bounds are those of the API."""
    try:
        change = msgspec.convert(values, RoomChange, strict=False)
    except msgspec.ValidationError as error:
        fail(f"{error}")
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

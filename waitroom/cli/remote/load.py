"""`waitroom load`: send a simulated crowd to a running instance."""

import asyncio
import json
import signal
from dataclasses import asdict
from urllib.parse import urlsplit

import click
import uvloop
from rich.console import Console
from rich.live import Live

from inventory.kit.doors.origins import is_this_machine
from waitroom.cli.options import DecimalNumber, WholeNumber, plainly
from waitroom.client.problem import NoAnswer
from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd, CrowdResult, Progress
from waitroom.load.report import progress_table, result_table
from waitroom.load.rooms import find_room
from waitroom.load.wire import UnknownRoom

_DEFAULT = Behaviour()
SHOPPERS_MAX = 1_000_000
ARRIVE_S_MAX = 7 * 24 * 3600
PACE_MAX = 1000


class _Refused(click.ClickException):
    """A failure in one line, with exit code 2."""

    exit_code = 2


@click.command()
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The address of the service."
)
@click.option("--room", help="The room; default: the first public room that is open.")
@click.option(
    "--shoppers",
    type=WholeNumber(1, SHOPPERS_MAX),
    default=_DEFAULT.shoppers,
    show_default=True,
    help="The number of shoppers.",
)
@click.option(
    "--arrive-s",
    type=DecimalNumber(0, ARRIVE_S_MAX),
    default=_DEFAULT.arrive_s,
    show_default=True,
    help="The seconds within which they arrive, most of them early.",
)
@click.option(
    "--pace",
    type=DecimalNumber(0, PACE_MAX, min_open=True),
    default=_DEFAULT.pace,
    show_default=True,
    help="A factor on all their times: 0.1 is ten times as quick.",
)
@click.option(
    "--seed",
    type=WholeNumber(),
    default=_DEFAULT.seed,
    show_default=True,
    help="The same seed makes the same crowd.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON line a second, and the result last."
)
@click.option("--yes-this-is-mine", is_flag=True, help="Allow a URL on another machine.")
@plainly
def load(
    *,
    url: str,
    room: str | None,
    shoppers: int,
    arrive_s: float,
    pace: float,
    seed: int,
    as_json: bool,
    yes_this_is_mine: bool,
) -> None:
    """Send a simulated crowd to a room: it joins, waits, shops, pays and gives up."""
    _refuse_strangers(url, mine=yes_this_is_mine)
    behaviour = Behaviour(shoppers=shoppers, arrive_s=arrive_s, pace=pace, seed=seed)
    show = _as_json if as_json else _as_tables
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            room = runner.run(find_room(url, room))
            show(url, room, behaviour, runner)
        except (NoAnswer, UnknownRoom) as error:
            raise _Refused(str(error)) from error


def _as_json(url: str, room: str, behaviour: Behaviour, runner: asyncio.Runner) -> None:
    def say(progress: Progress) -> None:
        click.echo(json.dumps({"progress": asdict(progress)}))

    result = runner.run(_run(Crowd(url, room, behaviour, say)))
    click.echo(json.dumps({"result": asdict(result)}))


def _as_tables(url: str, room: str, behaviour: Behaviour, runner: asyncio.Runner) -> None:
    console = Console()
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def say(progress: Progress) -> None:
            live.update(progress_table(room, url, progress), refresh=True)

        result = runner.run(_run(Crowd(url, room, behaviour, say)))
    console.print(result_table(result, url))


async def _run(crowd: Crowd) -> CrowdResult:
    """Run the crowd. SIGINT and SIGTERM stop it, and the result so far is returned."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, crowd.stop)
    return await crowd.run()


def _refuse_strangers(url: str, *, mine: bool) -> None:
    """Raise unless the URL is on this machine, or the user says that it is theirs."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise _Refused(f"{url} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise _Refused(f"{url} is not an http:// or https:// URL")
    if not (mine or is_loopback(host)):
        raise _Refused(f"{host} is another machine; if it is yours, add --yes-this-is-mine")


def is_loopback(host: str) -> bool:
    """Say whether a host means this machine, also by a name below localhost (RFC 6761)."""
    return is_this_machine(host) or host.endswith(".localhost")

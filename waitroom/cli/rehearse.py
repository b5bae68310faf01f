"""`waitroom rehearse`: play a sale before it happens, or replay it, under several rules."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory.kit.database import Pool
from inventory.kit.doors.decoding import Json
from inventory.ledger_store import LedgerStore
from waitroom.cli.options import WholeNumber, fail, plainly, settings_options, with_pool
from waitroom.log.verify.fetch import SourceError
from waitroom.log.verify.sources import open_source
from waitroom.rehearse.play.baseline import policy_named
from waitroom.rehearse.results.compare import compare, to_json
from waitroom.rehearse.results.plot import frontier_chart, sales_chart
from waitroom.rehearse.results.report import comparison, reproduction
from waitroom.rehearse.scenario import library
from waitroom.rehearse.scenario.recording import Recording, read_recording
from waitroom.rehearse.scenario.scenario import (
    SKUS_MAX,
    Rules,
    Scenario,
    ScenarioError,
    Sku,
    Stock,
    changed,
)
from waitroom.rehearse.scenario.variant import (
    Variant,
    frontier_of,
    parse_settings,
    parse_variant,
    policies_of,
    yardsticks_for,
)
from waitroom.store.room_store import RoomStore

SEEDS_MAX = 1000
_SEEDS = re.compile("(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The request of the command line, with the settings applied to the scenario."""

    scenario: Scenario
    policies: tuple[str, ...]
    settings: dict[str, str]
    recording: Recording | None = None


class Seeds(click.ParamType[range]):
    """A number of seeds counted from 1, or the first and the last seed."""

    name = "seeds"

    def convert(
        self, value: str | range, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        if isinstance(value, range):
            return value
        given = _SEEDS.fullmatch(value)
        if given is None:
            self.fail(
                f"{value!r} is neither a number of seeds nor a range, such as 20 or 101-120",
                param,
                ctx,
            )
        first, last = given["first"], given["last"]
        seeds = range(int(first), int(last) + 1) if last else range(1, int(first) + 1)
        if not 1 <= len(seeds) <= SEEDS_MAX:
            self.fail(f"{value!r} is not between 1 and {SEEDS_MAX} seeds", param, ctx)
        return seeds


@click.command()
@click.argument("scenario", default="drop")
@settings_options
@click.option("--room", help="Take rules and stock from this room, and the crowd from SCENARIO.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME[:KEY=VALUE,...]",
    help="expected, guaranteed, rate:60/min, fixed:1/s or inside:20; repeat to compare several.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the scenario, such as shoppers=5000.",
)
@click.option(
    "--seeds",
    type=Seeds(),
    default="5",
    show_default=True,
    help="The number of sales, or their seeds: 20 or 101-120.",
)
@click.option(
    "--jobs",
    type=WholeNumber(1, 64),
    default=1,
    show_default=True,
    help="The number of processes.",
)
@click.option(
    "--json", "json_path", metavar="FILE", help="Write all figures to a file; - prints them."
)
@click.option("--chart", "chart_path", metavar="FILE.svg", help="Draw a chart.")
@click.option(
    "--replay", metavar="LOG", help="Replay a sale from its room's log: a file or an address."
)
@click.option(
    "--frontier",
    is_flag=True,
    help="Compare the policies with a grid of fixed rates and fixed crowds.",
)
@click.option(
    "--yardsticks/--no-yardsticks",
    default=True,
    show_default=True,
    help="Also play the sale of a room that knows the shoppers' rates (oracle), and of one that "
    "knows who will do what (clairvoyant), and give each policy's distance to both.",
)
@click.option(
    "--list", "listing", is_flag=True, help="List the scenarios that come with the program."
)
@plainly
def rehearse(
    *,
    scenario: str,
    room: str | None,
    policies: tuple[str, ...],
    settings: tuple[str, ...],
    seeds: range,
    jobs: int,
    json_path: str | None,
    chart_path: str | None,
    replay: str | None,
    frontier: bool,
    yardsticks: bool,
    listing: bool,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Play SCENARIO under several policies and settings, and compare the results.

    SCENARIO is the name of one that comes with the program (--list), or a TOML file. For each seed
    every policy sells to the same shoppers. Progress goes to the error output, tables to the
    output.
    """
    if listing:
        _list()
        return
    try:
        _check_writable(json_path, chart_path)
        asked = _asked(
            library.load_scenario(scenario),
            room_stock=with_pool(config, overrides, lambda pool: rules_and_stock(pool, room))
            if room is not None
            else None,
            recording=_recorded(replay) if replay is not None else None,
            policies=policies,
            settings=parse_settings(settings, where="--set"),
        )
        if frontier:
            _frontier(asked, seeds=seeds, jobs=jobs, json_path=json_path, chart_path=chart_path)
        else:
            _compare(
                asked,
                seeds=seeds,
                jobs=jobs,
                yardsticks=yardsticks,
                json_path=json_path,
                chart_path=chart_path,
            )
    except (ScenarioError, SourceError) as error:
        fail(str(error))


async def rules_and_stock(pool: Pool, room: str) -> tuple[Rules, Stock]:
    """Read a room's rules and the stock that it has still to sell.

    Raises `ScenarioError` for a room without stock, and `NotFound` for an unknown room.
    """
    rules = await RoomStore(pool).read(room)
    balances = await LedgerStore(pool).at(room, datetime.now(UTC), limit=SKUS_MAX)
    left = {balance.sku: balance.on_hand - balance.sold for balance in balances}
    skus = tuple(Sku(sku=sku, units_share=units) for sku, units in left.items() if units > 0)
    if not skus:
        raise ScenarioError(f"the room {room} has nothing to sell")
    known = {name: getattr(rules, name) for name in Rules.__struct_fields__}
    units = sum(count for count in left.values() if count > 0)
    return msgspec.convert(known, Rules), Stock(units=units, skus=skus)


def _list() -> None:
    for name in library.names():
        click.echo(f"{name:<12} {library.load_scenario(name).title}")


def _asked(
    scenario: Scenario,
    *,
    room_stock: tuple[Rules, Stock] | None,
    recording: Recording | None,
    policies: tuple[str, ...],
    settings: dict[str, str],
) -> _Asked:
    """Put the request together. A recording's own rules stand beside those that are set."""
    if recording is not None and room_stock is not None:
        raise ScenarioError("--replay takes the rules from the log: leave --room out")
    if room_stock is not None:
        rules, stock = room_stock
        scenario = msgspec.structs.replace(scenario, rules=rules, stock=stock)
    if recording is None:
        scenario = changed(scenario, settings)
        policy_named(scenario.rules.policy)
        return _Asked(scenario=scenario, policies=policies, settings=settings)
    units = {key: value for key, value in settings.items() if key.endswith("units")}
    if units and not any(recording.units.values()):
        recording.units = {"unit": changed(scenario, units).stock.units}
        settings = {key: value for key, value in settings.items() if key not in units}
    return _Asked(
        scenario=recording.scenario(scenario),
        policies=policies,
        settings=settings,
        recording=recording,
    )


def _variants(asked: _Asked) -> list[Variant]:
    if asked.recording is not None:
        return _replays(asked, asked.recording)
    if asked.policies:
        return [parse_variant(text, asked.scenario) for text in asked.policies]
    if {"policy", "rules.policy"} & set(asked.settings):
        return [Variant(name=asked.scenario.rules.policy, scenario=asked.scenario)]
    return policies_of(asked.scenario)


def _replays(asked: _Asked, recording: Recording) -> list[Variant]:
    """Return the sale as it was, and as it would be with the settings and with each policy."""

    def of(name: str, scenario: Scenario, fixed: set[str]) -> Variant:
        course = recording.course(scenario.rules, fixed=fixed)
        return Variant(name=name, scenario=scenario, course=course)

    found = [of("as it was", asked.scenario, set())]
    scenario, fixed = asked.scenario, {key.rpartition(".")[2] for key in asked.settings}
    if asked.settings:
        scenario = changed(asked.scenario, asked.settings)
        named = ", ".join(f"{key}={value}" for key, value in asked.settings.items())
        found.append(of(named, scenario, fixed))
    for text in asked.policies:
        one = parse_variant(text, scenario)
        bound = {"policy"} | {
            name
            for name in Rules.__struct_fields__
            if getattr(one.scenario.rules, name) != getattr(scenario.rules, name)
        }
        found.append(of(text, one.scenario, fixed | bound))
    return found


def _compare(
    asked: _Asked,
    *,
    seeds: range,
    jobs: int,
    yardsticks: bool,
    json_path: str | None,
    chart_path: str | None,
) -> None:
    variants = _variants(asked)
    if yardsticks:
        variants += yardsticks_for(variants)
    with _progress(len(variants) * len(seeds)) as progress:
        outcomes = compare(variants, seeds=seeds, jobs=jobs, done=progress)
    title = asked.scenario.title
    if chart_path is not None:
        _write(chart_path, sales_chart(outcomes, title=title))
    if json_path is not None:
        _write_json(json_path, to_json(outcomes, seeds=seeds))
    if json_path != "-":
        console = Console()
        console.print(comparison(outcomes, title=title, seeds=len(seeds)))
        if asked.recording is not None:
            console.print(reproduction(asked.recording, outcomes[0]))


def _frontier(
    asked: _Asked, *, seeds: range, jobs: int, json_path: str | None, chart_path: str | None
) -> None:
    if asked.recording is not None or asked.policies:
        raise ScenarioError("--frontier has its own policies: leave --policy and --replay out")
    series = frontier_of(asked.scenario)
    variants = [variant for group in series.values() for variant in group]
    with _progress(len(variants) * len(seeds)) as progress:
        played = compare(variants, seeds=seeds, jobs=jobs, figures=False, done=progress)
    outcomes = iter(played)
    groups = {name: [next(outcomes) for _ in group] for name, group in series.items()}
    title = f"{asked.scenario.title}: speed, and shoppers who find nothing"
    if chart_path is not None:
        _write(chart_path, frontier_chart(groups, title=title, seeds=len(seeds)))
    every = [outcome for group in groups.values() for outcome in group]
    if json_path is not None:
        _write_json(json_path, to_json(every, seeds=seeds))
    if json_path != "-":
        Console().print(comparison(every, title=title, seeds=len(seeds), brief=True))


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Show the progress on the error output; yields the function to call after each sale."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("playing", total=total)

        def done(variant: Variant, seed: int) -> None:
            progress.update(task, advance=1, description=f"{variant.name}, seed {seed}")

        yield done


def _recorded(text: str) -> Recording:
    source = open_source(text)
    bodies = (str(entry.get("body", "")) for entry in source.entries)
    recording = read_recording(bodies, name=source.room or text)
    _tell(recording)
    return recording


def _tell(recording: Recording) -> None:
    """Name on the error output the facts that the log lacks, and what stands in for them."""
    if len(recording.lines) > 1:
        names = ", ".join(recording.lines)
        click.echo(f"note: the lines {names} are played as one, by the time of joining", err=True)
    if recording.inferred:
        found = ", ".join(recording.inferred)
        click.echo(f"note: concluded from the calls: {found}", err=True)
    if recording.assumed:
        names = ", ".join(recording.assumed)
        click.echo(f"note: not in the log, as in the scenario or by --set: {names}", err=True)


def _check_writable(*paths: str | None) -> None:
    """Refuse a file in a folder that does not exist before minutes of work, not after them."""
    for path in paths:
        if path not in {None, "-"} and not Path(str(path)).absolute().parent.is_dir():
            raise ScenarioError(f"there is no folder for {path}")


def _write_json(path: str, values: Json) -> None:
    text = msgspec.json.format(msgspec.json.encode(values)).decode() + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        _write(path, text)


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path} cannot be written: {error.strerror}") from error

"""Failures of commands: one line each, with something behind every colon."""

from collections.abc import Callable, Iterator

import asyncpg
import click
import msgspec
import pytest

from inventory.catalogue import NewProduct, NewSku
from inventory.kit.problem import EngineDown, NotFound
from waitroom.admin.bodies import RoomChange
from waitroom.cli.options import checked, exit_code_for, explain, plainly
from waitroom.cli.program import main
from waitroom.run.engines import EngineError, EngineUnfit
from waitroom.run.processes import PortInUse
from waitroom.run.processes.exits import REFUSED, UNAVAILABLE, UNFIT
from waitroom.run.settings import SettingsError
from waitroom.store.migrate import MigrationError


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SettingsError("unknown setting prot"), "unknown setting prot"),
        (NotFound("There is no room 'x'."), "There is no room 'x'."),
        (TimeoutError(), "PostgreSQL does not answer in time: look for"),
        (ConnectionResetError(), "the connection to PostgreSQL broke off"),
        (ConnectionRefusedError(111, "Connect call failed"), "start it, or correct the host"),
        (asyncpg.TooManyConnectionsError("sorry, too many"), "lower postgres_connections_max"),
        (asyncpg.DiskFullError("No space left on device"), "is full: free space on the disk"),
        (caused(EngineDown(), TimeoutError()), "PostgreSQL does not answer in time"),
        (EngineDown(), "cannot reach its database"),
        (asyncpg.InvalidCatalogNameError('database "x" does not exist'), "no such database"),
        (asyncpg.InvalidPasswordError("no password"), "refuses the sign-in: correct role and"),
        (asyncpg.UndefinedTableError('relation "room"'), "run `waitroom migrate` first"),
        (asyncpg.NumericValueOutOfRangeError("out of range"), "too large"),
        (asyncpg.CheckViolationError("sku_price_minor_check"), "breaks a rule of the database"),
    ],
)
def test_a_failure_that_a_user_can_mend_is_said(error: Exception, said: str) -> None:
    line = explain(error)

    assert line is not None
    assert said in line
    assert "_check" not in line
    assert not line.rstrip().endswith(":")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), asyncpg.UndefinedColumnError()])
def test_a_mistake_of_ours_keeps_its_traceback(error: Exception) -> None:
    assert explain(error) is None

    @plainly
    def command() -> None:
        raise error

    with pytest.raises(type(error)):
        command()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: checked(RoomChange, seats_max="-1"), "seats_max: expected int >= 0"),
        (lambda: checked(RoomChange, seats_max="many"), "seats_max: expected int"),
        (lambda: checked(NewSku, sku="mug", price_minor=-1), "price_minor: expected int >= 0"),
        (lambda: checked(NewProduct, product="a b", name="x"), "product: it has 1 to 63 letters"),
        (lambda: checked(NewProduct, product="a", name="\u200b "), "name: it needs at least one"),
    ],
)
def test_a_value_out_of_bounds_is_named(make: Callable[[], object], said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        make()

    assert said in str(explain(raised.value))


def test_a_failure_is_one_line_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    @plainly
    def command() -> None:
        raise SettingsError("two\nlines")

    with pytest.raises(SystemExit) as ended:
        command()

    assert ended.value.code == UNFIT
    assert capsys.readouterr().err == "waitroom: two lines\n"


def every_command(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path} {name}")


def test_every_command_and_option_says_what_it_is_for() -> None:
    silent = [
        f"{path} {option.name}"
        for path, command in every_command(main, "waitroom")
        for option in command.params
        if isinstance(option, click.Option) and not (option.help or option.hidden)
    ]
    unfinished = [
        path
        for path, command in every_command(main, "waitroom")
        if not (command.help or "").strip().endswith(".")
    ]

    assert silent == []
    assert unfinished == []


def test_no_help_tells_of_a_bound_that_there_is_not() -> None:
    told = [
        path
        for path, command in every_command(main, "waitroom")
        if "None" in command.get_help(click.Context(command, terminal_width=200))
    ]

    assert told == []


def test_a_reader_that_has_read_enough_is_no_failure_of_an_engine() -> None:
    @plainly
    def command() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        command()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("unknown setting prot"), UNFIT),
        (MigrationError("made by a later version"), UNFIT),
        (EngineUnfit("the package is not installed"), UNFIT),
        (asyncpg.InvalidPasswordError("no password"), UNFIT),
        (asyncpg.InvalidCatalogNameError('database "x" does not exist'), UNFIT),
        (PortInUse("port 1 may not be used by this user"), UNFIT),
        (PortInUse("port 1 is in use", passes=True), UNAVAILABLE),
        (EngineError("PostgreSQL died 11 times in a minute"), UNAVAILABLE),
        (ConnectionRefusedError(111, "Connect call failed"), UNAVAILABLE),
        (caused(EngineDown(), asyncpg.DiskFullError("full")), UNAVAILABLE),
        (asyncpg.UndefinedTableError('relation "room"'), UNAVAILABLE),
        (OSError(28, "No space left on device", "secrets.new"), UNAVAILABLE),
        (NotFound("There is no room 'x'."), REFUSED),
        (FileNotFoundError(2, "No such file", "rooms.csv"), REFUSED),
    ],
)
def test_the_exit_code_tells_whether_trying_again_may_help(error: Exception, code: int) -> None:
    assert exit_code_for(error) == code

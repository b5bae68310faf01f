"""The parts that commands share: settings, one pool, typed arguments, and failures as one line."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
import click
import msgspec

from inventory.kit.database import Pool, open_pool
from inventory.kit.doors.decoding import convert, is_whole, words_of
from inventory.kit.doors.moments import UnreadableMoment, parse_moment
from inventory.kit.doors.texts import UnfitText, read_note, read_published
from inventory.kit.problem import EngineDown, Refusal
from inventory.kit.traces.spans import TracesMissing
from inventory.kit.troubles import trouble_of, words_of_cause
from waitroom.run.addresses import EMBEDDED
from waitroom.run.engines import EngineError, EngineUnfit, running_engines
from waitroom.run.logs import set_up_logs
from waitroom.run.processes import PortInUse
from waitroom.run.processes.exits import REFUSED, UNAVAILABLE, UNFIT
from waitroom.run.settings import Overrides, Settings, SettingsError, load_settings
from waitroom.store.migrate import MigrationError

GATEWAYS = ("test", "stripe")

Result = TypeVar("Result")
Value = TypeVar("Value")

# These kinds of trouble last until a person changes something.
_LASTING = frozenset(
    {"sign_in_refused", "no_database", "no_right", "certificate_refused", "no_tls", "no_access"}
)
# Failures by their kind; narrower kinds stand before wider ones.
_SENTENCES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((SettingsError, EngineError, MigrationError, PortInUse, TracesMissing), "{words}"),
    (
        (asyncpg.DataError,),
        "a value is too long, too large, or has characters that cannot be stored",
    ),
    (
        (asyncpg.IntegrityConstraintViolationError,),
        "a value breaks a rule of the database; nothing was changed",
    ),
    # Bytes of the command line that are not UTF-8 come in as lone surrogates.
    ((UnicodeEncodeError,), "a text is not valid UTF-8"),
)
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
# msgspec says where in a value the fault is: " - at `$.price_minor`".
_PLACE = re.compile(r"(?P<said>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)


def fail(message: str, code: int = REFUSED) -> NoReturn:
    """End the command with one line for its user, on the error output."""
    click.echo(f"waitroom: {' '.join(message.split())}", err=True)
    sys.exit(code)


def plainly(command: Callable[..., Result]) -> Callable[..., Result]:
    """Turn every failure that a user can mend into one line; others keep their traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Result:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            # The reader of the output is gone, as in `… | head`, and Click ends without a word.
            raise
        except Exception as error:
            message = explain(error)
            if message is None:
                raise
            fail(message, exit_code_for(error))

    return wrapped


def exit_code_for(error: BaseException) -> int:
    """Return the exit code that tells a service manager whether trying again may help."""
    if isinstance(error, SettingsError | EngineUnfit | MigrationError):
        return UNFIT
    if isinstance(error, PortInUse):
        return UNAVAILABLE if error.passes else UNFIT
    if isinstance(error, EngineError):
        return UNAVAILABLE
    trouble = trouble_of(error)
    is_about_file = isinstance(error, OSError) and error.filename is not None
    if trouble is None or (is_about_file and trouble.kind != "disk_full"):
        return REFUSED
    return UNFIT if trouble.kind in _LASTING else UNAVAILABLE


def explain(error: BaseException) -> str | None:
    """Say a failure in a line, or return None for one that only a developer can mend."""
    if isinstance(error, Refusal) and not isinstance(error, EngineDown):
        return error.detail
    if isinstance(error, msgspec.ValidationError):
        return _explain_value(error)
    if isinstance(error, OSError) and error.filename is not None:
        # Sockets have no file's name.
        return f"cannot use {os.fsdecode(error.filename)}: {error.strerror}"
    return _explain_kind(error)


def _explain_kind(error: BaseException) -> str | None:
    for kinds, sentence in _SENTENCES:
        if isinstance(error, kinds):
            return sentence.format(words=error)
    trouble = trouble_of(error)
    if trouble is None:
        return error.detail if isinstance(error, Refusal) else None
    words = words_of_cause(error)
    return f"{trouble.line}{f' ({words})' if words else ''}"


def _explain_value(error: msgspec.ValidationError) -> str:
    found = _PLACE.fullmatch(words_of(error))
    assert found is not None, "the pattern fits every text"
    said, place = found["said"].replace("`", ""), found["place"]
    return f"{place}: {said[:1].lower()}{said[1:]}" if place else said


class MomentType(click.ParamType[datetime]):
    """A moment in the form that the API takes: with its offset from UTC."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        try:
            return parse_moment(value)
        except UnreadableMoment as error:
            self.fail(f"{value!r} is not {error}", param, ctx)


class TextType(click.ParamType[str]):
    """A text for the record, read as the API reads it."""

    name = "text"

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        try:
            return self._read(value)
        except UnfitText as error:
            self.fail(f"it {error}", param, ctx)


class WholeNumber(click.IntRange):
    """A whole number in digits of ASCII alone; Python's own `int` takes `1_0` too."""

    name = "integer"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, str) and not is_whole(value):
            self.fail(f"{value!r} is not a whole number in digits alone", param, ctx)
        return super().convert(value, param, ctx)

    def _describe_range(self) -> str:
        return "" if self.min is None and self.max is None else super()._describe_range()


class DecimalNumber(click.FloatRange):
    """A finite number with digits and a point alone."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, str) and _DECIMAL.fullmatch(value) is None:
            self.fail(f"{value!r} is not a number such as 12.5", param, ctx)
        return super().convert(value, param, ctx)


class OutputFile(click.Path):
    """A file to write. To `Path` an empty name, as of a variable without a value, is the folder."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not value:
            self.fail("an empty name is no file", param, ctx)
        return super().convert(value, param, ctx)


MOMENT = MomentType()
OUTPUT_FILE = OutputFile(dir_okay=False, path_type=Path)
# A reason or a note.
NOTE = TextType(read_note)
WHOLE = WholeNumber()
# One line exactly as another publishes it.
PUBLISHED = TextType(read_published)


def checked(kind: type[Value], **values: Any) -> Value:
    """Return the body of an API call made from arguments, with the bounds that the API has.

    Raises `msgspec.ValidationError`, which `plainly` explains.
    """
    return convert(values, kind)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--config", type=click.Path(path_type=Path), help="A settings file (TOML)."),
        click.option("--data-dir", help="The folder of the embedded engines and the secrets."),
        click.option(
            "--postgres-url", help="PostgreSQL 15 or later; default: that of `waitroom up`."
        ),
        click.option("--valkey-url", help="Redis or Valkey; default: that of `waitroom up`."),
        click.option("--shard", help="The shard to serve or to work on; default: the main one."),
    ]
    return _with(options, command)


def web_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--host", help="The address to listen on."),
        click.option("--port", type=WHOLE, help="The port to listen on; 0 takes a free one."),
        click.option("--workers", type=WHOLE, help="The number of web processes."),
        click.option(
            "--gateway",
            type=click.Choice(GATEWAYS),
            help="The payment gateway; test moves no money.",
        ),
    ]
    return _with(options, command)


def _with(options: list[Callable[..., Any]], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def load_for(config: Path | None, **overrides: Any) -> Settings:
    """Read the settings of a command and set up its logs."""
    settings = load_settings(config, overrides=overrides)
    set_up_logs(level=settings.log_level, as_json=settings.log_json, shard=settings.shard)
    return settings


def with_pool(
    config: Path | None,
    overrides: Overrides,
    use: Callable[[Pool], Coroutine[Any, Any, Result]],
) -> Result:
    """Run `use` with a pool on the database that the settings name."""
    settings = beside_up(load_for(config, **overrides))

    async def run() -> Result:
        pool = await open_pool(settings.postgres_url, size_max=2, pooler=settings.postgres_pooler)
        try:
            return await use(pool)
        finally:
            await pool.close()

    if settings.postgres_url == EMBEDDED:
        raise SettingsError(
            f"no PostgreSQL of a `waitroom up` runs in {settings.data_dir}: start `waitroom up`, "
            "name its folder with --data-dir, or give --postgres-url"
        )
    return asyncio.run(run())


def with_gateway(settings: Settings) -> Settings:
    """Return settings in which a payment gateway is chosen; the demonstration has the test one.

    No gateway is a default for a sale: the test gateway gives every unit away. Raises
    `SettingsError` where none is chosen.
    """
    if settings.gateway:
        return settings
    if settings.demo:
        return msgspec.structs.replace(settings, gateway="test")
    raise SettingsError(
        'no payment gateway is chosen: to sell, set gateway = "stripe" in the settings file or '
        "WAITROOM_GATEWAY=stripe (see docs/integrate/payments.md); to try a sale out, add "
        "--gateway test, which moves no money; `waitroom up --demo` shows a sale"
    )


def beside_up(settings: Settings) -> Settings:
    """Return settings with the URLs of the engines that a running `waitroom up` keeps.

    They are those of the data folder. URLs that the settings name stay, and so does an engine that
    is to be embedded and does not run.
    """
    if EMBEDDED not in (settings.postgres_url, settings.valkey_url):
        return settings
    found = running_engines(Path(settings.data_dir).expanduser())
    if found is None:
        return settings
    urls = {"postgres_url": found.postgres_url, "valkey_url": found.valkey_url}
    missing = {
        name: url for name, url in urls.items() if url and getattr(settings, name) == EMBEDDED
    }
    if "postgres_url" in missing and found.postgres_owner_url:
        missing["postgres_owner_url"] = found.postgres_owner_url
    return msgspec.structs.replace(settings, **missing)

"""What the program's commands share: settings, one pool, and failures as one line."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
import click

from inventory.kit.database import Pool, open_pool
from inventory.kit.problem import Refusal
from waitroom.run.engines import EngineError
from waitroom.run.logs import set_up_logs
from waitroom.run.processes import PortInUse
from waitroom.run.settings import EMBEDDED, Settings, SettingsError, load_settings
from waitroom.store.migrate import MigrationError

Result = TypeVar("Result")


def fail(message: str) -> NoReturn:
    click.echo(f"waitroom: {message}", err=True)
    sys.exit(2)


def plainly(command: Callable[..., Result]) -> Callable[..., Result]:
    """Turn what a user can mend into one line and exit code 2."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Result:
        try:
            return command(*args, **kwargs)
        except (SettingsError, EngineError, MigrationError, PortInUse) as error:
            fail(str(error))
        except Refusal as refusal:
            fail(refusal.detail)
        except asyncpg.InvalidCatalogNameError as error:
            fail(f"PostgreSQL knows no such database: {error}")
        except (OSError, asyncpg.PostgresError) as error:
            fail(f"cannot reach an engine: {error}")

    return wrapped


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--config", type=click.Path(path_type=Path), help="A settings file (TOML)."),
        click.option("--data-dir", help="Where the embedded engines and secrets live."),
        click.option("--postgres-url", help="PostgreSQL 15 or later; default: an embedded one."),
        click.option("--valkey-url", help="Redis or Valkey; default: an embedded one."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def web_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--host", help="The address to listen on."),
        click.option("--port", type=int, help="The port to listen on; 0 takes a free one."),
        click.option("--workers", type=int, help="How many web processes."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def load_for(config: Path | None, **overrides: Any) -> Settings:
    settings = load_settings(config, overrides=overrides)
    set_up_logs(level=settings.log_level, as_json=settings.log_json)
    return settings


def with_pool(
    config: Path | None,
    overrides: dict[str, Any],
    use: Callable[[Pool], Coroutine[Any, Any, Result]],
) -> Result:
    """Run `use` with a pool on the database that the settings name."""
    settings = load_for(config, **overrides)

    async def run() -> Result:
        pool = await open_pool(settings.postgres_url, size_max=2, pooler=settings.postgres_pooler)
        try:
            return await use(pool)
        finally:
            await pool.close()

    if settings.postgres_url == EMBEDDED:
        raise SettingsError(
            "this needs --postgres-url: the embedded engine belongs to `waitroom up`, "
            "where the operators' screen does the same"
        )
    return asyncio.run(run())

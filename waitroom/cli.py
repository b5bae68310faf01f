"""The `waitroom` program."""

import asyncio
import os
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec
import structlog

from inventory.catalogue_store import CatalogueStore
from inventory.kit.database import open_pool
from inventory.ledger_store import LedgerStore
from inventory.stock_store import StockStore
from waitroom.admin.sign_in import OperatorStore
from waitroom.cli_catalogue import catalogue
from waitroom.cli_invite import invite
from waitroom.cli_people import operator
from waitroom.cli_rehearse import rehearse
from waitroom.cli_rooms import room
from waitroom.cli_stock import stock
from waitroom.cli_verify import verify
from waitroom.engines import EmbeddedEngines
from waitroom.line_store import LineStore
from waitroom.load.command import load
from waitroom.run.command import load_for, plainly, settings_options, with_pool
from waitroom.run.migrate import migrate
from waitroom.run.processes import Supervisor, claim_port
from waitroom.run.seed import DRAW_ROOM, ROOM, seed
from waitroom.run.serve import serve as run
from waitroom.run.settings import (
    EMBEDDED,
    Settings,
    SettingsError,
    generate_secrets,
    load_secrets,
)

FIRST_OPERATOR = "admin"
PASSWORD_FILE = "first-operator-password"  # noqa: S105 - the name of a file
ROLE_NAMES = ("all", "web", "controller", "sweeper")


def _web_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--host", help="The address to listen on."),
        click.option("--port", type=int, help="The port to listen on; 0 takes a free one."),
        click.option("--workers", type=int, help="How many web processes."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="waitroom")
def main() -> None:
    """Run a self-hosted virtual waiting room with fair checkout."""


@main.command()
@settings_options
@_web_options
@click.option("--demo", is_flag=True, default=None, help="Seed a demonstration sale.")
@plainly
def up(config: Path | None, **overrides: Any) -> None:
    """Start everything: engines where none are given, migrations, and all processes."""
    settings = load_for(config, **overrides)
    port = claim_port(settings.host, settings.port)
    with ExitStack() as stack:
        settings = _with_engines(settings, stack, port=port)
        _make_secrets_if_missing(settings)
        asyncio.run(migrate(settings.postgres_url))
        asyncio.run(_first_steps(settings))
        supervisor = Supervisor(settings, roles=("web", "controller", "sweeper"))
        code = supervisor.run(lambda: _announce(settings), lambda: _ready(settings))
    sys.exit(code)


def _with_engines(settings: Settings, stack: ExitStack, **changes: Any) -> Settings:
    """Start the engines that are not given as URLs; they stop with the stack."""
    postgres, valkey = (url == EMBEDDED for url in (settings.postgres_url, settings.valkey_url))
    data_dir = Path(settings.data_dir).expanduser()
    if postgres or valkey:
        click.echo("starting the engines …", err=True)
        urls = stack.enter_context(EmbeddedEngines(data_dir, postgres=postgres, valkey=valkey))
        if urls.postgres_url:
            changes["postgres_url"] = urls.postgres_url
        if urls.valkey_url:
            changes["valkey_url"] = urls.valkey_url
    return msgspec.structs.replace(settings, data_dir=str(data_dir), **changes)


def _make_secrets_if_missing(settings: Settings) -> None:
    if not os.environ.get("WAITROOM_SIGNING_KEYS") and not settings.secrets_path.exists():
        generate_secrets(settings.secrets_path)
    load_secrets(settings)


async def _first_steps(settings: Settings) -> None:
    """Make the first operator, and the demonstration sale if it is wanted."""
    pool = await open_pool(settings.postgres_url, size_max=2, pooler=settings.postgres_pooler)
    try:
        operators = OperatorStore(pool)
        if not await operators.any():
            password = secrets.token_urlsafe(12)
            await operators.add(FIRST_OPERATOR, role="admin", password=password)
            path = _password_path(settings)
            with os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as file:
                file.write(password + "\n")
        if settings.demo:
            stores = LineStore(pool), StockStore(pool), CatalogueStore(pool), LedgerStore(pool)
            await seed(*stores)
    finally:
        await pool.close()


def _password_path(settings: Settings) -> Path:
    return Path(settings.data_dir) / PASSWORD_FILE


def _ready(settings: Settings) -> bool:
    try:
        url = f"http://{settings.host}:{settings.port}/readyz"
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _announce(settings: Settings) -> None:
    base = settings.base_url
    lines = ["", f"  Shop               {base}/"]
    if settings.demo:
        lines.append(f"  Waiting page       {base}/rooms/{ROOM}")
        lines.append(f"  A draw ahead       {base}/rooms/{DRAW_ROOM}")
    lines.append(f"  Operators' screen  {base}/admin")
    path = _password_path(settings)
    if path.exists():
        password = path.read_text(encoding="utf-8").strip()
        lines.append(f"  First operator     {FIRST_OPERATOR}, password {password}")
        lines.append(f"                     (kept in {path})")
    lines += ["", "  Ctrl-C ends it; the data stays.", ""]
    click.echo("\n".join(lines))


@main.command()
@settings_options
@_web_options
@click.option(
    "--role",
    "roles",
    default="all",
    help="web, controller, sweeper, several with commas, or all.",
)
@plainly
def serve(config: Path | None, roles: str, **overrides: Any) -> None:
    """Run processes of some roles on engines that are already there."""
    settings = load_for(config, **overrides)
    if EMBEDDED in (settings.postgres_url, settings.valkey_url):
        raise SettingsError(
            "serve needs --postgres-url and --valkey-url; `waitroom up` starts embedded engines"
        )
    chosen = _roles(roles)
    found = load_secrets(settings)
    if settings.workers == 1 or "web" not in chosen:
        sys.exit(run(settings, found, roles=chosen))
    port = claim_port(settings.host, settings.port)
    settings = msgspec.structs.replace(settings, port=port)
    order = [role for role in ROLE_NAMES if role in chosen]
    supervisor = Supervisor(settings, roles=order)
    sys.exit(supervisor.run(lambda: None, lambda: True))


def _roles(text: str) -> frozenset[str]:
    named = {name.strip() for name in text.split(",")}
    for name in named:
        if name not in ROLE_NAMES:
            raise SettingsError(f"there is no role {name!r}; the roles are {', '.join(ROLE_NAMES)}")
    return frozenset(ROLE_NAMES[1:]) if "all" in named else frozenset(named)


@main.command(name="migrate")
@settings_options
@plainly
def migrate_command(config: Path | None, **overrides: Any) -> None:
    """Bring the database's tables up to date."""
    settings = load_for(config, **overrides)
    with ExitStack() as stack:
        settings = _with_engines(settings, stack)
        applied = asyncio.run(migrate(settings.postgres_url))
    click.echo("\n".join(applied) or "nothing to do")


@main.command()
@settings_options
@click.option("--rotate", is_flag=True, help="Add a key; the older ones are still accepted.")
@plainly
def keygen(config: Path | None, rotate: bool, **overrides: Any) -> None:  # noqa: FBT001 - a flag
    """Make the key that signs tickets and sessions, in the secrets file."""
    settings = load_for(config, **overrides)
    made = generate_secrets(settings.secrets_path, rotate=rotate)
    click.echo(f"{settings.secrets_path} holds {len(made.signing_keys)} key(s)")


@main.group()
def sku() -> None:
    """Add products and stock."""


@sku.command(name="add")
@settings_options
@click.argument("sku")
@click.option("--room", required=True)
@click.option("--name", required=True)
@click.option("--price-minor", type=int, required=True, help="In cents, tax included.")
@click.option("--currency", default="EUR", show_default=True)
@plainly
def sku_add(config: Path | None, sku: str, **values: Any) -> None:
    """Add a product with nothing on hand."""
    wish = {k: values.pop(k) for k in ("room", "name", "price_minor", "currency")}
    with_pool(config, values, lambda pool: StockStore(pool).add(sku, who="cli", **wish))


@sku.command(name="receive")
@settings_options
@click.argument("sku")
@click.argument("quantity", type=click.IntRange(min=1))
@click.option("--reason", default="")
@plainly
def sku_receive(
    sku: str, quantity: int, reason: str, config: Path | None, **overrides: Any
) -> None:
    """Put units on the shelf."""
    on_hand = with_pool(
        config,
        overrides,
        lambda pool: LedgerStore(pool).move(
            sku, kind="received", quantity=quantity, who="cli", reason=reason
        ),
    )
    click.echo(f"{sku}: {on_hand} on hand")


room.add_command(invite)
main.add_command(load)
main.add_command(room)
main.add_command(stock)
main.add_command(operator)
main.add_command(catalogue)
main.add_command(verify)
main.add_command(rehearse)

# Until settings say otherwise, a failing command prints its one line and no debug logs.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))

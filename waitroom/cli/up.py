"""`waitroom up` starts everything; `migrate` is a step of it."""

import asyncio
import os
import secrets
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import msgspec

from checkout.gateway.deterministic_gateway import open_test_gateway
from inventory.kit.database import open_pool
from inventory.ledger_store import LedgerStore
from inventory.product_store import CatalogueStore
from inventory.sku_store import StockStore
from waitroom.admin.accounts.sign_in import OperatorStore
from waitroom.cli.options import (
    GATEWAYS,
    beside_up,
    load_for,
    plainly,
    settings_options,
    web_options,
    with_gateway,
)
from waitroom.run.addresses import EMBEDDED
from waitroom.run.engines import EmbeddedEngines
from waitroom.run.keys.secrets_file import generate_secrets
from waitroom.run.processes import Supervisor, claim_port
from waitroom.run.seed import DRAW_ROOM, ROOM, seed
from waitroom.run.settings import Settings, SettingsError, load_secrets
from waitroom.store.migrate import migrate as bring_up_to_date
from waitroom.store.room_store import RoomStore

ROLES = ("web", "controller", "sweeper")
FIRST_OPERATOR = "admin"
PASSWORD_FILE = "first-operator-password"  # noqa: S105 - the name of a file


@click.command()
@settings_options
@web_options
@click.option("--demo", is_flag=True, default=None, help="Make a demonstration sale.")
@plainly
def up(config: Path | None, **overrides: Any) -> None:
    """Start everything: embedded engines unless URLs are given, migrations, all processes."""
    settings = load_for(config, **overrides)
    if not settings.gateway and not settings.demo and sys.stdin.isatty():
        overrides["gateway"] = _ask_for_gateway()
        settings = load_for(config, **overrides)
    settings = with_gateway(settings)
    port = claim_port(settings.host, settings.port)
    if settings.admin_port:
        claim_port(settings.host, settings.admin_port)
    with ExitStack() as stack:
        settings, engines = with_engines(settings, stack, port=port)
        _make_secrets_if_missing(settings)
        asyncio.run(prepare_database(settings))
        first_code = asyncio.run(first_steps(settings))
        supervisor = Supervisor(settings, roles=ROLES, engines=engines)
        code = supervisor.run(
            lambda: click.echo(announcement(settings, first_code)), lambda: _ready(settings)
        )
    sys.exit(code)


def _ask_for_gateway() -> str:
    """Ask the person at the terminal how shoppers are to pay."""
    click.echo(
        "How are shoppers to pay? Nothing says so yet.\n"
        "  test    to try a sale out: nobody is charged, and every unit is given away\n"
        "  stripe  to sell: needs Stripe's keys, see docs/integrate/payments.md\n"
        "The setting `gateway`, or --gateway, keeps the choice."
    )
    return str(click.prompt("Gateway", type=click.Choice(GATEWAYS)))


def with_engines(
    settings: Settings, stack: ExitStack, **changes: Any
) -> tuple[Settings, EmbeddedEngines | None]:
    """Start an embedded engine for each that has no URL; they stop with the stack."""
    engines = None
    postgres, valkey = (url == EMBEDDED for url in (settings.postgres_url, settings.valkey_url))
    data_dir = Path(settings.data_dir).expanduser()
    if postgres or valkey:
        click.echo("starting the engines …", err=True)
        engines = EmbeddedEngines(data_dir, postgres=postgres, valkey=valkey)
        urls = stack.enter_context(engines)
        if urls.postgres_url:
            changes["postgres_url"] = urls.postgres_url
            changes["postgres_owner_url"] = urls.postgres_owner_url
        if urls.valkey_url:
            changes["valkey_url"] = urls.valkey_url
    return msgspec.structs.replace(settings, data_dir=str(data_dir), **changes), engines


async def prepare_database(settings: Settings) -> list[str]:
    """Bring tables and rights up to date, as their owner; return the names of what was applied."""
    owner_url = settings.postgres_owner_url
    if settings.gateway == "test":
        # A process that sells may make no tables, not even those of the test gateway.
        pool = await open_pool(owner_url or settings.postgres_url, size_max=1)
        try:
            await open_test_gateway(pool)
        finally:
            await pool.close()
    if not owner_url:
        return await bring_up_to_date(settings.postgres_url)
    role = urlsplit(settings.postgres_url).username
    if role is None:
        raise SettingsError("postgres_url names no role: write it before the host, as in role@host")
    return await bring_up_to_date(owner_url, running_role=unquote(role))


def _make_secrets_if_missing(settings: Settings) -> None:
    if not os.environ.get("WAITROOM_SIGNING_KEYS") and not settings.secrets_path.exists():
        generate_secrets(settings.secrets_path)
    load_secrets(settings)


async def first_steps(settings: Settings) -> str | None:
    """Prepare an empty database for its first operator.

    A demonstration gets its sale, and an admin with a password. Everything else gets a code with
    which the first admin makes their own account; it is returned while there is no operator.
    """
    pool = await open_pool(settings.postgres_url, size_max=2, pooler=settings.postgres_pooler)
    try:
        operators = OperatorStore(pool)
        if not settings.demo:
            return await operators.offer_first()
        if not await operators.any():
            await _add_demonstrator(operators, settings)
        stores = RoomStore(pool), StockStore(pool), CatalogueStore(pool), LedgerStore(pool)
        await seed(*stores)
    finally:
        await pool.close()
    return None


async def _add_demonstrator(operators: OperatorStore, settings: Settings) -> None:
    password = secrets.token_urlsafe(12)
    await operators.add(FIRST_OPERATOR, role="admin", password=password)
    path = _password_path(settings)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password + "\n")


def _password_path(settings: Settings) -> Path:
    return Path(settings.data_dir) / PASSWORD_FILE


def _ready(settings: Settings) -> bool:
    try:
        # S310: the scheme is always http.
        url = f"{settings.own_url}/readyz"
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def announcement(settings: Settings, first_code: str | None) -> str:
    """Say where everything is; `first_code` is for the account of the first admin."""
    base = settings.base_url
    lines = ["", f"  Shop               {base}/"]
    if settings.demo:
        lines.append(f"  Waiting page       {base}/rooms/{ROOM}")
        lines.append(f"  A draw ahead       {base}/rooms/{DRAW_ROOM}")
    lines.append(f"  Operators' screen  {settings.admin_url}/admin")
    if settings.gateway == "test":
        lines.append("  Payments           the test gateway: nobody is charged")
    path = _password_path(settings)
    if first_code:
        lines.append("")
        lines.append("  Nothing is set up yet. Begin here:")
        lines.append(f"  {settings.admin_url}/admin/first?code={first_code}")
        lines.append("  The link makes the first admin's account, once. Keep it to yourself.")
    elif path.exists():
        password = path.read_text(encoding="utf-8").strip()
        lines.append(f"  First operator     {FIRST_OPERATOR}, password {password}")
        lines.append(f"                     (kept in {path})")
    lines += ["", "  Ctrl-C stops everything; the data stays.", ""]
    return "\n".join(lines)


@click.command()
@settings_options
@plainly
def migrate(config: Path | None, **overrides: Any) -> None:
    """Bring the database's tables up to date."""
    settings = beside_up(load_for(config, **overrides))
    with ExitStack() as stack:
        settings, _ = with_engines(settings, stack)
        applied = asyncio.run(prepare_database(settings))
    click.echo("\n".join(applied) or "nothing to do")

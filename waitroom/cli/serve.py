"""`waitroom serve`: processes on engines that run already.

Beside it stand the page for when none serves, and the description of what they serve.
"""

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

from waitroom.cli.options import (
    beside_up,
    load_for,
    plainly,
    settings_options,
    web_options,
    with_gateway,
)
from waitroom.run.addresses import EMBEDDED
from waitroom.run.processes import Supervisor, claim_port
from waitroom.run.processes.spare import TOLD, load_code, show_role, wait_to_be_told
from waitroom.run.settings import SettingsError, load_secrets

ROLE_NAMES = ("all", "web", "controller", "sweeper")


@click.command()
@settings_options
@web_options
@click.option(
    "--role",
    "roles",
    default="all",
    help="web, controller, sweeper, several of them with commas, or all.",
)
@plainly
def serve(config: Path | None, roles: str, **overrides: Any) -> None:
    """Run processes of some roles on engines that run already."""
    if roles == TOLD:
        roles = wait_to_be_told(
            lambda: load_secrets(with_gateway(beside_up(load_for(config, **overrides))))
        )
    settings = beside_up(load_for(config, **overrides))
    if EMBEDDED in (settings.postgres_url, settings.valkey_url):
        raise SettingsError(
            "serve needs --postgres-url and --valkey-url, or a `waitroom up` that runs in "
            f"{settings.data_dir} and starts embedded engines"
        )
    chosen = _roles(roles)
    settings = with_gateway(settings)
    found = load_secrets(settings)
    if settings.workers == 1 or "web" not in chosen:
        # Loaded only here: it is most of a start, and the supervisor has no use for it.
        run = load_code().serve
        show_role(roles)
        sys.exit(run(settings, found, roles=chosen))
    port = claim_port(settings.host, settings.port)
    if settings.admin_port:
        claim_port(settings.host, settings.admin_port)
    settings = msgspec.structs.replace(settings, port=port)
    order = [role for role in ROLE_NAMES if role in chosen]
    supervisor = Supervisor(settings, roles=order)
    sys.exit(supervisor.run(lambda: None, lambda: True))


@click.command()
@click.option("--brand", default="Waitroom", show_default=True, help="The name on the page.")
@plainly
def away(brand: str) -> None:
    """Print the page that a proxy shows while this service is away, in every language.

    It needs no other file: `waitroom away >/var/www/waitroom/away.html`.
    """
    click.echo(import_module("inventory.kit.language.away").away_page(brand), nl=False)


@click.command()
@settings_options
@plainly
def openapi(config: Path | None, **overrides: Any) -> None:
    """Print the OpenAPI document of the API; no engine has to run for it."""
    settings = load_for(config, **overrides)
    found = asyncio.run(import_module("waitroom.run.app").api_json(settings))
    click.echo(msgspec.json.format(msgspec.json.encode(found)))


def _roles(text: str) -> frozenset[str]:
    named = {name.strip() for name in text.split(",")}
    for name in named:
        if name not in ROLE_NAMES:
            raise SettingsError(f"there is no role {name!r}; the roles are {', '.join(ROLE_NAMES)}")
    return frozenset(ROLE_NAMES[1:]) if "all" in named else frozenset(named)

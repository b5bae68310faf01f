"""The `waitroom` program. The module of a command is imported only when that command runs."""

from importlib import import_module

import click
import structlog

_MODULES = {
    "up": "waitroom.cli.up",
    "serve": "waitroom.cli.serve",
    "away": "waitroom.cli.serve",
    "migrate": "waitroom.cli.up",
    "keygen": "waitroom.cli.keygen",
    "sku": "waitroom.cli.stock",
    "stock": "waitroom.cli.stock",
    "room": "waitroom.cli.rooms",
    "move": "waitroom.cli.shards.move",
    "apply": "waitroom.cli.apply",
    "export": "waitroom.cli.apply",
    "backup": "waitroom.cli.copies.commands",
    "restore": "waitroom.cli.copies.commands",
    "restored": "waitroom.cli.copies.commands",
    "operator": "waitroom.cli.accounts.people",
    "key": "waitroom.cli.accounts.keys",
    "catalogue": "waitroom.cli.catalogue",
    "verify": "waitroom.cli.verify",
    "doctor": "waitroom.cli.checks.doctor",
    "rehearse": "waitroom.cli.rehearse",
    "load": "waitroom.cli.remote.load",
    "mcp": "waitroom.cli.remote.assistant",
    "openapi": "waitroom.cli.serve",
}
# Commands whose functions have another name than they do.
_NAMES = {"move": "move_room"}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        found: click.Command = getattr(
            import_module(_MODULES[cmd_name]), _NAMES.get(cmd_name, cmd_name)
        )
        return found


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="waitroom")
def main() -> None:
    """Run a self-hosted virtual waiting room with fair checkout."""


# Until the settings are read, a failing command prints its one line and no debug logs.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))

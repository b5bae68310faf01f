"""`waitroom operator`: the operators' accounts, for the owner of the machine."""

from pathlib import Path
from typing import Any

import click
import msgspec

from waitroom.admin.accounts.factors.factor_store import FactorStore
from waitroom.admin.accounts.sign_in import ROLES, OperatorStore
from waitroom.cli.accounts.noting import noting
from waitroom.cli.options import fail, plainly, settings_options, with_pool


@click.group(name="operator")
def operator() -> None:
    """Add operators and change their accounts."""


@operator.command(name="add")
@settings_options
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do.")
@click.password_option(help="Their password; without it the command asks.")
@plainly
def operator_add(
    name: str, role: str, password: str, config: Path | None, **overrides: Any
) -> None:
    """Add an operator."""
    with_pool(
        config,
        overrides,
        noting(
            lambda pool: OperatorStore(pool).add(name, role=role, password=password),
            "operator_added",
            operator=name,
            role=role,
        ),
    )


@operator.command(name="list")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each operator.")
@plainly
def operator_list(as_json: bool, config: Path | None, **overrides: Any) -> None:  # noqa: FBT001 - a flag
    """List the operators with their roles and their number of open sessions."""
    found = with_pool(config, overrides, lambda pool: OperatorStore(pool).accounts())
    if not as_json:
        click.echo(f"{'name':<32} {'role':<8} {'active':<6} {'sessions':>8}")
    for account in found:
        if as_json:
            click.echo(msgspec.json.encode(account))
        else:
            active = "yes" if account.active else "no"
            who = f"{account.name:<32} {account.role:<8}"
            click.echo(f"{who} {active:<6} {account.sessions:>8}")


@operator.command(name="change")
@settings_options
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What they may do from now on.")
@click.option("--active/--inactive", default=None, help="Allow or forbid signing in.")
@click.option("--new-password", is_flag=True, help="Ask for a new password.")
@plainly
def operator_change(
    name: str,
    role: str | None,
    active: bool | None,  # noqa: FBT001 - a flag
    new_password: bool,  # noqa: FBT001 - a flag
    config: Path | None,
    **overrides: Any,
) -> None:
    """Change an account. Its operator is signed out everywhere."""
    if role is None and active is None and not new_password:
        fail("give at least one of --role, --active, --inactive and --new-password")
    password = (
        click.prompt("Password", hide_input=True, confirmation_prompt=True)
        if new_password
        else None
    )
    changed = with_pool(
        config,
        overrides,
        noting(
            lambda pool: OperatorStore(pool).change(
                name, actor=None, role=role, active=active, password=password
            ),
            "operator_changed",
            operator=name,
            role=role,
            active=active,
            password="new" if new_password else None,
        ),
    )
    click.echo(f"{name}: {'changed' if changed else 'nothing to do'}")


@operator.command(name="remove-factors")
@settings_options
@click.argument("name")
@plainly
def operator_remove_factors(name: str, config: Path | None, **overrides: Any) -> None:
    """Remove an operator's second factors, and sign them out: they lost their phone."""
    removed = with_pool(
        config,
        overrides,
        noting(
            lambda pool: FactorStore(pool).remove_all(name, actor=None),
            "factor_removed",
            operator=name,
        ),
    )
    click.echo(f"{name}: {'second factors removed' if removed else 'had none'}")


@operator.command(name="sign-out")
@settings_options
@click.argument("name")
@plainly
def operator_sign_out(name: str, config: Path | None, **overrides: Any) -> None:
    """End an operator's sessions."""
    ended = with_pool(
        config,
        overrides,
        noting(
            lambda pool: OperatorStore(pool).sign_out_everywhere(name, who="cli"),
            "sessions_ended",
            operator=name,
        ),
    )
    click.echo(f"{name}: {ended} session(s) ended")

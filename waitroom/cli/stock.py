"""`waitroom stock` and `waitroom sku`: the ledger and the shelf on the command line."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from inventory.kit.database import Pool
from inventory.ledger_store import LedgerStore
from inventory.money import AMOUNT_MAX, UnreadableAmount, parse_amount
from inventory.sku_store import StockStore
from waitroom.cli.options import fail, plainly, settings_options, with_pool


class Moment(click.ParamType[datetime]):
    """A moment by ISO 8601; without an offset it is UTC."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("say it like 2026-11-22T10:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.group()
def stock() -> None:
    """Look into the ledger of stock."""


@stock.command(name="at")
@settings_options
@click.argument("room")
@click.argument("moment", type=Moment(), required=False)
@click.option("--sku", help="This SKU alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each SKU.")
@plainly
def stock_at(
    room: str,
    moment: datetime | None,
    sku: str | None,
    as_json: bool,  # noqa: FBT001 - a flag
    config: Path | None,
    **overrides: Any,
) -> None:
    """Recompute a room's balances at a MOMENT (default: now) from the movements until then."""
    at = moment or datetime.now(UTC)
    found = with_pool(
        config, overrides, lambda pool: LedgerStore(pool).at(room, at, sku=sku, limit=1_000_000)
    )
    if not as_json:
        click.echo(f"{'SKU':<32} {'on hand':>8} {'held':>8} {'sold':>8} {'available':>9}")
    for row in found:
        if as_json:
            click.echo(msgspec.json.encode(asdict(row)))
        else:
            figures = f"{row.on_hand:>8} {row.held:>8} {row.sold:>8} {row.available:>9}"
            click.echo(f"{row.sku:<32} {figures}")


@stock.command(name="check")
@settings_options
@plainly
def stock_check(config: Path | None, **overrides: Any) -> None:
    """Count the books again and say whether they agree; exit code 1 if they do not."""
    found = with_pool(config, overrides, lambda pool: LedgerStore(pool).breaches())
    for breach in found:
        click.echo(msgspec.json.encode(breach), err=True)
    click.echo("the books disagree" if found else "the books agree")
    raise SystemExit(1 if found else 0)


@click.group()
def sku() -> None:
    """Add products and stock."""


@sku.command(name="add")
@settings_options
@click.argument("sku")
@click.option("--room", required=True)
@click.option("--name", required=True)
@click.option("--price", help="In the room's currency, such as 12.50, tax included.")
@click.option(
    "--price-minor",
    type=click.IntRange(0, AMOUNT_MAX),
    help="The same in minor units, such as 1250.",
)
@plainly
def sku_add(
    *,
    sku: str,
    room: str,
    name: str,
    price: str | None,
    price_minor: int | None,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Add a product with nothing on hand, at a price in the currency of its room."""
    if (price is None) == (price_minor is None):
        fail("say the price with either --price or --price-minor")

    async def add(pool: Pool) -> None:
        stock = StockStore(pool)
        minor = price_minor
        if price is not None:
            minor = parse_amount(price, await stock.currency(room))
        await stock.add(sku, room=room, name=name, price_minor=minor or 0, who="cli")

    try:
        with_pool(config, overrides, add)
    except UnreadableAmount as error:
        fail(f"--price is {error}")


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

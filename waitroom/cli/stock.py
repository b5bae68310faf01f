"""`waitroom stock` and `waitroom sku`: the ledger of stock, and units received."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from inventory.catalogue import LIMIT_MAX, NewProduct, NewSku
from inventory.kit.database import Pool
from inventory.ledger_store import LedgerStore
from inventory.money import UnreadableAmount, parse_amount
from inventory.sku_store import StockStore
from waitroom.cli.options import (
    MOMENT,
    NOTE,
    WholeNumber,
    checked,
    fail,
    plainly,
    settings_options,
    with_pool,
)


@click.group()
def stock() -> None:
    """Check and recompute the ledger of stock."""


@stock.command(name="at")
@settings_options
@click.argument("room")
@click.argument("moment", type=MOMENT, required=False)
@click.option("--sku", help="Only this SKU.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each SKU.")
@plainly
def stock_at(
    room: str,
    moment: datetime | None,
    sku: str | None,
    as_json: bool,  # noqa: FBT001 - a flag
    config: Path | None,
    **overrides: Any,
) -> None:
    """Recompute a room's balances from all movements up to MOMENT (default: now)."""
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
    """Recount the books. The exit code is 1 if they disagree."""
    found = with_pool(config, overrides, lambda pool: LedgerStore(pool).breaches())
    for breach in found:
        click.echo(msgspec.json.encode(breach), err=True)
    click.echo("the books disagree" if found else "the books agree")
    raise SystemExit(1 if found else 0)


@click.group()
def sku() -> None:
    """Add products and receive units."""


@sku.command(name="add")
@settings_options
@click.argument("sku")
@click.option("--room", required=True, help="The room that sells it.")
@click.option("--name", required=True, help="The name that shoppers read.")
@click.option("--price", help="The price in the room's currency, such as 12.50, tax included.")
@click.option("--price-minor", type=WholeNumber(), help="The price in minor units, such as 1250.")
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
    """Add a product with no units on hand, at a price in the currency of its room."""
    if (price is None) == (price_minor is None):
        fail("give the price with either --price or --price-minor")

    async def add(pool: Pool) -> None:
        stock = StockStore(pool)
        minor = price_minor
        if price is not None:
            minor = parse_amount(price, await stock.currency(room))
        # The SKU comes with a product of its own code and name.
        product = checked(NewProduct, product=sku, name=name)
        wish = checked(NewSku, sku=sku, price_minor=minor)
        await stock.add(
            wish.sku, room=room, name=product.name, price_minor=wish.price_minor, who="cli"
        )

    try:
        with_pool(config, overrides, add)
    except UnreadableAmount as error:
        fail(f"--price is {error}")


@sku.command(name="receive")
@settings_options
@click.argument("sku")
@click.argument("quantity", type=WholeNumber(1, LIMIT_MAX))
@click.option("--reason", type=NOTE, default="", help="The reason, for the record.")
@plainly
def sku_receive(
    sku: str, quantity: int, reason: str, config: Path | None, **overrides: Any
) -> None:
    """Receive QUANTITY units of SKU into stock."""
    on_hand = with_pool(
        config,
        overrides,
        lambda pool: LedgerStore(pool).move(
            sku, kind="received", quantity=quantity, who="cli", reason=reason
        ),
    )
    click.echo(f"{sku}: {on_hand} on hand")

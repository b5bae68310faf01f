"""Five attackers of a sale: how long honest shoppers' sale lasts beside the same sale without them.

    python tools/attackers.py [--shoppers 600] [--units 400] [--rounds 1]

Each round sells the same goods to the same crowd twice, by the real program on engines of its own:
once to honest shoppers alone, and once while five attackers come as well. It opens by a draw, and
every rule that is not named here is as in a new room. The table says how long both sales took from
the opening to 95 % of the units and to the last one, what the attackers got, and which refusals
honest shoppers met that a calm sale does not know.
"""

import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import asyncpg
import click
import structlog
from attackers import Attackers, Strength
from chaos.stage import stage
from support import open_room, secrets, settings

from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd, CrowdResult
from waitroom.run.app import open_service

ROOM = "drop"
SKUS = ("mug", "vase", "lamp")
DOORS_S = 15.0
# A new room gives five minutes for a basket, ten for a session and two to come. Shoppers of this
# crowd are quick, so the sale has a third to a fifth of these, and ends in minutes.
TIMES = {"hold_s": 60, "session_s": 150, "claim_window_s": 40}
LOOK_EVERY_S = 1.0
ORDER_UNITS_MAX = 4
TIMES_MAX = 1.2
KINDS = tuple(field.name for field in fields(Strength))
# Refusals that are part of a calm sale; honest shoppers should meet no other.
CALM = frozenset(
    {
        "not_open",
        "paid_too_soon",
        "sold_out",
        "missed",
        "ticket_over",
        "out_of_stock",
        "payment_declined",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of a sale. `limit_s` is when it is given up.

    `places` is the room's `places_per_address_max`, None for the default.
    """

    shoppers: int
    units: int
    seats: int
    arrive_s: float
    limit_s: float
    seed: int
    places: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One sale: seconds from the opening to 95 % of the units and to the last, None for never."""

    most_s: float | None
    all_s: float | None
    sold: int
    crowd: CrowdResult
    units_of_attackers: int = 0
    attackers: dict[str, str] | None = None

    @property
    def refusals(self) -> dict[str, int]:
        """Return the refusals of honest shoppers that do not belong to a calm sale."""
        told = Counter(self.crowd.refusals) + Counter(self.crowd.errors)
        return {code: count for code, count in told.items() if code not in CALM}


async def sell(folder: Path, size: Size, strength: Strength | None) -> Sale:
    """Sell once, with attackers or without."""
    async with stage(folder, WAITROOM_WORKERS="1") as running:
        made = settings(running.database.url, running.valkey_url)
        each = size.units // len(SKUS)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            opens_at = datetime.now(UTC) + timedelta(seconds=DOORS_S)
            rules = {
                "policy": "expected",
                "pay_after_s": 2,
                "seats_max": size.seats,
                **TIMES,
                "proof_of_work": "pressure",
                "order_units_max": ORDER_UNITS_MAX,
                "order_by": "draw",
                "opens_at": opens_at.isoformat(),
            }
            if size.places is not None:
                rules["places_per_address_max"] = size.places
            stock = dict.fromkeys(SKUS, each)
            await open_room(service, ROOM, skus=stock, status="scheduled", **rules)
        crowd = Crowd(
            running.program.url,
            ROOM,
            Behaviour(
                shoppers=size.shoppers, arrive_s=size.arrive_s, patience_s=600, seed=size.seed
            ),
        )
        attackers = None
        if strength is not None:
            attackers = Attackers(running.program.url, ROOM, list(SKUS), strength)
        buying = asyncio.create_task(crowd.run())
        try:
            await _until_sold(running.database.url, each * len(SKUS), size.limit_s)
        finally:
            crowd.stop()
            result = await buying
            if attackers is not None:
                await attackers.stop()
        most_s, all_s, sold = await _times(running.database.url, each * len(SKUS), opens_at)
        return Sale(
            most_s=most_s,
            all_s=all_s,
            sold=sold,
            crowd=result,
            units_of_attackers=0 if attackers is None else attackers.units,
            attackers=None if attackers is None else _told(attackers),
        )


def _told(attackers: Attackers) -> dict[str, str]:
    return {
        name: f"{bot.places} places, {bot.units} units bought, {bot.held_most} held at most; "
        + ", ".join(f"{code} {count}" for code, count in bot.refused.most_common(6))
        for name, bot in attackers.bots.items()
    }


async def _until_sold(url: str, units: int, limit_s: float) -> None:
    ends_at = time.monotonic() + limit_s + DOORS_S
    database = await asyncpg.connect(url)
    try:
        while time.monotonic() < ends_at:
            if await database.fetchval("SELECT COALESCE(sum(sold), 0) FROM stock") >= units:
                return
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await database.close()


async def _times(url: str, units: int, opens_at: datetime) -> tuple[Any, Any, int]:
    """Return when 95 % of the units and when all were sold, and how many were."""
    database = await asyncpg.connect(url)
    try:
        rows = await database.fetch(
            """SELECT extract(epoch FROM p.sold_at - $1)::float8 AS at,
                      sum(l.quantity)::int AS units
               FROM purchase p JOIN purchase_line l USING (order_id) WHERE p.sold_at IS NOT NULL
               GROUP BY p.order_id, p.sold_at ORDER BY p.sold_at""",
            opens_at,
        )
    finally:
        await database.close()
    sold, most_s, all_s = 0, None, None
    for row in rows:
        sold += row["units"]
        if most_s is None and sold >= 0.95 * units:
            most_s = row["at"]
        if sold >= units:
            all_s = row["at"]
    return most_s, all_s, sold


def _seconds(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.1f} s"


def report(calm: Sale, attacked: Sale) -> tuple[float, float]:
    """Print both sales side by side.

    Return how many times as long the attacked one took, to 95 % of the units and to the last one.
    """
    rows = [
        ("95 % of the units sold", _seconds(calm.most_s), _seconds(attacked.most_s)),
        ("the last unit sold", _seconds(calm.all_s), _seconds(attacked.all_s)),
        ("units sold", str(calm.sold), str(attacked.sold)),
        ("units that attackers got", "0", str(attacked.units_of_attackers)),
        ("honest shoppers who bought", str(calm.crowd.bought), str(attacked.crowd.bought)),
        ("refusals of honest shoppers", str(calm.refusals or 0), str(attacked.refusals or 0)),
    ]
    click.echo(f"{'':30} {'honest alone':>20} {'with five attackers':>24}")
    for name, one, other in rows:
        click.echo(f"{name:30} {one:>20} {other:>24}")
    for name, told in (attacked.attackers or {}).items():
        click.echo(f"  {name}: {told}")
    times = [
        other / one
        for one, other in ((calm.most_s, attacked.most_s), (calm.all_s, attacked.all_s))
        if one and other
    ]
    if len(times) < 2:
        click.echo("one of the sales did not sell everything in its time")
        return times[0] if attacked.most_s and calm.most_s else inf, inf
    click.echo(f"times as long: {times[0]:.2f} to 95 %, {times[1]:.2f} to the last unit")
    return times[0], times[1]


@click.command()
@click.option("--shoppers", default=600, show_default=True)
@click.option("--units", default=400, show_default=True)
@click.option("--seats", default=100, show_default=True)
@click.option("--arrive-s", default=60.0, show_default=True)
@click.option("--places", type=int, help="The rule places_per_address_max; default: as ever.")
@click.option("--limit-s", default=600.0, show_default=True)
@click.option("--rounds", default=1, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--strength", default=1.0, show_default=True, help="Of the attackers, of 1.")
@click.option("--only", type=click.Choice(KINDS), help="Let this attacker come alone.")
def main(rounds: int, strength: float, seed: int, only: str | None, **size: Any) -> None:
    """Sell to honest shoppers alone, and beside five attackers, and compare."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    whole = Strength()
    places = {
        kind: round(getattr(whole, kind) * strength) if only in {None, kind} else 0
        for kind in KINDS
    }
    attack = Strength(**places)
    found = []
    for number in range(rounds):
        chosen = Size(seed=seed + number, **size)
        with tempfile.TemporaryDirectory(prefix="waitroom-attackers-") as folder:
            (Path(folder) / "calm").mkdir()
            (Path(folder) / "attacked").mkdir()
            calm = asyncio.run(sell(Path(folder) / "calm", chosen, None))
            click.echo(
                f"honest alone: {_seconds(calm.most_s)} to 95 %, {_seconds(calm.all_s)} in all"
            )
            attacked = asyncio.run(sell(Path(folder) / "attacked", chosen, attack))
        found.append(report(calm, attacked))
    most, last = (median(times) for times in zip(*found, strict=True))
    click.echo(
        f"medians of {rounds} rounds, times as long: {most:.2f} to 95 %, {last:.2f} to the last"
        f" unit; at most {TIMES_MAX} wanted"
    )
    sys.exit(0 if max(most, last) <= TIMES_MAX else 1)


if __name__ == "__main__":
    main()

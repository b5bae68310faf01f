"""Plans of sales: the rooms, the shoppers and what goes wrong, all by the dice."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from checkout.refund import RefundWish
from inventory.hold import Item
from simulation.books.tables import moment
from simulation.clockwork import START_S
from simulation.gateway import APPROVE, DECLINE, REFUSE_CAPTURE

# Faults end after this (s).
TROUBLE_S = 12.0
RULES = {"claim_window_s": 90, "session_s": 300, "hold_s": 120, "payment_window_s": 120}

BASKETS = ([("mug", 1)], [("mug", 1)], [("vase", 1)], [("mug", 1), ("mug", 1)], [("mug", 2)])
TOKENS = (APPROVE, APPROVE, APPROVE, DECLINE, REFUSE_CAPTURE)
# What a shopper sends back: mostly nothing, else one mug or everything, to be sold again or not.
ONE_MUG = [Item("mug", 1)]
SENDS_BACK = (
    *[None] * 6,
    RefundWish(reason="it does not fit", items=ONE_MUG, restock=True),
    RefundWish(reason="it is broken", items=ONE_MUG, restock=False),
    RefundWish(reason="they changed their mind", full=True, restock=True),
)
TROUBLES = (
    "kill",
    "kill",
    "freeze",
    "postgres_away",
    "postgres_frozen",
    "valkey_away",
    "valkey_flushed",
    "lock",
    "role_away",
)
PROCESSES = 4
# Without web workers nobody serves, without controllers nobody leads.
ROLES = ("web", "controller")


@dataclass(slots=True, kw_only=True)
class Plan:
    """A sale as it is planned."""

    kind: str
    rooms: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Units of each SKU, by room.
    stock: dict[str, dict[str, int]] = field(default_factory=dict)
    shoppers: list[dict[str, Any]] = field(default_factory=list)
    # What happens to it, each with its moment (s).
    troubles: list[tuple[float, str, Any]] = field(default_factory=list)
    # The share of requests that meet a fault.
    weather: float = 0.0
    # The bounds of the time that the gateway takes for an answer (s).
    answers_s: tuple[float, float] = (0.0, 0.5)
    # To PostgreSQL, of each process.
    connections: int = 6
    # The web workers that shoppers are led to.
    workers: int = 2


def storm(dice: random.Random) -> Plan:
    """A small sale with every trouble there is."""
    plan = Plan(kind="storm", weather=dice.choice([0.0, 0.05, 0.12, 0.25]))
    policy = dice.choice(["rate", "guaranteed", "guaranteed", "expected"])
    plan.rooms["drop"] = {"policy": policy, "seats_max": dice.randint(2, 6)}
    plan.stock["drop"] = {"mug": dice.randint(2, 12), "vase": dice.randint(1, 4)}
    for _ in range(dice.randint(3, 7)):
        plan.shoppers.append(_buyer(dice))
    for _ in range(dice.randint(0, 4)):
        plan.troubles.append((dice.uniform(0.5, TROUBLE_S), *_trouble(dice)))
    return plan


def _buyer(dice: random.Random) -> dict[str, Any]:
    basket = dice.choice(BASKETS)
    back = dice.choice(SENDS_BACK)
    if back is not None and not back.full and basket[0][0] != "mug":
        back = None
    return {
        "room": "drop",
        "arrives_s": dice.uniform(0.0, 6.0),
        "network": f"10.0.0.{dice.randint(1, 200)}",
        "basket": basket,
        "token": dice.choice(TOKENS),
        "way": dice.choice(["once", "once", "twice", "keyless"]),
        "sends_back": back,
    }


def draw(dice: random.Random) -> Plan:
    """A sale that opens with a draw among those who came before, with every trouble there is."""
    plan = Plan(kind="draw", weather=dice.choice([0.0, 0.05, 0.12]))
    opens_s = dice.uniform(2.0, 6.0)
    plan.rooms["drop"] = {
        "status": "scheduled",
        "order_by": "draw",
        "opens_at": moment(START_S + opens_s),
        "seats_max": dice.randint(2, 4),
        "policy": dice.choice(["rate", "guaranteed"]),
    }
    plan.stock["drop"] = {"mug": dice.randint(2, 8), "vase": 1}
    for _ in range(dice.randint(3, 5)):
        plan.shoppers.append({**_buyer(dice), "arrives_s": dice.uniform(0.0, opens_s)})
    for _ in range(dice.randint(0, 2)):
        late_s = dice.uniform(opens_s, opens_s + 3.0)
        plan.shoppers.append({**_buyer(dice), "arrives_s": late_s})
    for _ in range(dice.randint(0, 3)):
        plan.troubles.append((dice.uniform(0.5, TROUBLE_S), *_trouble(dice)))
    return plan


def _trouble(dice: random.Random) -> tuple[str, Any]:
    what = dice.choice(TROUBLES)
    if what == "kill":
        return what, dice.randrange(PROCESSES)
    if what == "freeze":
        return what, (dice.randrange(PROCESSES), dice.uniform(0.5, 12.0))
    if what == "valkey_flushed":
        return what, None
    if what == "role_away":
        return what, (dice.choice(ROLES), dice.uniform(4.0, 30.0))
    if what == "lock":
        return what, (0, dice.uniform(0.5, 6.0))
    return what, dice.uniform(0.5, 12.0)


def apart(dice: random.Random) -> Plan:
    """Two rooms: in one of them all rows are locked for a while, in the midst of payments."""
    plan = Plan(kind="apart", connections=4, workers=1)
    for room, sku in (("drop", "mug"), ("gala", "seat")):
        plan.rooms[room] = {"seats_max": 50}
        plan.stock[room] = {sku: 60}
    plan.troubles = [(dice.uniform(4.0, 6.0), "lock", (0, 6.0))]
    for number in range(24):
        stuck = number < 16
        plan.shoppers.append(
            {
                "room": "drop" if stuck else "gala",
                "arrives_s": dice.uniform(1.0, 4.0 if stuck else 9.0),
                "chooses_s": dice.uniform(0.0, 6.0) if stuck else 0.0,
                "network": f"10.0.1.{number}",
                "basket": [("mug" if stuck else "seat", 1)],
            }
        )
    return plan


def stream(dice: random.Random) -> Plan:
    """A calm stream of joins at one worker."""
    plan = Plan(kind="stream", workers=1)
    plan.rooms["drop"] = {"seats_max": 0}
    for number in range(STREAM_JOINS):
        plan.shoppers.append(
            {
                "room": "drop",
                "arrives_s": 1.0 + dice.uniform(0.0, STREAM_S),
                "network": f"10.0.3.{number}",
                "way": "joins",
            }
        )
    return plan


STREAM_JOINS, STREAM_S = 120, 4.0


def farm(dice: random.Random) -> Plan:
    """One network that wants many places, and shoppers who come after it."""
    plan = Plan(kind="farm")
    plan.rooms["drop"] = {"seats_max": 2, "places_per_address_max": FARM_PLACES}
    for number in range(18):
        of_farm = number < 12
        plan.shoppers.append(
            {
                "room": "drop",
                "arrives_s": dice.uniform(1.0, 3.0) if of_farm else dice.uniform(3.0, 6.0),
                "network": "10.9.9.9" if of_farm else f"10.0.4.{number}",
                "way": "joins",
            }
        )
    return plan


FARM_PLACES = 3


def hasty(dice: random.Random) -> Plan:
    """Shoppers who ask as fast as they can, and wait when they are told to."""
    plan = Plan(kind="hasty", workers=1)
    plan.rooms["drop"] = {"seats_max": 0}
    for number in range(3):
        network = f"10.0.5.{number}"
        arrives_s = dice.uniform(0.0, 2.0)
        shopper = {"room": "drop", "arrives_s": arrives_s, "network": network, "way": "hasty"}
        plan.shoppers.append(shopper)
    return plan


# Each kind of sale, and how many of a hundred seeds play it.
KINDS: dict[Callable[[random.Random], Plan], int] = {
    storm: 68,
    draw: 12,
    apart: 5,
    stream: 4,
    farm: 6,
    hasty: 5,
}


def plan_of(dice: random.Random) -> Plan:
    (kind,) = dice.choices(list(KINDS), weights=list(KINDS.values()))
    return kind(dice)

"""The payment gateway is slow, loses answers after a charge, or sends its news as it likes."""

import asyncio
from random import Random

from chaos.faults.registry import fault
from chaos.stage import ALONE, Needs, Stage
from chaos.stripe_side import BAD_CARD, CARDS

ON_STRIPE = Needs(parts=ALONE, stripe=True, cards=CARDS, bad_card=BAD_CARD)
NEWS = "and its news come twice, in any order, or never"


@fault(
    "every third payment takes the gateway 12 s",
    Needs(cards=("tok_approve", "tok_approve", "tok_slow")),
    note="during the whole run",
)
async def slow(stage: Stage, dice: Random) -> None:
    await asyncio.sleep(12)


@fault(
    "the gateway's answer is lost after every second charge",
    Needs(cards=("tok_approve", "tok_fail_after_charge")),
    note="during the whole run",
)
async def lost(stage: Stage, dice: Random) -> None:
    await asyncio.sleep(5)


@fault("Stripe's answers are late by 3 s for 15 s", ON_STRIPE, note=NEWS)
async def stripe_slow(stage: Stage, dice: Random) -> None:
    assert stage.stripe is not None
    stage.stripe.late_s = 3.0
    await asyncio.sleep(15)
    stage.stripe.late_s = 0.0


@fault("a third of Stripe's answers is lost for 15 s", ON_STRIPE, note=NEWS)
async def stripe_loses(stage: Stage, dice: Random) -> None:
    assert stage.stripe is not None
    stage.stripe.dice, stage.stripe.lost_share = dice, 1 / 3
    await asyncio.sleep(15)
    stage.stripe.lost_share = 0.0


@fault("Stripe is away for 15 s", ON_STRIPE, note=NEWS)
async def stripe_away(stage: Stage, dice: Random) -> None:
    assert stage.stripe is not None
    stage.stripe.lost_share = 1.0
    await asyncio.sleep(15)
    stage.stripe.lost_share = 0.0

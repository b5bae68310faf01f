"""The payment gateway is slow, breaks off after a charge, or decides late."""

import asyncio
from random import Random

from chaos.faults.registry import fault
from chaos.stage import Needs, Stage


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

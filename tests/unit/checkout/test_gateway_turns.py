"""Acts at the gateway wait for their turn before their time begins."""

import asyncio

import pytest

from checkout.gateway.gateway import NO_ANSWER, NOT_SENT, Payment, PaymentState, answer_of
from inventory.kit.problem import Busy
from inventory.kit.turns import Turns

PAID = Payment(state=PaymentState.AUTHORIZED)


def turns(*, waiting_max: int = 9, wait_max_s: float | None = None) -> Turns:
    return Turns(at_once=1, waiting_max=waiting_max, wait_max_s=wait_max_s, busy="Busy.")


class Slow:
    """A gateway that answers when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.answers = asyncio.Event()

    async def pay(self) -> Payment:
        self.begun += 1
        await self.answers.wait()
        return PAID


async def ask(gateway: Slow, at: Turns, *, timeout_s: float = 60.0) -> Payment:
    return await answer_of(
        gateway.pay(), turns=at, timeout_s=timeout_s, key="k", otherwise=NO_ANSWER, unsent=NOT_SENT
    )


async def test_the_time_of_an_act_begins_with_its_turn() -> None:
    slow, quick, at = Slow(), Slow(), turns()
    quick.answers.set()
    first = asyncio.create_task(ask(slow, at))
    await asyncio.sleep(0)

    late = asyncio.create_task(ask(quick, at, timeout_s=0.05))
    await asyncio.sleep(0.1)
    begun = quick.begun
    slow.answers.set()

    assert [await first, await late] == [PAID, PAID]
    assert begun == 0


async def test_an_act_that_gets_no_turn_is_known_to_be_unsent() -> None:
    slow, at = Slow(), turns(wait_max_s=0.01)
    first = asyncio.create_task(ask(slow, at))
    await asyncio.sleep(0)

    second = await ask(slow, at)
    slow.answers.set()

    assert (second, await first, slow.begun) == (NOT_SENT, PAID, 1)


async def test_an_act_that_does_not_answer_frees_its_turn() -> None:
    slow, at = Slow(), turns()

    first, second = await ask(slow, at, timeout_s=0.01), await ask(slow, at, timeout_s=0.01)

    assert (first, second, slow.begun) == (NO_ANSWER, NO_ANSWER, 2)


async def test_no_more_acts_wait_than_the_line_is_long() -> None:
    slow, at = Slow(), turns(waiting_max=1)
    at.require_room()
    acts = [asyncio.create_task(ask(slow, at)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Busy):
        at.require_room()
    third = await ask(slow, at)
    slow.answers.set()

    assert third == NOT_SENT
    assert await asyncio.gather(*acts) == [PAID, PAID]

"""Strangers who try passwords keep no operator waiting, and do not queue up without end."""

import asyncio

import pytest

from inventory.kit.problem import Busy
from waitroom.admin.accounts.sign_in import STRANGERS_MAX, Hashing


async def test_a_crowd_of_strangers_takes_one_turn_and_the_operator_has_another() -> None:
    hashing, done, hash_ends = Hashing(), list[str](), asyncio.Event()

    async def stranger() -> None:
        async with hashing.turn(known=False):
            await hash_ends.wait()
        done.append("stranger")

    crowd = [asyncio.create_task(stranger()) for _ in range(STRANGERS_MAX)]
    await asyncio.sleep(0)

    with pytest.raises(Busy):
        await stranger()
    async with hashing.turn(known=True):
        done.append("operator")
    hash_ends.set()
    await asyncio.gather(*crowd)

    assert done == ["operator", *["stranger"] * STRANGERS_MAX]
    async with hashing.turn(known=False):
        done.append("later")
    assert done[-1] == "later"

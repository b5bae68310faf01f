"""Five attackers in a small sale: honest shoppers buy beside them and are refused nothing."""

import asyncio

from attackers import Attackers, Strength
from programs import Site, all_know
from support import open_room

from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd
from waitroom.run.app import Service

HONEST = 12
HONEST_CROWD = Behaviour(
    shoppers=HONEST, arrive_s=10, pace=0.1, leave_share=0, no_show_share=0, late_share=0,
    want_share=1, pay_share=1, decline_share=0, double_click_share=0,
)  # fmt: skip
STRENGTH = Strength(joins=20, denial=12, stuffed=2, snipers=1, testers=2)
# A fifth of ninety units, and two for each session.
MOST = 18 + 2 * STRENGTH.denial


async def test_honest_shoppers_buy_beside_five_attackers(service: Service, site: Site) -> None:
    await open_room(service, skus={"mug": 90}, policy="rate")
    await all_know(site.url)
    attackers = Attackers(site.url, "drop", ["mug"], STRENGTH)
    denial = attackers.bots["denial of inventory"]

    await asyncio.sleep(0.5)
    result = await Crowd(site.url, "drop", HONEST_CROWD).run()
    await attackers.stop()

    assert (result.bought, result.refusals, result.errors) == (HONEST, {}, {})
    assert 0 < denial.held_most <= MOST
    assert denial.units == attackers.bots["card testing"].units == 0
    assert denial.refused["limit_reached"] == 0

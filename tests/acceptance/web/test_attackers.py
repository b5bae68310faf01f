"""Five attackers in a small sale: honest shoppers buy beside them and are refused nothing."""

import asyncio

from attackers import Attackers, Strength
from programs import Site, all_know
from support import authorization, eventually, execute, open_room

from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd
from waitroom.run.app import Service

HONEST = 12
HONEST_CROWD = Behaviour(
    shoppers=HONEST, arrive_s=10, pace=0.1, leave_share=0, no_show_share=0, late_share=0,
    want_share=1, pay_share=1, decline_share=0, double_click_share=0,
)  # fmt: skip
STRENGTH = Strength(joins=20, denial=12, stuffed=2, snipers=1, testers=2)
STRENGTH_OF_NONE = Strength(joins=0, denial=0, stuffed=0, snipers=0, testers=0)
# The units of one order, and two for each session.
MOST = 10 + 2 * STRENGTH.denial


async def test_honest_shoppers_buy_beside_five_attackers(service: Service, site: Site) -> None:
    await open_room(service, skus={"mug": 90}, policy="rate")
    await all_know(site)
    attackers = Attackers(site.url, "drop", ["mug"], STRENGTH)
    denial = attackers.bots["denial of inventory"]

    await asyncio.sleep(0.5)
    result = await Crowd(site.url, "drop", HONEST_CROWD).run()
    await attackers.stop()

    assert (result.bought, result.refusals, result.errors) == (HONEST, {}, {})
    assert 0 < denial.held_most <= MOST
    assert denial.units == attackers.bots["card testing"].units == 0
    assert denial.refused["limit_reached"] == 0


async def test_a_shopper_of_a_network_that_is_full_is_told_when_to_come_again(
    service: Service, site: Site
) -> None:
    await open_room(service, skus={"mug": 90}, policy="rate")
    await all_know(site)
    attackers = Attackers(site.url, "drop", ["mug"], STRENGTH_OF_NONE)
    bot = attackers.bots["denial of inventory"]
    tickets = [await bot.join() for _ in range(3)]
    claims = f"{site.url}/rooms/drop/claims"
    try:
        first, _ = await bot.ask("POST", "/rooms/drop/claims", token=str(tickets[0]))
        await execute(
            service,
            """INSERT INTO room_network (room_id, network, since, unpaid)
               SELECT room_id, network, clock_timestamp(), 10 FROM admission
               WHERE state = 'claimed'""",
        )
        second, _ = await bot.ask("POST", "/rooms/drop/claims", token=str(tickets[1]))
        headers = {"X-Forwarded-For": bot.address, **authorization(str(tickets[2]))}
        async with bot.http.post(claims, headers=headers) as answer:
            said, again = await answer.json(), answer.headers["Retry-After"]
        headers["X-Forwarded-For"] = "198.51.100.7"

        async def is_let_in_elsewhere() -> bool:
            # The call went on to others at once, so this place may have to be called again.
            async with bot.http.post(claims, headers=headers) as answer:
                return answer.status == 201

        await eventually(is_let_in_elsewhere)
    finally:
        await attackers.stop()

    assert (first, second) == (201, 201)
    assert (said["status"], said["code"], again) == (409, "network_full", "15")
    assert "your internet connection" in said["detail"]

"""Networks that stand out in a room, and places that are taken away together."""

from collections.abc import Awaitable, Callable
from typing import Any

from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site, all_know
from shop import ask, hold, open_gate, sessions_in, wish
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, execute

from waitroom.run.app import Service

FARM, OFFICE = b"bot farm", b"an office"

# Six open sessions of a network that dropped twelve baskets, in a room that calls no one by itself.
PLANT = """
WITH given AS (UPDATE line SET tail = 6, gate = 6 RETURNING line_id, room_id),
counted AS (
    INSERT INTO room_network (room_id, network, since, unpaid)
    SELECT room_id, $1::bytea, now(), 12 FROM given)
INSERT INTO admission (room_id, line_id, number, state, ticket_id, network, called_at, claimed_at,
                       expires_at)
SELECT room_id, line_id, n, 'claimed', int8send(n), $1::bytea, now() - interval '9 seconds', now(),
       now() + interval '9 minutes'
FROM given, generate_series(1, 6) n"""


async def farm_and_office(service: Service) -> None:
    """Let a farm drop ten baskets and stay, and an office buy what it holds."""
    await open_gate(service, skus={"mug": 90})
    farm = await sessions_in(service, 6, network=FARM)
    for session in farm * 2:
        await service.holds.release(session, await hold(service, session, mug=1))
    for session in farm:
        await ask(service, wish(session, mug=1))
    for session in await sessions_in(service, 4, network=OFFICE):
        await hold(service, session, mug=1)
    await execute(service, "UPDATE admission SET claimed_at = claimed_at + interval '9 seconds'")


async def test_a_network_that_drops_its_baskets_stands_out_and_is_sent_away(
    service: Service, client: Any
) -> None:
    await farm_and_office(service)
    headers = await sign_in(service, client, "operator")

    seen = await (await client.get("/admin/rooms/drop/suspicions", headers=headers)).json()
    (farm,) = seen["networks"]
    body = {"network": farm["network"], "confirm": 5, "reason": "drops everything"}
    other = await client.post("/admin/rooms/drop/revocations", json=body, headers=headers)
    body["confirm"] = 6
    done = await client.post("/admin/rooms/drop/revocations", json=body, headers=headers)
    strange = [
        await (
            await client.post(f"/admin/rooms/drop/{path}", json=body | said, headers=headers)
        ).json()
        for path in ("revocations", "networks-behind")
        for said in ({"network": "10.0.0.0/8"}, {"network": f"{FARM.hex()}\n"})
    ]

    assert {one["field"] for one in strange} == {"network"}
    assert all("a network's hash" in one["detail"] for one in strange)
    assert (farm["network"], farm["signals"]) == (FARM.hex(), ["unpaid"])
    assert {name: farm[name] for name in ("sessions", "inside", "held", "paid", "unpaid")} == {
        "sessions": 6, "inside": 6, "held": 2, "paid": 0, "unpaid": 12,
    }  # fmt: skip
    assert (other.status, (await other.json())["places"]) == (409, 6)
    assert await done.json() == {"revoked": 6, "kept": 0}
    rows = await execute(
        service,
        """SELECT (SELECT held FROM stock) AS held,
                  (SELECT count(*) FROM log_entry WHERE body LIKE '%"revoked"%') AS logged,
                  (SELECT count(*) FROM operator_action WHERE action = 'revoke'
                   AND reason = 'drops everything') AS recorded""",
    )
    assert dict(rows[0]) == {"held": 4, "logged": 6, "recorded": 6}
    assert await service.ledger.breaches() == []


async def test_a_list_of_places_is_taken_away_and_what_is_over_stays(
    service: Service, client: Any
) -> None:
    await open_gate(service, skus={"mug": 9})
    await sessions_in(service, 2)
    headers = await sign_in(service, client, "operator")
    places = [{"line": "main-1", "number": number} for number in (1, 2, 99)]
    path = "/admin/rooms/drop/revocations"

    bare = await client.post(path, json={"reason": "x", "confirm": 1}, headers=headers)
    done = await client.post(
        path, json={"places": places, "confirm": 3, "reason": "by one person"}, headers=headers
    )

    assert bare.status == 400
    assert await done.json() == {"revoked": 2, "kept": 1}


async def test_places_that_were_taken_away_by_mistake_are_listed_and_given_back(
    service: Service, client: Any
) -> None:
    await farm_and_office(service)
    headers = await sign_in(service, client, "operator")
    path = "/admin/rooms/drop/revocations"
    body = {"network": FARM.hex(), "confirm": 6, "reason": "a bot farm"}
    await client.post(path, json=body, headers=headers)

    first = await (await client.get(f"{path}?limit=4", headers=headers)).json()
    rest = await (await client.get(f"{path}?before={first['next']}", headers=headers)).json()
    told = [*first["places"], *rest["places"]]
    named = [{"line": one["line"], "number": one["number"]} for one in told]
    undo: dict[str, Any] = {"places": named[:5], "confirm": 6, "reason": "It was a school."}
    other = await client.post(f"{path}/undo", json=undo, headers=headers)
    undo["confirm"] = 5
    done = await client.post(f"{path}/undo", json=undo, headers=headers)
    again = await client.post(f"{path}/undo", json=undo, headers=headers)
    bare = await client.post(f"{path}/undo", json=undo | {"reason": " "}, headers=headers)
    left = await (await client.get(path, headers=headers)).json()

    assert (len(first["places"]), rest["next"]) == (4, None)
    assert {(one["who"], one["reason"]) for one in told} == {("operator", "a bot farm")}
    assert (other.status, bare.status) == (409, 422)
    assert await done.json() == {"given_back": 5, "kept": 0}
    assert await again.json() == {"given_back": 0, "kept": 5}
    assert [one["number"] for one in left["places"]] == [named[5]["number"]]
    waiting = await execute(service, "SELECT FROM admission WHERE came_back_at IS NOT NULL")
    assert len(waiting) == 5
    # What was held has gone back on the shelf, and stays there.
    assert await execute(service, "SELECT FROM hold WHERE state = 'held'") != []
    assert await service.ledger.breaches() == []


async def test_the_screen_says_how_many_places_go_before_it_takes_them(
    service: Service, site: Site, pages: Callable[..., Awaitable[Page]]
) -> None:
    await open_gate(service, skus={"mug": 90}, seats_max=0)
    await execute(service, PLANT, FARM)
    await service.operators.add("night", role="operator", password=PASSWORD)
    await all_know(site)
    page = await pages(viewport={"width": 390, "height": 844})
    await sign_in_on_screen(page, site.url, "night")

    await page.goto(f"{site.url}/admin/screens/drop/suspicions")
    rows = page.locator("#network-rows")
    await expect(rows).to_contain_text("12 baskets not paid")
    await check_page(page)
    await rows.get_by_role("button", name="Take the places").click()
    await expect(page.locator("#many-title")).to_have_text("Take 6 places away?")
    await expect(page.locator("#many-yes")).to_be_disabled()
    await page.fill("#many-reason", "drops everything")
    await page.click("#many-yes")

    await expect(page.locator("#networks-told")).to_contain_text("6 places taken away.")
    await expect(rows.get_by_role("button", name="Take the places")).to_have_count(0)
    taken = page.locator("#taken-rows")
    await expect(taken).to_contain_text("drops everything")
    await check_page(page)
    await taken.get_by_role("button", name="Give 6 places back").click()
    await expect(page.locator("#back-does")).to_contain_text("session does not come back")
    await expect(page.locator("#back-yes")).to_be_disabled()
    await page.fill("#back-reason", "It was a school.")
    await page.click("#back-yes")
    await expect(page.locator("#taken-told")).to_contain_text("6 places given back.")
    await expect(taken).to_contain_text("No place is taken away.")

    await page.fill("#behind-address", "203.0.113.7")
    await page.click("#behind-put")
    await expect(page.locator("#behind-yes")).to_be_disabled()
    await page.fill("#behind-reason", "Six hundred joins a minute.")
    await page.click("#behind-yes")
    behind = page.locator("#behind-rows")
    await expect(behind).to_contain_text("Six hundred joins a minute.")
    await check_page(page)
    await behind.get_by_role("button", name="Lift").click()
    await page.fill("#behind-reason", "They left.")
    await page.click("#behind-yes")
    await expect(behind).to_contain_text("No network is put behind by hand.")

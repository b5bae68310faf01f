"""The operators' screen of a room's line: who may join, its places, what everybody can check."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientPayloadError
from aiohttp.test_utils import TestClient
from playwright.async_api import Download, Page, expect
from programs import Command, Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, Shopper, eventually, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Header = dict[str, str]
Pages = Callable[..., Awaitable[Page]]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


async def enter(page: Page, site: Site, service: Service, role: str, *rooms: str) -> None:
    """Open the screen as a new operator, once every web process has heard of the rooms."""
    await service.operators.add("night", role=role, password=PASSWORD)
    for room in rooms or ("drop",):
        await all_know(site, room, status=None)
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/{rooms[0] if rooms else 'drop'}/line")
    await expect(page.locator("#lane-rows tr").first).to_contain_text("main")


async def waiting(client: Client, count: int) -> list[Shopper]:
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        await shopper.join()
    return shoppers


async def fits(page: Page) -> bool:
    return bool(
        await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    )


async def text_of(download: Download) -> str:
    return await asyncio.to_thread((await download.path()).read_text)


async def rows_of(download: Download) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(await text_of(download))))


def token_of(row: dict[str, str]) -> str:
    return row["link"].partition("?invitation=")[2]


# Who may join.


async def test_lanes_are_shared_and_added(service: Service, site: Site, pages: Pages) -> None:
    await open_room(service, seats_max=0)
    page = await pages()
    await enter(page, site, service, "operator")

    await expect(page.locator("#lane-forecast")).to_have_text(
        "There is one lane, and all calls are for it."
    )
    await page.get_by_text("Add a lane").click()
    await page.locator("#lane-name").fill("press")
    await page.locator("#lane-share").fill("0.25")
    await expect(page.locator("#lane-forecast")).to_contain_text("80 for main, 20 for press")
    await page.get_by_role("button", name="Add the lane").click()
    await expect(page.locator("#sure-text")).to_contain_text("80 for main, 20 for press")
    await page.locator("#sure-dialog").get_by_role("button", name="No").click()
    assert len(await execute(service, "SELECT FROM line")) == 1
    await page.get_by_role("button", name="Add the lane").click()
    await page.get_by_role("button", name="Add it").click()
    await expect(page.locator("#lanes-told")).to_contain_text("The lane press was added")
    await page.get_by_label("Share of press", exact=True).fill("3")
    await expect(page.locator("#lane-forecast")).to_contain_text("Once set")
    await page.get_by_label("Share of press", exact=True).press("Enter")
    await expect(page.locator("#lane-rows tr").nth(1)).to_contain_text("75")

    lanes = await execute(service, "SELECT lane, line, share FROM line ORDER BY line_id")
    assert [tuple(lane) for lane in lanes] == [("main", "main-1", 1.0), ("press", "press-1", 3.0)]
    done = await execute(service, "SELECT who FROM operator_action WHERE action = 'lane'")
    assert [row["who"] for row in done] == ["night", "night"]
    assert await fits(page)


async def test_a_share_that_is_being_typed_is_left_alone(
    service: Service, site: Site, pages: Pages, client: Client
) -> None:
    await open_room(service, seats_max=0)
    page = await pages()
    await enter(page, site, service, "operator")

    await page.get_by_label("Share of main", exact=True).fill("7")
    await waiting(client, 2)
    await expect(page.locator("#lane-rows tr").first).to_contain_text("2")

    await expect(page.get_by_label("Share of main", exact=True)).to_have_value("7")
    await expect(page.get_by_label("Share of main", exact=True)).to_be_focused()


async def test_links_are_made_saved_once_and_taken_back(
    service: Service, site: Site, pages: Pages, client: Client
) -> None:
    await open_room(service, seats_max=0, join_by="invitation")
    page = await pages()
    await enter(page, site, service, "operator")
    await expect(page.locator("#batches-none")).to_be_visible()

    await page.get_by_text("Make links").first.click()
    await page.locator("#invite-count").fill("3")
    await page.locator("#invite-until").fill("2120-01-01T10:00")
    await page.locator("#invite-note").fill("the club")
    await expect(page.locator("#invite-forecast")).to_contain_text("3 links, worth one place each")
    async with page.expect_download() as first:
        await page.locator("#invite-go").click()
    download = await first.value
    links = await rows_of(download)
    await expect(page.locator("#links")).to_be_focused()
    async with page.expect_download() as second:
        await page.locator("#links-again").click()
    again = await rows_of(await second.value)
    shopper = Shopper(client)
    answer = await client.post("/rooms/drop/tickets", json={"invitation": token_of(links[0])})
    shopper.ticket = (await answer.json())["ticket"]
    await expect(page.locator("#batch-rows tr").first).to_contain_text("1 of 3")
    await page.get_by_role("button", name="Take back batch").click()
    await expect(page.locator("#sure-text")).to_contain_text("Of 3 links to main (the club), 2")
    await page.locator("#sure-dialog").get_by_role("button", name="No").click()
    (batch,) = await execute(service, "SELECT * FROM invitation_batch")
    assert batch["revoked_at"] is None
    await page.get_by_role("button", name="Take back batch").click()
    await page.get_by_role("button", name="Take them back").click()
    await expect(page.locator("#batches-told")).to_contain_text("2 links of batch")
    await expect(page.locator("#batch-rows tr").first).to_contain_text("Taken back")
    await expect(page.locator("#invitations-title")).to_be_focused()

    assert download.suggested_filename == f"drop-invitations-{batch['batch_id']}.csv"
    assert [row["number"] for row in links] == ["1", "2", "3"]
    assert again == links
    (batch,) = await execute(service, "SELECT * FROM invitation_batch")
    assert (batch["count"], batch["note"], batch["who"]) == (3, "the club", "night")
    assert batch["expires_at"].year == 2120
    assert batch["revoked_at"] is not None
    assert (await shopper.me())["status"] == "waiting"
    assert await fits(page)


async def test_a_list_comes_back_with_links_whether_pasted_or_as_a_file(
    service: Service, site: Site, pages: Pages, tmp_path: Path
) -> None:
    await open_room(service, seats_max=0)
    members = tmp_path / "members.csv"
    members.write_text("name;mail\nCleo;cleo@secret.example\n")
    page = await pages(viewport=DESK)
    await enter(page, site, service, "operator")

    await page.get_by_text("Make links").first.click()
    await page.get_by_label("One for each person on a pasted list").check()
    await page.locator("#invite-list").fill("name\nAnn \N{LATIN SMALL LETTER O WITH STROKE}")
    await expect(page.locator("#invite-forecast")).to_contain_text("about 1 person")
    await expect(page.locator("#invite-forecast")).to_contain_text("open to everyone")
    async with page.expect_download() as pasted:
        await page.locator("#invite-go").click()
    (ann,) = await rows_of(await pasted.value)
    await page.get_by_label("One for each person in a CSV file").check()
    await page.locator("#invite-file").set_input_files(members)
    await expect(page.locator("#invite-forecast")).to_contain_text("members.csv")
    async with page.expect_download() as uploaded:
        await page.locator("#invite-go").click()
    text = await text_of(await uploaded.value)
    await page.get_by_label("One for each person on a pasted list").check()
    await page.locator("#invite-list").fill("name")
    await page.locator("#invite-go").click()
    await expect(page.locator("#invite-told")).to_contain_text("nobody in the file")

    assert ann["name"] == "Ann \N{LATIN SMALL LETTER O WITH STROKE}"
    assert token_of(ann)
    assert text.startswith("name;mail;link\n")
    batches = await execute(service, "SELECT count FROM invitation_batch")
    assert [row["count"] for row in batches] == [1, 1]
    for table in ("log_entry", "operator_action", "invitation_batch"):
        stored = str(await execute(service, f"SELECT t::text FROM {table} t"))
        assert "secret" not in stored
        assert "Ann" not in stored


async def test_older_batches_are_shown_when_asked_for(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, seats_max=0)
    await execute(
        service,
        """INSERT INTO invitation_batch (room_id, lane, count, who)
           SELECT room_id, 'main', n, 'night' FROM room, generate_series(1, 23) n""",
    )
    page = await pages(viewport=DESK)
    await enter(page, site, service, "operator")

    await expect(page.locator("#batch-rows tr")).to_have_count(20)
    await page.locator("#batches-more").click()

    await expect(page.locator("#batch-rows tr")).to_have_count(23)
    await expect(page.locator("#batches-more")).to_be_hidden()
    await expect(page.locator("#batch-rows tr").last).to_contain_text("0 of 1")


async def test_a_profile_is_changed_and_added(service: Service, site: Site, pages: Pages) -> None:
    await open_room(service, seats_max=0, claim_window_s=120, session_s=600)
    page = await pages()
    await enter(page, site, service, "operator")

    await page.get_by_role("button", name="Change More time").click()
    await page.locator("#profile-factor").fill("3")
    await page.locator("#profile-places").fill("40")
    await expect(page.locator("#profile-forecast")).to_contain_text(
        "6 minutes instead of 2 minutes to enter when called, and 30 minutes instead of 10 minutes"
    )
    await page.get_by_role("button", name="Set the profile").click()
    await expect(page.locator("#profile-rows tr").first).to_contain_text("0 of 40")
    await page.locator("#profile-code").fill("extra-time")
    await page.locator("#profile-name").fill("Reader")
    await page.locator("#profile-factor").fill("1.5")
    await page.get_by_role("button", name="Set the profile").click()
    await expect(page.locator("#profile-code-problem")).to_contain_text(
        "profile extra-time already"
    )
    await page.locator("#profile-code").fill("screen-reader")
    await page.get_by_role("button", name="Set the profile").click()
    await expect(page.locator("#profile-rows tr")).to_have_count(2)

    profiles = await execute(service, "SELECT * FROM profile ORDER BY profile")
    told = [(p["profile"], p["name"], p["time_factor"], p["places_max"]) for p in profiles]
    assert told == [("extra-time", "More time", 3, 40), ("screen-reader", "Reader", 1.5, None)]
    assert await fits(page)


# Times and order.


async def test_times_and_order_are_told_in_words_and_lead_to_where_they_are_changed(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, "alpha", seats_max=0, skus={})
    await open_room(
        service, status="scheduled", order_by="draw", public_value_source="the beacon of noon",
        opens_at="2120-06-01T12:00:00Z", closes_at="2120-06-01T14:00:00Z", join_by="customer",
        policy="expected", disappointed_max=0.01,
    )  # fmt: skip
    page = await pages(viewport=DESK, timezone_id="UTC")
    await enter(page, site, service, "operator", "alpha", "drop")

    await page.locator("#room-choice").select_option("drop")
    await page.wait_for_url("**/admin/screens/drop/line")
    plan = page.locator("#plan")
    await expect(plan).to_contain_text("which will be published here: the beacon of noon.")
    for words in (
        "2120, 12:00 PM, automatically.", "2120, 2:00 PM, automatically and for good",
        "Signed-in customers, with one place each.",
        "of 100 people called, at most 1 finds nothing.",
        "people enter the draw", "Announced, 0 entries so far.",
    ):  # fmt: skip
        await expect(plan).to_contain_text(words)
    await page.locator("#rules-link").click()
    await page.wait_for_url("**/admin/screens/drop/rules")
    await expect(page.locator("#room-choice")).to_have_value("drop")
    await expect(page.locator("#disappointed_max")).to_have_value("1")
    await page.get_by_label("Of 100 people called, at most this many find nothing").fill("2.5")
    await page.locator("#rules-save").click()
    await expect(page.locator("#rules-told")).to_contain_text("applied")
    await page.locator("#room-choice").select_option("alpha")
    await page.wait_for_url("**/admin/screens/alpha/rules")
    await page.locator("#room-choice").select_option("drop")
    await page.wait_for_url("**/admin/screens/drop/rules")
    await page.get_by_role("link", name="Line", exact=True).click()
    await expect(plan).to_contain_text("of 100 people called, at most 2.5 find nothing.")

    rooms = await execute(service, "SELECT room, disappointed_max FROM room ORDER BY room")
    assert {row["room"]: round(row["disappointed_max"], 4) for row in rooms} == {
        "alpha": 0.01,
        "drop": 0.025,
    }


async def test_a_room_that_opened_before_its_doors_tells_of_no_opening_to_come_as_past(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, opens_at="2120-06-01T12:00:00Z", doors_at="2120-06-01T11:00:00Z")
    page = await pages(viewport=DESK, timezone_id="UTC")

    await enter(page, site, service, "operator", "drop")

    await expect(page.locator("#plan")).to_contain_text("Opened with the sale.")
    await expect(page.locator("#plan")).not_to_contain_text("2120")


async def test_a_draw_that_waits_for_its_public_value_leads_to_where_it_is_entered(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(
        service, status="scheduled", order_by="draw", public_value_source="the beacon of noon"
    )
    page = await pages()
    await enter(page, site, service, "operator")
    await expect(page.locator("#plan")).to_contain_text("Announced")
    assert await page.locator("#value-waits").is_hidden()

    await service.rooms.set_status("drop", "open", who="test")
    await expect(page.locator("#plan")).to_contain_text("no one is called until the public value")
    await page.get_by_role("link", name="Enter it").click()
    await page.locator("#value").fill("3f9a")
    await page.locator("#value-form button").click()
    await expect(page.locator("#draw-word")).to_contain_text("drawn")
    await page.get_by_role("link", name="Line", exact=True).click()
    await expect(page.locator("#plan")).to_contain_text("Drawn among 0 entries")

    (draw,) = await execute(service, "SELECT value FROM draw")
    assert draw["value"] == "3f9a"


# Places.


async def test_a_place_is_looked_up_and_taken_away_by_keyboard(
    service: Service, site: Site, pages: Pages, client: Client
) -> None:
    await open_room(service, seats_max=0)
    first, second, _ = await waiting(client, 3)
    page = await pages()
    await enter(page, site, service, "operator")

    await page.locator("#place-number").fill("9")
    await page.keyboard.press("Enter")
    await expect(page.locator("#place-told")).to_contain_text("numbers 1 to 3 have been given")
    await page.locator("#place-number").fill((await second.me())["reference"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#place-title")).to_be_focused()
    await expect(page.locator("#place-title")).to_have_text("Place 2 in main-1")
    await expect(page.locator("#place-facts")).to_contain_text("Waiting")
    await expect(page.locator("#place-fit")).to_contain_text("cannot be checked")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#revoke-does")).to_contain_text("It will not be called")
    await page.locator("#revoke-confirm").fill("3")
    await page.locator("#revoke-reason").fill("bought in bulk")
    await expect(page.locator("#revoke-yes")).to_be_disabled()
    await page.locator("#revoke-confirm").fill("2")
    await page.locator("#revoke-yes").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#place-told")).to_have_text("Place 2 in main-1 was taken away.")
    await expect(page.locator("#place-facts")).to_contain_text("Taken away")
    await expect(page.locator("#place-revoke")).to_be_hidden()

    (action,) = await execute(service, "SELECT * FROM operator_action WHERE action = 'revoke'")
    assert (action["who"], action["reason"]) == ("night", "bought in bulk")
    (place,) = await execute(service, "SELECT number, revoked FROM place")
    assert tuple(place) == (2, True)
    assert (await first.me())["status"] == "waiting"
    assert await fits(page)


async def test_letters_of_another_ticket_are_noticed_before_anything_is_taken_away(
    service: Service, site: Site, pages: Pages, client: Client
) -> None:
    await open_room(service, policy="rate")
    (shopper,) = await waiting(client, 1)

    async def inside() -> bool:
        return (await shopper.claim()).status == 201

    await eventually(inside)
    reference = (await shopper.me())["reference"]
    page = await pages(viewport=DESK)
    await enter(page, site, service, "operator")

    await page.locator("#place-number").fill(reference)
    await page.keyboard.press("Enter")
    await expect(page.locator("#place-fit")).to_contain_text("of the reference match")
    await page.locator("#place-number").fill(f"main-1-{shopper.number}-!!!!")
    await page.keyboard.press("Enter")
    await expect(page.locator("#place-number-problem")).to_contain_text(
        "neither a number nor a reference"
    )
    other = "A" if reference[-1] != "A" else "C"
    await page.locator("#place-number").fill(reference[:-1] + other)
    await page.keyboard.press("Enter")
    await expect(page.locator("#place-fit")).to_contain_text("do not match")
    await page.locator("#place-revoke").click()
    await expect(page.locator("#revoke-does")).to_contain_text("Its session ends at once")
    await page.keyboard.press("Escape")

    (admission,) = await execute(service, "SELECT state FROM admission")
    assert admission["state"] == "claimed"


async def test_operators_are_told_of_a_place_what_its_holder_is_told(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=1, policy="rate")
    await tick(service)
    called, waits = await waiting(client, 2)
    viewer = await sign_in(service, client, "viewer")

    async def look(number: str, line: str = "main-1") -> tuple[int, Any]:
        path = f"/admin/rooms/drop/places/{line}/{number}"
        answer = await client.get(path, headers=viewer)
        return answer.status, await answer.json()

    for shopper in (called, waits):
        told, (_, seen) = await shopper.me(), await look(str(shopper.number))
        for name in ("line", "number", "status", "place", "claim_until", "profile"):
            assert seen[name] == told.get(name), name
    assert [(await look(number))[1]["reference"] for number in "12"] == [None, None]
    await called.claim()
    assert (await look("1"))[1]["reference"] == (await called.me())["reference"]
    assert "no-store" in (await client.get("/admin/rooms/drop/places/main-1/1", headers=viewer)
                          ).headers["Cache-Control"]  # fmt: skip
    for number, line in (("3", "main-1"), ("0", "main-1"), ("x", "main-1"), ("1", "press-1")):
        status, body = await look(number, line)
        assert (status, body["code"]) == (404, "not_found"), (number, line)
    assert (await client.get("/admin/rooms/none/places/main-1/1", headers=viewer)).status == 404


async def test_an_entry_is_found_by_its_reference_once_it_is_drawn(
    service: Service, client: Client
) -> None:
    await open_room(service, status="scheduled", order_by="draw", doors_at="2020-01-01T00:00:00Z")
    await tick(service)
    (shopper,) = await waiting(client, 1)
    viewer = await sign_in(service, client, "viewer")
    path = "/admin/rooms/drop/places/main-1/e1"

    before = await client.get(path, headers=viewer)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 3)
    await service.board.refresh(rooms=True)
    after = await client.get(path, headers=viewer)

    assert before.status == 404
    assert "before the draw" in (await before.json())["detail"]
    assert (after.status, (await after.json())["number"]) == (200, 1)
    assert (await shopper.me())["number"] == 1


# What everybody can check.


async def test_the_log_is_downloaded_and_the_report_made_public(
    service: Service,
    site: Site,
    pages: Pages,
    client: Client,
    waitroom: Command,
    tmp_path: Path,
) -> None:
    await open_room(service, seats_max=0)
    await waiting(client, 2)
    page = await pages()
    await enter(page, site, service, "operator")

    await expect(page.locator("#log-word")).to_have_text("Everybody can read it.")
    async with page.expect_download() as saving:
        await page.locator("#log-file").click()
    saved = await saving.value
    await saved.save_as(tmp_path / "log.jsonl")
    await expect(page.locator("#fairness-word")).to_have_text("Only operators can read it.")
    await expect(page.locator("#fairness-public-link")).to_be_hidden()
    await page.locator("#fairness-switch").click()
    await expect(page.locator("#fairness-told")).to_contain_text("Everybody can read the fairness")
    (room,) = await execute(service, "SELECT fairness_public FROM room")
    assert room["fairness_public"] is True
    link = await page.locator("#fairness-public-link").get_attribute("href")
    await page.locator("#fairness-switch").click()
    await expect(page.locator("#fairness-word")).to_have_text("Only operators can read it.")
    await expect(page.locator("#fairness-public-link")).to_be_hidden()
    await page.locator("#fairness-link").click()
    await expect(page.locator("#verdict")).to_be_visible()
    await page.go_back()
    await page.locator("#log-link").click()
    await page.wait_for_url("**/rooms/drop/log")

    (room,) = await execute(service, "SELECT fairness_public FROM room")
    assert room["fairness_public"] is False
    assert link == "/rooms/drop/fairness"
    assert saved.suggested_filename == "drop-log.jsonl"
    checked = waitroom("verify", str(tmp_path / "log.jsonl"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_a_log_that_is_not_public_yet_is_a_file_for_operators_alone(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waitroom.desk.public_log.LOG_PAGE_MAX", 2)
    await open_room(service, seats_max=0, log_public="after")
    await waiting(client, 3)
    viewer = await sign_in(service, client, "viewer")

    public = await client.get("/rooms/drop/log")
    answer = await client.get("/admin/rooms/drop/log.jsonl", headers=viewer)
    head, *entries = [msgspec.json.decode(line) for line in (await answer.read()).splitlines()]

    assert public.status == 403
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert len(entries) > 4
    assert (head["seq"], head["hash"]) == (entries[-1]["seq"], entries[-1]["hash"])


async def test_half_a_log_is_not_taken_for_a_whole_one(service: Service, client: Client) -> None:
    await open_room(service)
    viewer = await sign_in(service, client, "viewer")
    # What cannot be read: the head is there, and no entries.
    await execute(service, "ALTER TABLE log_entry RENAME TO log_entry_away")

    answer = await client.get("/admin/rooms/drop/log.jsonl", headers=viewer)

    assert answer.status == 200
    with pytest.raises(ClientPayloadError):
        await answer.read()


# Roles.


async def test_a_viewer_sees_all_of_it_and_can_change_nothing(
    service: Service, site: Site, pages: Pages, client: Client
) -> None:
    await open_room(service, seats_max=0, log_public="after")
    await waiting(client, 2)
    operator = await sign_in(service, client, "operator")
    wish = {"count": 2, "note": "the club"}
    await client.post("/admin/rooms/drop/invitations", json=wish, headers=operator)
    page = await pages(viewport=PHONE)
    await enter(page, site, service, "viewer")
    before = await execute(service, "SELECT count(*) FROM operator_action")

    await expect(page.locator("#batch-rows")).to_contain_text("the club")
    await expect(page.locator("#profile-rows")).to_contain_text("More time")
    await expect(page.locator("#plan")).to_contain_text("First come, first served.")
    await expect(page.locator("#log-word")).to_contain_text("once the sale has ended")
    await page.locator("#place-number").fill("2")
    await page.locator("#place-number").press("Enter")
    await expect(page.locator("#place-facts")).to_contain_text("Waiting")

    assert await page.locator("#log-link").is_hidden()
    buttons = await page.locator("main button:visible").all_text_contents()
    assert buttons == ["Look it up"]
    shown = "main :is(input, textarea, select):visible:enabled"
    assert await page.locator(shown).evaluate_all("all => all.map((one) => one.id)") == [
        "place-number",
        "place-line",
    ]
    assert await execute(service, "SELECT count(*) FROM operator_action") == before
    assert await fits(page)

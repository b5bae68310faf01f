"""The public log as people see it, and the check of one's own place in a real browser."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from playwright.async_api import Page, expect
from programs import Site, all_know
from support import Shopper, execute, open_room, tick

from waitroom.log.chain import leaf_hash, merkle_levels, merkle_paths
from waitroom.run.app import Service
from waitroom.web.log_pages import ENTRIES_SHOWN

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
PAGE = {"Accept": "text/html"}
RUSH = 20_000


async def page_of(client: Client, query: str = "") -> str:
    answer = await client.get(f"/rooms/drop/log{query}", headers=PAGE)
    assert answer.status == 200
    return await answer.text()


def shown(page: str) -> list[int]:
    """Return the sequence numbers of the entries on a page, as they stand there."""
    return [int(part.partition('"')[0]) for part in page.split('id="entry-')[1:]]


async def note(service: Service, kind: str, times: int = 1, facts: str = "{}") -> None:
    sql = """SELECT append_log(room_id, $1, $3::text::jsonb)
             FROM room, generate_series(1, $2)"""
    await execute(service, sql, kind, times, facts)


async def test_a_program_still_gets_json(service: Service, client: Client) -> None:
    await open_room(service)

    plain = await client.get("/rooms/drop/log")
    asked = await client.get("/rooms/drop/log?format=json", headers=PAGE)

    assert (await plain.json())["entries"] == (await asked.json())["entries"]
    assert [e["seq"] for e in (await plain.json())["entries"]][:2] == [1, 2]


async def test_the_newest_entries_come_first_under_the_signed_head(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    for _ in range(3):
        await Shopper(client).join()

    page = await page_of(client)

    head = await (await client.get("/rooms/drop/log/head")).json()
    assert shown(page) == list(range(head["seq"], 0, -1))
    for part in ("hash", "key", "signature"):
        assert head[part] in page
    assert "1 person joined: number 3" in page
    assert "The room was opened" in page


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_follow_one_another_until_the_end(
    service: Service, client: Client, order: str
) -> None:
    await open_room(service)
    await note(service, "stock_back", times=2 * ENTRIES_SHOWN)

    found: list[int] = []
    query = f"?order={order}"
    while query:
        page = await page_of(client, query)
        found += shown(page)
        _, _, following = page.partition('id="further" href="')
        query = following.partition("#")[0].replace("&amp;", "&")

    assert found == sorted(found, reverse=order == "newest")
    assert len(found) == len(set(found)) == max(found)


async def test_exceptions_and_acts_stand_alone_if_asked_for(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    await Shopper(client).join()
    await execute(service, "SELECT revoke_place('drop', 'main-1', 1, 'test', '')")

    everything = await page_of(client, "?order=oldest")
    exceptions = await page_of(client, "?order=oldest&only=exceptions")

    assert "1 person joined" in everything
    assert "1 person joined" not in exceptions
    assert "Number 1: revoked by an operator" in exceptions
    assert set(shown(exceptions)) < set(shown(everything))


async def test_exceptions_are_found_behind_a_rush_of_joins(
    service: Service, client: Client
) -> None:
    await open_room(service)
    # Written all at once: the chain does not matter here.
    await execute(
        service,
        """INSERT INTO log_entry SELECT room_id, seq + n, '{"kind": "joined"}', hash
           FROM log_head, generate_series(1, $1::int) n""",
        RUSH,
    )
    await execute(service, "UPDATE log_head SET seq = seq + $1", RUSH)

    page = await page_of(client, "?order=newest&only=exceptions")

    assert shown(page)[-1] == 1
    assert 'id="further"' not in page


async def test_what_stands_in_an_entry_is_shown_as_text(service: Service, client: Client) -> None:
    await open_room(service)
    await note(service, "new_kind", facts='{"note": "<script>alert(1)</script>"}')
    await note(service, "lane_added", facts='{"line": "<b>", "share": 0.5}')

    page = await page_of(client)

    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_a_log_that_is_shown_afterwards_is_not_shown_before(
    service: Service, client: Client
) -> None:
    await open_room(service, log_public="after")

    before = await client.get("/rooms/drop/log", headers=PAGE)
    await service.rooms.set_status("drop", "ended", who="test")
    await service.board.refresh(rooms=True)

    assert before.status == 403
    assert "after the sale has ended" in await before.text()
    assert "The room has ended" in await page_of(client)


@pytest.mark.parametrize(
    "query", ["?order=odd", "?only=odd", "?after=-1", "?before=0", "?before=x", "?after=x"]
)
async def test_a_page_that_cannot_be_is_refused(
    service: Service, client: Client, query: str
) -> None:
    await open_room(service)

    answer = await client.get(f"/rooms/drop/log{query}", headers=PAGE)

    assert answer.status == 400


async def test_a_shopper_checks_their_place_in_the_browser(
    service: Service, site: Site, pages: Pages, tmp_path: Path
) -> None:
    await open_room(service, seats_max=0)
    page = await pages()
    await all_know(site)
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#number")).to_contain_text("1")
    await page.get_by_role("link", name="How this line is made").click()
    await page.wait_for_url("**/log#how")

    await expect(page.locator("#check-stored")).to_contain_text("number 1")
    await page.locator("#check-form button").click()
    answer = page.locator("#check-answer")
    await expect(answer).to_contain_text("Your place is in the log: number 1 was given")

    receipt = json.loads(await page.evaluate("localStorage['waitroom-receipt:drop']"))
    for changed, word in (
        ({"number": 2}, "other numbers"),
        ({"id": "00" * 16}, "does not lead"),
        ({"line": "main-2"}, "another line"),
        ({"seq": 1}, "gives out no places"),
        ({"seq": 9999}, "has no entry 9,999"),
        ({"path": "00" * 32}, "does not lead"),
        ({"id": "xyz"}, "not a valid receipt"),
        ({"seq": "1"}, "not a valid receipt"),
    ):
        await _paste(page, json.dumps({**receipt, **changed}))
        await expect(answer).to_contain_text(word)
        assert await answer.get_attribute("data-good") == "no"
    await _paste(page, "nonsense")
    await expect(answer).to_contain_text("not a valid receipt")

    file = tmp_path / "receipt.json"
    file.write_text(json.dumps({"receipt": receipt}))
    await page.locator("#check-file").set_input_files(file)
    await expect(page.locator("#check-text")).to_have_value(file.read_text())
    await page.locator("#check-form button").click()
    await expect(answer).to_contain_text("Your place is in the log")
    assert await answer.get_attribute("data-good") == "yes"


async def test_every_receipt_of_a_tick_leads_to_its_entry(
    service: Service, site: Site, pages: Pages
) -> None:
    # The tree has another shape for each count, with odd nodes at different heights.
    await open_room(service, seats_max=0)
    page = await pages()
    await all_know(site)
    await page.goto(f"{site.url}/rooms/drop/log")

    verdicts = await page.evaluate(
        """async (trees) => {
            const { misfit } = await import("/static/js/check-place.js");
            return Promise.all(trees.map(([receipt, told]) => misfit(receipt, told)));
        }""",
        [list(pair) for count in (1, 2, 3, 5, 8, 13, 33) for pair in _receipts(count)],
    )

    assert len(verdicts) == 65
    assert set(verdicts) == {""}


def _receipts(count: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return receipts of a tick of so many entries, each with its entry of the log."""
    ids = [bytes([index]) * 16 for index in range(count)]
    levels = merkle_levels([leaf_hash(each, b"own") for each in ids])
    told = {"kind": "entered", "line": "main-1", "first": 8, "last": 7 + count}
    return [
        (
            {
                "seq": 3,
                "line": "main-1",
                "entry": 8 + index,
                "first": 8,
                "count": count,
                "id": each.hex(),
                "random": b"own".hex(),
                "path": merkle_paths(levels)[index].hex(),
            },
            {**told, "root": levels[-1][0].hex()},
        )
        for index, each in enumerate(ids)
    ]


async def test_without_javascript_the_log_is_there_and_says_how_to_check(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service)
    page = await pages(java_script_enabled=False, viewport={"width": 320, "height": 700})
    await all_know(site)

    await page.goto(f"{site.url}/rooms/drop/log")

    await expect(page.locator("#entry-1")).to_contain_text("The room drop was created")
    await expect(page.locator("#check-no-script")).to_contain_text("waitroom verify")
    assert await page.locator("#check-form").is_hidden()
    await page.get_by_role("link", name="Oldest first").click()
    await expect(page.locator("#entries li").first).to_have_attribute("id", "entry-1")


async def _paste(page: Page, text: str) -> None:
    if not await page.locator("#check-text").is_visible():
        await page.locator("#check-other summary").click()
    await page.locator("#check-text").fill(text)
    await page.locator("#check-form button").click()

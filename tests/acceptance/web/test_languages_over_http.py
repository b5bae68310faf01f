"""Shoppers read their language: by their browser, their choice, or the room."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect
from programs import Site
from support import open_room, tick

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]


async def lang_of(client: Any, path: str, **headers: str) -> str:
    answer = await client.get(path, headers={"Accept": "text/html", **headers})
    found = re.search(r'<html lang="([^"]+)" dir="(\w+)">', await answer.text())
    assert found
    assert answer.headers["Content-Language"] == found[1]
    assert "Accept-Language" in answer.headers["Vary"]
    return found[1]


async def test_a_page_is_in_the_language_chosen_or_preferred_or_the_rooms(
    service: Service, client: Any
) -> None:
    await open_room(service, language="fr")
    await tick(service)
    path = "/rooms/drop"

    assert await lang_of(client, path) == "fr"
    assert await lang_of(client, path, **{"Accept-Language": "sv"}) == "fr"
    assert await lang_of(client, path, **{"Accept-Language": "sv, de-AT;q=0.5"}) == "de"
    chosen = {"Accept-Language": "de", "Cookie": "room_language=xx; room_language=es"}
    assert await lang_of(client, path, **chosen) == "es"
    assert await lang_of(client, "/products/mug") == "fr"
    assert await lang_of(client, "/") == "en"


async def test_the_switch_keeps_the_choice_and_leads_back_to_this_site_alone(client: Any) -> None:
    async def switch(to: str, tag: str = "de") -> Any:
        return await client.post(
            "/language", data={"language": tag, "to": to}, allow_redirects=False
        )

    answer = await switch("/rooms/drop?still=1")

    assert (answer.status, answer.headers["Location"]) == (303, "/rooms/drop?still=1")
    assert re.match("room_language=de; HttpOnly; Max-Age=31536000;", answer.headers["Set-Cookie"])
    for to in ("//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb", "x"):
        assert (await switch(to)).headers["Location"] == "/"
    assert (await switch("/", tag="xx")).status == 400


async def test_a_refusal_is_in_the_language_of_its_reader_and_keeps_its_code(client: Any) -> None:
    async def refusal(**headers: str) -> tuple[str, str]:
        body = await (
            await client.post("/language", data={"language": "xx"}, headers=headers)
        ).json()
        return body["code"], body["title"]

    assert await refusal() == ("bad_request", "The request could not be understood.")
    german = await refusal(**{"Accept-Language": "de"})
    assert german == ("bad_request", "Die Anfrage war nicht zu verstehen.")


@pytest.mark.parametrize(
    ("tag", "direction", "next_", "left"),
    [
        ("de", "ltr", "Sie sind an der Reihe", r"Noch 1\.23[34] Stück"),
        ("ar", "rtl", "حان دورك", r"1,23[34]"),
    ],
)
async def test_the_waiting_page_speaks_with_its_script_and_fits_a_small_window(
    service: Service, site: Site, pages: Pages, tag: str, direction: str, next_: str, left: str
) -> None:
    await open_room(service, skus={"mug": 1234})
    page = await pages(viewport={"width": 320, "height": 640}, locale=tag)

    await page.goto(f"{site.url}/rooms/drop")

    await expect(page.locator("[data-for=called] h2")).to_have_text(next_)
    # The script has joined, and writes by the browser's locale.
    await expect(page.locator("#number")).to_have_text("1")
    # The unit that is promised to whoever is called is no longer left, once the page hears of it.
    await expect(page.locator("#stock")).to_contain_text(re.compile(left))
    assert await page.evaluate("[document.documentElement.lang, document.dir]") == [tag, direction]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    # Without letters of English besides names and codes.
    said = await page.locator(".ticket-body").inner_text()
    assert not re.search(r"\b(you|your|the|turn)\b", said)

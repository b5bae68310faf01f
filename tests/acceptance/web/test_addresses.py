"""Addresses as people, links and crawlers write them."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from support import PASSWORD, open_room, tick
from yarl import URL

from waitroom.run.app import Service

Client = TestClient[Any, Any]
HTML = {"Accept": "text/html"}


async def ask(client: Client, path: str) -> ClientResponse:
    """Ask for a path just as it is written."""
    url = URL(f"http://{client.host}:{client.port}{path}", encoded=True)
    return await client.session.get(url, headers=HTML, allow_redirects=False)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/rooms/drop/", "/rooms/drop"),
        ("/rooms/drop/?utm_source=mail&x=a%26b", "/rooms/drop?utm_source=mail&x=a%26b"),
        ("/checkout/", "/checkout"),
        ("/admin/", "/admin"),
        ("/products/mug/", "/products/mug"),
        ("//rooms/drop", "/rooms/drop"),
        ("/rooms//drop///", "/rooms/drop"),
        ("//", "/"),
        ("/robots.txt/", "/robots.txt"),
        ("/static/css/style.css/", "/static/css/style.css"),
    ],
)
async def test_an_address_with_a_slash_too_many_leads_to_its_page(
    service: Service, client: Client, path: str, to: str
) -> None:
    await open_room(service)

    answer = await ask(client, path)

    assert (answer.status, answer.headers["Location"]) == (308, to)


ELSEWHERE = [
    "//evil.example", "//evil.example/", "/%5Cevil.example/", "/\\evil.example/",
    "//evil.example/rooms/drop/", "///evil.example//", "/nothing/", "/.//evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
async def test_no_address_leads_to_another_site(
    service: Service, client: Client, path: str
) -> None:
    await open_room(service)

    answer = await ask(client, path)

    assert answer.status == 404


@pytest.mark.parametrize(
    ("target", "to"),
    [
        ("http://evil.example/rooms/drop/?a=b", "/rooms/drop?a=b"),
        ("https://evil.example//rooms//drop", "/rooms/drop"),
        ("http://evil.example//evil.example/", None),
        ("http://evil.example/rooms/drop", None),
    ],
)
async def test_a_whole_address_in_the_request_leads_to_a_path(
    service: Service, client: Client, target: str, to: str | None
) -> None:
    await open_room(service)
    reader, writer = await asyncio.open_connection(client.host, client.port)

    head = f"GET {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = (await reader.read()).decode()
    writer.close()

    location = re.search(r"^Location: (.*?)\r$", answer, re.MULTILINE)
    assert (location and location[1]) == to
    assert not answer.startswith("HTTP/1.1 5")


async def test_a_form_with_a_slash_too_many_keeps_its_method(
    service: Service, client: Client
) -> None:
    await service.operators.add("ada", role="viewer", password=PASSWORD)

    answer = await client.post(
        "/admin/login/", data={"name": "ada", "password": PASSWORD}, allow_redirects=False
    )

    assert (answer.status, answer.headers["Location"]) == (308, "/admin/login")


async def test_crawlers_are_kept_out_of_the_line_and_the_icon_is_there(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)

    robots = await client.get("/robots.txt")
    icon = await client.get("/favicon.ico")

    assert (robots.status, robots.content_type) == (200, "text/plain")
    assert "Disallow: /rooms/\n" in await robots.text()
    assert (icon.status, icon.content_type) == (200, "image/vnd.microsoft.icon")
    assert (await icon.read()).startswith(b"\0\0\1\0")
    assert (await client.get("/robots.ico")).status == 404

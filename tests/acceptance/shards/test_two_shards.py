"""Two shards with engines of their own: each serves its rooms, and leads to the other's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import pytest
from programs import Site
from shards import OTHER, running, shards_on
from signing_in import PASSWORD
from support import authorization, eventually, open_room

from inventory.kit.problem import BadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    main: Site
    autumn: Site
    http: aiohttp.ClientSession


@pytest.fixture
async def pair(
    postgres_url: str, second_postgres_url: str, valkey_url: str, second_valkey_url: str
) -> AsyncIterator[Pair]:
    """Two shards; the settings give the room `drop` to the second one."""
    shards = shards_on(
        (postgres_url, second_postgres_url), (valkey_url, second_valkey_url), rooms=("drop",)
    )
    async with AsyncExitStack() as stack:
        main = await stack.enter_async_context(running("main", shards))
        autumn = await stack.enter_async_context(running(OTHER, shards))
        jar = aiohttp.DummyCookieJar()
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        yield Pair(main=main, autumn=autumn, http=http)


async def test_an_address_of_a_room_leads_to_its_shard_whatever_the_method(pair: Pair) -> None:
    await open_room(pair.autumn.service)
    old = f"{pair.main.url}/rooms/drop"

    async with pair.http.get(f"{old}?from=poster", allow_redirects=False) as answer:
        assert answer.status == 307
        assert answer.headers["Location"] == f"{pair.autumn.url}/rooms/drop?from=poster"
    async with pair.http.post(f"{old}/tickets", headers={"Idempotency-Key": "k" * 36}) as answer:
        assert answer.status == 400  # This key could be another client's too.
    async with pair.http.post(f"{old}/tickets", json={}) as answer:
        joined = await answer.json()
        assert answer.status == 201, joined
        assert str(answer.url).startswith(pair.autumn.url)
    for path in ("/shop/drop", "/checkout?room=drop", "/admin/rooms/drop/live", "/rooms/drop/log"):
        async with pair.http.get(pair.main.url + path, allow_redirects=False) as answer:
            assert answer.headers["Location"] == pair.autumn.url + path, path


async def test_each_shard_leads_to_the_other_and_no_request_goes_in_circles(pair: Pair) -> None:
    await open_room(pair.main.service, "mugs")

    async with pair.http.get(f"{pair.autumn.url}/rooms/mugs/log/head") as answer:
        assert (answer.status, answer.url.host) == (200, "127.0.0.1")
        assert str(answer.url).startswith(pair.main.url)
    for url in (pair.main.url, pair.autumn.url):
        async with pair.http.get(f"{url}/rooms/drop/log/head", max_redirects=2) as answer:
            assert answer.status == 404
        async with pair.http.get(f"{url}/rooms/nowhere/log/head", max_redirects=2) as answer:
            assert answer.status == 404


async def test_a_ticket_of_one_shard_is_worth_nothing_in_another(pair: Pair) -> None:
    await open_room(pair.main.service, "mugs")
    await open_room(pair.autumn.service, "drop")
    async with pair.http.post(f"{pair.main.url}/rooms/mugs/tickets", json={}) as answer:
        ticket = (await answer.json())["ticket"]

    async with pair.http.get(
        f"{pair.autumn.url}/rooms/drop/tickets/me", headers=authorization(ticket)
    ) as answer:
        assert answer.status == 401
    # Both databases count their lines from one, so the shared keys alone would let it pass.
    lines = [
        view.line_id
        for stand, room in ((pair.main, "mugs"), (pair.autumn, "drop"))
        for view in [stand.service.board.room(room)]
    ]
    assert lines[0] == lines[1]


async def test_a_room_is_made_in_the_shard_that_has_it_and_in_no_other(pair: Pair) -> None:
    with pytest.raises(BadRequest, match=f"drop to the shard {OTHER}"):
        await open_room(pair.main.service, "drop")
    with pytest.raises(BadRequest, match=f"do not give a room mugs to the shard {OTHER}"):
        await open_room(pair.autumn.service, "mugs")


async def test_a_room_that_another_shard_has_from_before_is_not_made_again(pair: Pair) -> None:
    # The room was made when the settings gave it to the main shard.
    pair.main.service.rooms.check_new = None
    await open_room(pair.main.service, "drop")

    with pytest.raises(BadRequest, match="The shard main has a room drop already"):
        await open_room(pair.autumn.service, "drop")

    async with pair.http.get(
        f"{pair.main.url}/rooms/drop/log/head", allow_redirects=False
    ) as answer:
        assert answer.status == 200


async def test_the_front_page_shows_the_public_rooms_of_the_other_shard(pair: Pair) -> None:
    await open_room(pair.autumn.service, "drop")
    await pair.autumn.service.board.refresh(rooms=True)
    await pair.main.service.homes.ask(pair.http)

    async with pair.http.get(f"{pair.main.url}/") as answer:
        page = await answer.text()

    assert f'href="{pair.autumn.url}/rooms/drop"' in page


async def test_each_metric_of_a_shard_names_it(pair: Pair) -> None:
    for name, site in (("main", pair.main), (OTHER, pair.autumn)):
        await site.service.operators.add("eye", role="viewer", password=PASSWORD)
        form = {"name": "eye", "password": PASSWORD}
        async with pair.http.post(
            f"{site.url}/admin/login", data=form, allow_redirects=False
        ) as answer:
            eye = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        async with pair.http.get(f"{site.url}/metrics", headers=eye) as answer:
            lines = [line for line in (await answer.text()).splitlines() if line[0] != "#"]
        assert lines
        assert [line for line in lines if f'shard="{name}"' not in line] == []


async def test_a_shard_that_is_away_keeps_no_other_from_answering(pair: Pair) -> None:
    await open_room(pair.main.service, "mugs", skus={"cup": 1})
    await pair.autumn.service.pool.close()

    async def listed() -> bool:
        async with pair.http.get(f"{pair.main.url}/") as answer:
            return answer.status == 200 and "Mugs" in await answer.text()

    assert await eventually(listed)

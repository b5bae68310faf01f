"""A room is moved by its command between two sales, and everything that people know of it holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from programs import Command, Site
from shards import OTHER, as_toml, running, shards_on
from support import Shopper, eventually, open_room

ROOM = "mugs"


@pytest.fixture
async def stands(
    postgres_url: str,
    second_postgres_url: str,
    valkey_url: str,
    second_valkey_url: str,
    tmp_path: Path,
) -> AsyncIterator[tuple[Site, Site, Path]]:
    """The main shard, another one, and their settings, which leave the room to the main one."""
    shards = shards_on(
        (postgres_url, second_postgres_url), (valkey_url, second_valkey_url), rooms=("drop",)
    )
    path = tmp_path / "waitroom.toml"
    path.write_text(as_toml(shards))
    async with AsyncExitStack() as stack:
        main = await stack.enter_async_context(running("main", shards))
        autumn = await stack.enter_async_context(running(OTHER, shards))
        yield main, autumn, path


async def buy(url: str) -> tuple[str, dict[str, Any]]:
    """Buy a unit as a program does; return the line that the number was of, and the order."""
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(url, cookie_jar=jar) as http:
        client: Any = http
        shopper = Shopper(client, ROOM)
        line = (await shopper.join())["line"]

        async def is_called() -> bool:
            return bool((await shopper.me())["status"] == "called")

        await eventually(is_called)
        assert (await shopper.claim()).status == 201
        hold = await (await shopper.hold(mug=1)).json()
        paid = await shopper.pay(hold["hold_id"])
        assert paid.status == 201, await paid.text()
        return line, await paid.json()


async def test_a_second_sale_goes_on_in_another_shard_from_where_the_first_ended(
    stands: tuple[Site, Site, Path], waitroom: Command
) -> None:
    main, autumn, path = stands

    async def run(*arguments: str) -> str:
        done = await asyncio.to_thread(waitroom, *arguments, WAITROOM_CONFIG=str(path))
        assert done.returncode in {0, *([1, 2] if "doctor" in arguments else [])}, done.stderr
        return done.stdout

    await open_room(main.service, ROOM, skus={"mug": 5}, fairness_public=True)
    first_line, order = await buy(main.url)
    await main.service.rooms.set_status(ROOM, "ended", who="test")
    witness = str(path.parent / "before.json")
    assert "holds" in await run("verify", f"{main.url}/rooms/{ROOM}", "--save", witness)

    said = await run("move", ROOM, "--to", OTHER)

    assert f"has moved from main to {OTHER}: {autumn.url}/rooms/{ROOM}" in said
    assert "the settings still give it to the shard main" in said
    assert "already" in await run("move", ROOM, "--to", OTHER)
    assert f"{ROOM} is in the shard {OTHER}, and the settings give it to main" in await run(
        "doctor"
    )
    await main.service.homes.refresh()
    await main.service.board.refresh(rooms=True)
    async with aiohttp.ClientSession() as http:

        async def is_led() -> bool:
            # The database knows better than the settings, in both shards. Until the other one has
            # read that the room is there, nobody is led in circles.
            async with http.get(f"{main.url}/rooms/{ROOM}", max_redirects=2) as answer:
                assert answer.status in {200, 503}
                return str(answer.url) == f"{autumn.url}/rooms/{ROOM}" and answer.status == 200

        assert not await is_led()
        assert await eventually(is_led)
        # Orders stay where they were made.
        async with http.get(main.url + order["order_url"], max_redirects=0) as answer:
            assert answer.status == 200, await answer.text()

    await autumn.service.rooms.reset(ROOM, who="test", reason="the second sale")
    await autumn.service.rooms.set_status(ROOM, "open", who="test")
    await autumn.service.board.refresh(rooms=True)
    second_line, _ = await buy(autumn.url)

    assert (first_line, second_line) == ("main-1", "main-2")
    assert (await autumn.service.stock.read("mug")).available == 3
    assert "Everything that can be checked holds" in await run(
        "verify", f"{autumn.url}/rooms/{ROOM}", "--witness", witness
    )
    assert [await one.service.ledger.breaches() for one in (main, autumn)] == [[], []]

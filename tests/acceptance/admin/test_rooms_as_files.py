"""Rooms as files: `waitroom apply` and `waitroom export`, over HTTP and beside the database."""

import asyncio
import json
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from click.testing import CliRunner, Result
from sources import ROOT
from support import execute, open_room

from waitroom.admin.accounts.keys import NewKey
from waitroom.cli.program import main
from waitroom.run.service import Service

Client = TestClient[Any, Any]
PAGE = (ROOT / "docs/integrate/rooms-as-files.md").read_text()
SAMPLE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
Run = Callable[..., Any]


@pytest.fixture
async def command(service: Service, client: Client) -> Run:
    """Return what runs `waitroom` with arguments, over HTTP with a key of these scopes."""
    url = str(client.make_url("/"))

    async def run(*arguments: str, scopes: Any = ("rooms", "stock"), rooms: Any = None) -> Result:
        name = f"k{len(await service.keys.keys())}"
        new = NewKey(name=name, scopes=scopes, rooms=rooms)
        key = await service.keys.add(new, maker=None, now=datetime.now(UTC))
        env = {"WAITROOM_URL": url, "WAITROOM_KEY": key}
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=env)

    return run


def written(folder: Path, text: str, name: str = "rooms.toml") -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


async def test_the_sample_of_the_docs_makes_a_room_and_changes_nothing_the_second_time(
    service: Service, command: Run, tmp_path: Path
) -> None:
    file = written(tmp_path, SAMPLE)

    tried = await command("apply", file, "--dry-run")
    rooms = await execute(service, "SELECT room FROM room")
    made = await command("apply", file)
    again = await command("apply", file)
    as_json = await command("apply", file, "--json")

    assert (tried.exit_code, made.exit_code, again.exit_code) == (0, 0, 0), tried.output
    assert rooms == []
    assert tried.output.splitlines()[0] == made.output.splitlines()[0] == "spring-drop (a new room)"
    assert "  + seats_max = 200" in made.output
    assert "and nothing was changed: this was a dry run." in tried.output
    assert again.output == "Nothing to change: the rooms are as the files say.\n"
    assert json.loads(as_json.output) == {
        "room": "spring-drop", "created": False, "dry_run": False, "changes": []
    }  # fmt: skip
    rules = await service.rooms.read("spring-drop")
    assert (rules.seats_max, rules.order_by, rules.currency) == (200, "draw", "EUR")
    assert rules.opens_at == datetime(2027, 3, 1, 17, tzinfo=UTC)
    assert (await service.stock.read("mug-blue")).on_hand == 200
    assert (await service.look_store.read("spring-drop")).live.accent_light == "#1f5f4c"
    assert (await service.gate_store.read("spring-drop")).when_away == "closed"


async def test_changes_are_told_as_the_docs_show_them_and_an_export_changes_nothing(
    service: Service, command: Run, tmp_path: Path
) -> None:
    await command("apply", written(tmp_path, SAMPLE))
    changed = SAMPLE.replace("seats_max = 200", "seats_max = 300")
    changed = changed.replace("members = 0.2", "members = 0.3")

    told = await command("apply", written(tmp_path, changed))
    exported = await command("export", "spring-drop")
    again = await command("apply", written(tmp_path, exported.output))
    lifted = await command(
        "apply",
        written(tmp_path, '[rooms.spring-drop]\ncalls_per_minute = "none"\nopens_at = "none"\n'),
    )

    assert told.output in PAGE.replace("\n```\n", "\n")
    assert tomllib.loads(exported.output)["rooms"]["spring-drop"]["seats_max"] == 300
    assert again.output == "Nothing to change: the rooms are as the files say.\n"
    assert "~ calls_per_minute: 60 → none" in lifted.output
    assert (await service.rooms.read("spring-drop")).opens_at is None
    await service.stock.add("cap", room="spring-drop", name="Cap", price_minor=500, who="test")
    goods = "[rooms.spring-drop.products.cap.skus.cap]\nprice_minor = 700\non_hand = 4\n"
    assert (await command("apply", written(tmp_path, goods))).exit_code == 0
    fewer = await command("apply", written(tmp_path, goods.replace("= 4", "= 3")))
    assert "  ~ products.cap.skus.cap.on_hand: 4 → 3" in fewer.output
    cap = await service.stock.read("cap")
    assert (cap.price_minor, cap.on_hand) == (700, 3)


FAULTS = """
[room.a]
[rooms.drop]
seats_mx = 3
seats_max = "many"
opens_at = 2027-03-01T18:00:00
disappointed_max = nan
[rooms.drop.look]
accent_light = "green"
[rooms.drop.products.mug.skus.mug-x]
price_minor = -1
[rooms.other.products.mug.skus.mug-x]
pric_minor = 1
"""


async def test_every_fault_of_a_file_is_a_line_with_its_key_and_nothing_is_changed(
    service: Service, command: Run, tmp_path: Path
) -> None:
    await open_room(service, seats_max=50)
    file, broken = written(tmp_path, FAULTS), written(tmp_path, "[rooms", "broken.toml")

    refused = await command("apply", file, broken)

    lines = [line.removeprefix(f"waitroom: {file}: ") for line in refused.output.splitlines()]
    assert refused.exit_code == 2
    for said in (
        "room: a file has [rooms.NAME] alone at its top; did you mean rooms?",
        "room drop, seats_mx: there is no such key; did you mean seats_max?",
        "room drop, seats_max: Expected int, got str",
        "room drop, opens_at: Expected a moment with its offset",
        "room drop, disappointed_max: Expected float, got str",
        "room drop, look.accent_light: It is empty, or a colour",
        "room drop, products.mug.skus.mug-x.price_minor: Expected int >= 0",
        "room other, products.mug.skus.mug-x.pric_minor: there is no such key; did you mean",
        "room other: the SKU mug-x stands twice",
    ):
        assert any(line.startswith(said) for line in lines), (said, refused.output)
    assert lines[-1] == "waitroom: nothing was changed"
    assert (await service.rooms.read("drop")).seats_max == 50


# Parts that only the service can refuse, with its words.
REFUSED = (
    ("[rooms.drop]\ncurrency = 'USD'", "currency: A room keeps the currency"),
    ("[rooms.drop]\nopens_at = 2027-03-02T00:00:00Z\ncloses_at = 2027-03-01T00:00:00Z", ": "),
    ("[rooms.drop.products.mug.skus.mug]\non_hand = 1", "products.mug.skus.mug.on_hand: "),
    ("[rooms.drop.products.hat]\ndescription = 'A hat'", "products.hat: A product that is"),
    ("[rooms.drop.products.mug.skus.new]\nvariant = 'New'", "skus.new: A SKU that is added"),
    ("[rooms.drop.products.cap]\nname = 'Cap'", "products.cap: The product cap is in the room"),
    (
        "[rooms.drop.products.hat]\nname = 'H'\nskus.cap = { price_minor = 1, on_hand = 0 }",
        "products.hat.skus.cap: The SKU cap is a variant of",
    ),
)


async def test_a_part_that_the_service_refuses_leaves_all_rooms_as_they_were(
    service: Service, command: Run, tmp_path: Path
) -> None:
    await open_room(service, seats_max=50)
    await open_room(service, "other", skus={"cap": 1}, seats_max=50)
    await execute(service, "UPDATE stock SET sold = 3 WHERE on_hand = 5")
    good = "[rooms.a-new]\nname = 'New'\n[rooms.other]\nseats_max = 7\n"

    for text, said in REFUSED:
        part = text if "[rooms.drop]" in text else f"[rooms.drop]\nseats_max = 7\n{text}"
        file = written(tmp_path, good + part)
        refused = await command("apply", file)
        assert refused.exit_code == 2, text
        assert f"waitroom: {file}: room drop" in refused.output
        assert said in refused.output

    assert (await service.rooms.read("other")).seats_max == 50
    assert (await service.rooms.read("drop")).seats_max == 50
    cap = await service.stock.read("cap")
    assert (cap.room, cap.on_hand, cap.price_minor > 1) == ("other", 1, True)
    assert await execute(service, "SELECT room FROM room WHERE room = 'a-new'") == []


async def test_a_file_needs_a_key_with_its_scopes_and_rooms(
    service: Service, command: Run, tmp_path: Path
) -> None:
    await open_room(service)
    await service.rooms.create("other", "Other", who="test")
    rules = written(tmp_path, "[rooms.drop]\nseats_max = 7\n")
    goods = written(tmp_path, "[rooms.drop.products.mug]\nname = 'Cup'\n", "goods.toml")

    refused = [
        await command("apply", rules, scopes=("figures",)),
        await command("apply", goods, scopes=("rooms",)),
        await command("apply", rules, rooms=("other",)),
        await command("apply", rules, "--key", "wrk_wrong"),
        await command("apply", rules, "--key", ""),
    ]
    allowed = await command("apply", rules, scopes=("rooms",), rooms=("drop",))

    for result, said in zip(
        refused,
        [
            "scope rooms, and the key",
            "scope stock, and the key",
            "works in other alone",
            "not in force",
            "give an API key",
        ],
        strict=True,
    ):
        assert (result.exit_code, said in result.output) == (2, True), result.output
    assert allowed.exit_code == 0, allowed.output
    assert (await service.rooms.read("drop")).seats_max == 7
    acts = await execute(service, "SELECT who FROM operator_action WHERE action = 'change'")
    assert [act["who"] for act in acts] == ["test", "key k5"]


async def test_a_draft_of_the_look_is_not_lost_to_a_file_and_the_database_is_reached_without_http(
    service: Service, tmp_path: Path
) -> None:
    await open_room(service)
    look = written(tmp_path, "[rooms.drop.look]\nbrand = 'Shop'\ntexts.de.intro = 'Hallo'\n")
    where = ("--postgres-url", service.settings.postgres_url)

    async def applied(*more: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["apply", look, *where, *more])

    first = await applied()
    live = (await service.look_store.read("drop")).live
    draft = await service.look_store.read("drop")
    await service.look_store.save(
        "drop", type(draft.live)(brand="Draft"), was=draft.draft, who="ann"
    )
    same = await applied()
    written(tmp_path, "[rooms.drop.look]\nbrand = 'Other'\n")
    refused = await applied()

    assert (first.exit_code, live.brand, live.texts["de"].intro) == (0, "Shop", "Hallo"), (
        first.output
    )
    assert "Nothing to change" in same.output
    assert refused.exit_code == 2
    assert "look: The look has a draft that is not shown yet." in refused.output
    assert (await service.look_store.read("drop")).draft.brand == "Draft"

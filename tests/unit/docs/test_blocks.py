"""Every block of README and docs is held against the program, by the test that is named here."""

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from blocks import ROOT, Block, blocks, fences

from inventory.kit.doors.decoding import decoder
from waitroom.admin.rooms.elsewhere import StockElsewhere
from waitroom.outgoing.outbox.signature import EndpointSecrets, sign
from waitroom.run.settings import Secrets, Settings, load_secrets, load_settings

COMMANDS = "tests/acceptance/docs/test_commands.py"
ROOMS = "tests/acceptance/admin/test_rooms_as_files.py"
HERE = "tests/unit/docs/test_blocks.py"
# The test of each kind of block, for all pages or for one. Another test than these two reads the
# page by its name.
HELD_BY = {
    ("sh", ""): COMMANDS,
    ("csv", ""): COMMANDS,
    ("sql", ""): COMMANDS,
    ("toml", ""): HERE,
    ("json", "docs/integrate/stock-elsewhere.md"): HERE,
    ("json", "docs/integrate/assistant.md"): "tests/acceptance/web/test_assistant.py",
    ("json", "docs/how-it-works/draw-and-log.md"): "tests/unit/log/test_draw.py",
    ("http", "docs/integrate/customers.md"): "tests/acceptance/docs/test_calls.py",
    ("http", "docs/integrate/webhooks.md"): HERE,
    ("python", "docs/integrate/webhooks.md"): HERE,
    ("toml", "docs/integrate/rooms-as-files.md"): ROOMS,
    ("", "docs/integrate/rooms-as-files.md"): ROOMS,
    ("python", "docs/integrate/python-client.md"): "tests/acceptance/web/test_client.py",
    **{
        (kind, "docs/integrate/offline.md"): "tests/peers/samples.py"
        for kind in ("python", "javascript", "html")
    },
    **{
        (kind, "docs/protect-a-site.md"): "tests/unit/docs/test_gate_samples.py"
        for kind in ("nginx", "caddyfile", "haproxy", "yaml")
    },
}

SETTINGS = [block for block in blocks("toml") if (block.kind, block.page) not in HELD_BY]


def test_every_block_is_held_against_the_program() -> None:
    found = blocks()
    named = {key for one in found for key in _keys(one)}

    unknown = [one.place for one in found if not named_for(one)]

    assert 2 * len(found) == fences(), "a fence is written in another form than the tests read"
    assert unknown == []
    assert set(HELD_BY) <= named, "no block is left that these tests were named for"
    for (_, page), test in HELD_BY.items():
        text = (ROOT / test).read_text(encoding="utf-8")
        assert test in {COMMANDS, HERE} or not page or _is_named(page, text), (page, test)


def named_for(block: Block) -> bool:
    return any(key in HELD_BY for key in _keys(block))


def _keys(block: Block) -> tuple[tuple[str, str], tuple[str, str]]:
    return (block.kind, block.page), (block.kind, "")


def _is_named(page: str, text: str) -> bool:
    """Say whether a test names a page, or reads all of them."""
    return Path(page).name in text or "PAGES" in text


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.place)
def test_every_sample_of_settings_is_read(block: Block, tmp_path: Path) -> None:
    text = block.text.replace("…", "0" * 24)
    keys = tomllib.loads(text)
    is_secret = bool(set(keys) & set(Secrets.__struct_fields__))
    path = tmp_path / ("secrets.toml" if is_secret else "waitroom.toml")
    path.write_text(f'signing_keys = ["{"1" * 64}"]\n{text}' if is_secret else text)
    path.chmod(0o600)

    if is_secret:
        found: Any = load_secrets(Settings(data_dir=str(tmp_path)), environment={})
    else:
        found = load_settings(path, environment={})

    if shards := keys.pop("shards", {}):
        read = msgspec.to_builtins(found.shards)
        assert all({**read[name], **shard} == read[name] for name, shard in shards.items())
    assert {key: getattr(found, key) for key in keys} == keys


def test_the_report_of_another_shop_is_one_that_the_service_reads() -> None:
    report, answer = _stock_samples()

    told = decoder(StockElsewhere).decode(report.text)
    said = msgspec.json.decode(answer.text)

    assert (told.available, told.held, len(told.outcomes)) == (41, 3, 2)
    assert (said["available"], said["unknown"]) == (41, [])


def _stock_samples() -> list[Block]:
    return [one for one in blocks("json") if one.page == "docs/integrate/stock-elsewhere.md"]


async def test_the_receiver_of_webhooks_keeps_what_is_signed_and_nothing_else() -> None:
    (sample,) = (one for one in blocks("python") if one.page == "docs/integrate/webhooks.md")
    secrets = EndpointSecrets([b"1" * 32])
    secret = secrets.secret(secrets.root(b"salt" * 8))
    assert secret is not None
    kept: dict[str, Any] = {}

    async def keep(name: str, event: Any) -> None:
        kept[name] = event

    space: dict[str, Any] = {"SECRET": secret, "keep": keep}
    exec(compile(sample.text, sample.place, "exec"), space)
    receive: Callable[[web.Request], Any] = space["receive"]
    app = web.Application()
    app.router.add_post("/hooks/waitroom", receive)
    body = '{"type":"order.paid"}'
    headers = sign(name="evt_1", at=datetime.now(UTC), body=body, secrets=[secret])

    async with TestClient(TestServer(app)) as client:
        good = await client.post("/hooks/waitroom", data=body, headers=headers)
        bad = await client.post("/hooks/waitroom", data=f"{body} ", headers=headers)

    assert (good.status, bad.status) == (204, 400)
    assert kept == {"evt_1": {"type": "order.paid"}}


def test_the_webhook_that_is_shown_has_the_headers_that_are_sent() -> None:
    (sample,) = (one for one in blocks("http") if one.page == "docs/integrate/webhooks.md")
    head, _, _ = sample.text.partition("\n\n")
    shown = {line.partition(":")[0] for line in head.splitlines()[1:]}

    sent = sign(name="evt_1", at=datetime.now(UTC), body="{}", secrets=["whsec_MTEx"])

    assert set(sent) <= shown

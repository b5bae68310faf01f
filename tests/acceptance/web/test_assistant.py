"""`waitroom mcp` as a real MCP client meets it: reading, and steering in two steps."""

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from aiohttp.test_utils import TestClient
from mcp import Client, StdioServerParameters
from sources import ROOT
from support import open_room

from waitroom.admin.accounts.keys import NewKey
from waitroom.assistant.confirmation import CONFIRM_WITHIN_S, PENDING_MAX, Confirmations
from waitroom.assistant.tools_api import serve_assistant
from waitroom.client.http_client import HttpClient
from waitroom.client.operator_client import OperatorClient
from waitroom.run.service import Service

# The assistant's configuration that the docs show.
CONFIGURED = json.loads(
    (ROOT / "docs/integrate/assistant.md").read_text().split("```json\n")[1].split("```")[0]
)["mcpServers"]["waitroom"]
RATE = {"room": "drop", "seats_max": 40, "reason": "more staff"}


async def said(assistant: Client, tool: str, **arguments: Any) -> tuple[bool, Any]:
    """Call a tool, and return whether it went well, with its answer or its sentence."""
    result = await assistant.call_tool(tool, arguments)
    if result.is_error:
        return False, "".join(getattr(part, "text", "") for part in result.content)
    return True, result.structured_content


async def test_an_assistant_reads_rooms_and_steers_only_with_a_confirmation_that_is_good_once(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service, seats_max=30)
    new = NewKey(name="assistant", scopes=("figures", "steer"))
    key = await service.keys.add(new, maker=None, now=datetime.now(UTC))
    url = str(client.make_url("/"))
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", CONFIGURED["command"], *CONFIGURED["args"]],
        env={**os.environ, **dict(zip(CONFIGURED["env"], (url, key), strict=True))},
    )

    async with Client(started) as assistant:
        tools = {tool.name: tool for tool in (await assistant.list_tools()).tools}
        _, rooms = await said(assistant, "list_rooms")
        _, figures = await said(assistant, "room_figures", room="drop")
        _, orders = await said(assistant, "orders_summary", room="drop")
        lost = await said(assistant, "room_figures", room="nowhere")
        _, plan = await said(assistant, "set_rate", **RATE)
        seats_planned = (await service.rooms.read("drop")).seats_max
        code = plan["confirmation"]
        other = await said(assistant, "set_rate", **{**RATE, "seats_max": 90}, confirmation=code)
        _, again = await said(assistant, "set_rate", **RATE)
        done = await said(assistant, "set_rate", **RATE, confirmation=again["confirmation"])
        twice = await said(assistant, "set_rate", **RATE, confirmation=again["confirmation"])
        _, pause = await said(assistant, "pause_room", room="drop", reason="the till is slow")
        await service.rooms.change("drop", '{"seats_max": 41}', who="ann")
        outdated = await said(
            assistant,
            "pause_room",
            room="drop",
            reason="the till is slow",
            confirmation=pause["confirmation"],
        )
        _, told = await said(assistant, "set_message", room="drop", message="Back at six.")
        await said(
            assistant,
            "set_message",
            room="drop",
            message="Back at six.",
            confirmation=told["confirmation"],
        )

    assert tools["room_figures"].annotations.read_only_hint
    assert not tools["pause_room"].annotations.read_only_hint
    assert rooms == {"result": [{"room": "drop", "name": "Drop", "status": "open"}]}
    assert (figures["seats_max"], figures["units_available"]) == (30, 5)
    assert (orders["paid"], orders["revenue_minor"]) == (0, 0)
    assert (lost[0], lost[1].endswith("There is no room 'nowhere'. (not_found)")) == (False, True)
    assert (plan["done"], seats_planned) == (False, 30)
    assert "set seats_max from 30 to 40" in plan["says"]
    assert (other[0], "another act" in other[1]) == (False, True)
    assert done[1]["done"]
    assert (twice[0], "used before" in twice[1]) == (False, True)
    assert (outdated[0], "The room has changed" in outdated[1]) == (False, True)
    rules = await service.rooms.read("drop")
    assert (rules.seats_max, rules.status, rules.message) == (41, "open", "Back at six.")


async def test_an_assistant_has_no_more_rights_than_its_key(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await open_room(service)
    new = NewKey(name="watcher", scopes=("figures",))
    key = await service.keys.add(new, maker=None, now=datetime.now(UTC))

    async with HttpClient(str(client.make_url("/"))) as http:
        server = serve_assistant(OperatorClient(http, key=key))
        async with Client(server) as assistant:
            _, plan = await said(assistant, "pause_room", room="drop", reason="why")
            refused = await said(
                assistant,
                "pause_room",
                room="drop",
                reason="why",
                confirmation=plan["confirmation"],
            )

    assert (refused[0], "(scope_lacking)" in refused[1]) == (False, True)
    assert (await service.rooms.read("drop")).status == "open"


def test_a_confirmation_runs_out_and_only_the_newest_plans_wait() -> None:
    waiting = Confirmations()
    waiting.plan("old", "act", standing=1, now_s=0.0)
    for number in range(PENDING_MAX):
        waiting.plan(f"c{number}", "act", standing=1, now_s=1.0)

    assert "too old" in waiting.refusal("old", "act", standing=1, now_s=1.0)
    assert waiting.refusal("c1", "act", standing=1, now_s=1.0) == ""
    late = 1.0 + CONFIRM_WITHIN_S
    assert "too old" in waiting.refusal("c2", "act", standing=1, now_s=late)
    assert waiting.pending.keys() == {f"c{number}" for number in range(PENDING_MAX)} - {"c1", "c2"}

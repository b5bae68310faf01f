"""Names whose addresses change between the look at a URL and the connection (DNS rebinding)."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from waitroom.outgoing.outbox.webhook_client import open_client, vet

PUBLIC, PRIVATE, METADATA = "93.184.216.34", "127.0.0.1", "169.254.169.254"
HOST = "hooks.example"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let a name server give these answers in turn, the last one for good; return the asked."""
    real, asked = socket.getaddrinfo, list[str]()

    def let(*turns: list[str]) -> list[str]:
        def look_up(host: Any, port: Any, *args: Any, **named: Any) -> list[Any]:
            if host != HOST:
                return real(host, port, *args, **named)
            asked.append(host)
            found = turns[min(len(asked), len(turns)) - 1]
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (one, int(port)))
                for one in found
            ]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return let


@pytest.mark.parametrize("later", [[PRIVATE], [METADATA], [PRIVATE, METADATA]])
async def test_a_name_that_turns_private_after_the_look_gets_no_connection(
    answers: Callable[..., list[str]], later: list[str]
) -> None:
    reached = 0

    def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached += 1
        writer.close()

    inside = await asyncio.start_server(note, PRIVATE, 0)
    url = f"https://{HOST}:{inside.sockets[0].getsockname()[1]}/hook"
    asked = answers([PUBLIC], later)

    async with inside, open_client(allow_private=False) as client:
        await vet(url, allow_private=False)
        answer = await client.post(url, "{}", {})

    assert len(asked) == 2
    assert (answer.status, reached) == (None, 0)
    assert "not public" in answer.text

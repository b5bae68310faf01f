"""A few seeded forgeries and heaps of rubbish over HTTP; `make fuzz` has many."""

import random
import sys
from collections.abc import Awaitable, Callable
from math import inf
from pathlib import Path

import pytest
from programs import open_site
from support import secrets, settings

from inventory.kit import http
from waitroom.run.app import Service
from waitroom.run.listening import connection

sys.path.append(str(Path(__file__).parents[3] / "tools"))
from fuzz import DOORS, Asked, ask_all, attack


async def test_no_forgery_and_no_rubbish_gets_past_the_program(
    services: Callable[..., Awaitable[Service]],
    postgres_url: str,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Some requests promise a body or a head that never comes.
    monkeypatch.setattr(http, "BODY_WAIT_S", 0.5)
    monkeypatch.setattr(connection, "HEAD_WAIT_S", 1.0)
    proxied = settings(postgres_url, valkey_url, trusted_proxies=["127.0.0.1"])
    async with open_site(proxied, secrets()) as site:
        answers = await attack(site.url, await services(), count=300, seed=20_261_130)
        # Bytes that are no text, at each door of a token.
        dice, none = random.Random(1), "\udcff\udcfe"
        asked = [Asked(raw=door(dice, none), token=none) for one in DOORS.values() for door in one]
        await ask_all(site.url, asked, answers, until=inf)

    assert answers.wrong == []
    assert answers.statuses["401"] > 50
    assert answers.statuses["200"] > 0

"""Rubbish to every route, by every method: a clear refusal each time, and nothing half done."""

from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from support import PASSWORD, Shopper, authorization, execute, open_room, tick
from yarl import URL

from waitroom.run.app import Service, make_app

NAMES = ["drop", "mug", "1", "00000000-0000-4000-8000-000000000000", "0", "-1", "9" * 40]
STRANGE = ["%00", "%27%3B--", "%F0%9F%8E%88", "a" * 300, "%2e%2e%2f", "%ff%fe"]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00",
    b"[" * 3000,
    b'{"unknown_member": 1}',
    b'{"items": 1}',
    b'{"items": [], "extend": true}',
    b'{"items": [{"sku": "mug", "quantity": 1e400}]}',
    b'{"items": [{"sku": "mug", "quantity": -1}]}',
    b'{"items": [{"sku": "m\\u0000g", "quantity": 1}]}',
    b'{"hold_id": "x", "payment": {"token": ""}}',
    b'{"kind": "stolen", "quantity": 1}',
    b'{"kind": "adjusted", "quantity": 99999999999999999999, "reason": "x"}',
    b'{"seats_max": -1}',
    b'{"token": "not.a.jwt"}',
]
QUERY = (
    "limit=-1&cursor=%00&from=then&to=now&at=x&q=%00&status=odd&sku=%27&after=x&step=0&state=%00"
)
# Signing out ends what the test needs; a crowd would take minutes.
NOT_ASKED = {"/admin/logout", "/checkout/leave", "/rooms/{room}/leave", "/admin/rooms/{room}/crowd"}


def _listed(app: web.Application) -> list[tuple[str, str]]:
    """Return every method and path that the program serves, but for files."""
    found = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
        and route.method not in {"HEAD", "OPTIONS", "*"}
        and not route.resource.canonical.startswith("/static")
        and route.resource.canonical not in NOT_ASKED
    }
    # What is deleted at the end was there for all the others.
    return sorted(found, key=lambda one: (one[0] == "DELETE", one))


def fill(path: str, value: str) -> str:
    parts = [value if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


async def counts(service: Service) -> dict[str, int]:
    """Count the rows of everything that a request could have left behind."""
    tables = await execute(
        service,
        """SELECT tablename FROM pg_tables WHERE schemaname = 'public'
           AND tablename NOT IN ('operator_session', 'office', 'room_state')""",
    )
    union = " UNION ALL ".join(
        f"SELECT '{row['tablename']}' AS name, count(*) AS n FROM {row['tablename']}"
        for row in tables
    )
    return {row["name"]: row["n"] for row in await execute(service, union)}


async def signed_in(service: Service, client: Any) -> str:
    await service.operators.add("ada", role="admin", password=PASSWORD)
    answer = await client.post(
        "/admin/login", data={"name": "ada", "password": PASSWORD}, allow_redirects=False
    )
    return str(answer.headers["Set-Cookie"].split(";")[0])


@pytest.mark.parametrize("as_who", ["admin", "shopper"])
async def test_rubbish_is_refused_clearly_and_changes_nothing(
    service: Service, client: Any, as_who: str
) -> None:
    await open_room(service, skus={"mug": 5}, policy="rate")
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()
    await shopper.claim()
    headers = {"Idempotency-Key": "rubbish"}
    if as_who == "admin":
        headers["Cookie"] = await signed_in(service, client)
    else:
        headers |= authorization(shopper.session)
    wrong: list[str] = []
    seen = Counter[int]()

    for method, path in _listed(make_app(service)):
        if path.startswith("/admin") != (as_who == "admin"):
            continue
        before = await counts(service)
        statuses = [
            await _send(client, method, url, body, headers, wrong)
            for url, body in _requests(method, path)
        ]
        seen.update(statuses)
        if all(status >= 400 for status in statuses):
            after = await counts(service)
            left = {name for name in after if after[name] != before.get(name)}
            if left:
                wrong.append(f"{method} {path} left rows in {sorted(left)}")

    assert wrong == []
    # Most of it got as far as being looked at.
    assert seen[400] + seen[422] > 100
    assert await service.ledger.breaches() == []


def _requests(method: str, path: str) -> list[tuple[str, bytes | None]]:
    values = NAMES + STRANGE if "{" in path else [""]
    urls = [f"{fill(path, value)}?{QUERY}" for value in values] + [fill(path, values[0])]
    if method in {"GET", "DELETE"}:
        return [(url, None) for url in urls]
    return [(url, b"{}") for url in urls] + [(fill(path, NAMES[0]), body) for body in BODIES]


async def _send(
    client: Any,
    method: str,
    url: str,
    body: bytes | None,
    headers: dict[str, str],
    wrong: list[str],
) -> int:
    answer = await client.request(
        method,
        URL(url, encoded=True),
        data=body,
        headers=headers | ({"Content-Type": "application/json"} if body is not None else {}),
        allow_redirects=False,
    )
    text = await answer.read()
    status = int(answer.status)
    if status >= 500:
        wrong.append(f"{method} {url} {body!r}: {status} {text[:200]!r}")
    elif status >= 400 and not answer.content_type.endswith(("problem+json", "html")):
        wrong.append(f"{method} {url} {body!r}: {status} without a problem, {text[:100]!r}")
    return status

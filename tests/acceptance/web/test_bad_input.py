"""Rubbish to every route, by every method: a clear refusal each time, and nothing half done."""

from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from support import PASSWORD, Shopper, authorization, execute, open_room, tick
from yarl import URL

from inventory.kit.doors.described import description_of
from inventory.kit.doors.query import Choice, Flag, Parameter, Whole
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
FORM = "application/x-www-form-urlencoded"
# What clients, proxies and attackers send in place of a good request: headers and a body.
NASTY: list[tuple[dict[str, str], bytes]] = [
    ({"Origin": "http://["}, b"{}"),
    ({"Origin": "http://[::1", "Content-Type": FORM}, b"a=b"),
    ({"Origin": "\u00e9://\u00e9"}, b"{}"),
    ({"Content-Type": f"{FORM}; charset=klingon"}, b"a=b"),
    ({"Content-Type": "application/json; charset=utf-7"}, b"{}"),
    ({"Content-Type": "multipart/form-data"}, b"--x--"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disposition: a\r\n\r\n"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, b"--y\r\n\r\nz"),
    ({"Content-Encoding": "gzip"}, b"{}"),
    ({"Content-Encoding": "gzip", "Content-Type": FORM}, b"a=b"),
    ({"Content-Encoding": "deflate", "Content-Type": "text/csv"}, b"sku\nmug\n"),
    ({"Content-Encoding": "br"}, b"{}"),
    ({"Content-Encoding": "rot13"}, b"{}"),
    ({"Content-Type": FORM}, b"%ff=%zz&%=&=&a=%00&code=%ed%a0%80"),
    ({"Content-Type": FORM}, "sku=\u00e9&code=\ud83d\ude00".encode("utf-8", "surrogatepass")),
    ({"Content-Type": FORM}, b"&".join(b"f%d=1" % i for i in range(2000))),
    ({"Content-Type": "text/csv"}, b"\xff\xfe\0s\0k\0u\0"),
    ({"Content-Type": "\u00ff/;;=;"}, b"{}"),
    ({"Accept": ";q=,*/*;q=NaN,text/html;q=1e400"}, b"{}"),
    ({"Accept": "text/html"}, b"["),
    ({"Authorization": "bEARER \u00ff~\u00ff"}, b"{}"),
    ({"Authorization": "Bearer a.b.c"}, b"{}"),
    ({"Idempotency-Key": "\u00ff" * 128}, b"{}"),
    ({"Cookie": "waitroom_ticket_drop=%00\u00ff; waitroom_session=~; =; ;;"}, b"{}"),
    ({"If-None-Match": "\u00ff", "Range": "bytes=9-1", "Referer": "http://["}, b"{}"),
    ({}, b"[" * 60_000),
    ({}, b'{"a":' * 10_000),
    ({}, b'{"reason": "\\ud800", "name": "\\ud800"}'),
    ({}, b'{"reason": "\\u0000", "name": "a\\u0000"}'),
    ({}, b'{"reason": "a", "reason": 1, "reason": "b"}'),
    ({}, b'{"seats_max": ' + b"9" * 5000 + b"}"),
    ({}, b'{"seats_max": 1e400, "quantity": -1e400, "share": NaN}'),
    ({}, b'{"opens_at": "9999-12-31T23:59:59-05:00", "since": "0001-01-01T00:00:00+01:00"}'),
    ({}, b"\xef\xbb\xbf{}"),
]
NASTY_QUERIES = [
    "cursor=%ed%a0%80&q=%ff&room=%00&order=%00&only=%ff&at=9999-12-31T23:59:59-05:00",
    "limit=%d9%a3&from=0001-01-01T00:00:00%2B14:00&to=infinity&format=%00&invitation=%ff%00",
    "%ff=%zz&%&=&&&cursor=9999999999999999~00000000-0000-0000-0000-000000000000",
]
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


async def inside(service: Service, client: Any) -> Shopper:
    """Open a room, and return a shopper with a session in it."""
    await open_room(service, skus={"mug": 5}, policy="rate")
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()
    await shopper.claim()
    return shopper


@pytest.mark.parametrize("as_who", ["admin", "shopper"])
@pytest.mark.endure
async def test_rubbish_is_refused_clearly_and_changes_nothing(
    service: Service, client: Any, as_who: str
) -> None:
    shopper = await inside(service, client)
    headers = {"Idempotency-Key": str(uuid4())}
    if as_who == "admin":
        headers["Cookie"] = await signed_in(service, client)
    else:
        headers |= authorization(shopper.session)
    wrong: list[str] = []
    seen = Counter[int]()

    before = await counts(service)
    for method, path in _listed(make_app(service)):
        if path.startswith("/admin") != (as_who == "admin"):
            continue
        statuses = [
            await _send(client, method, url, body, headers, wrong)
            for url, body in _requests(method, path)
        ]
        seen.update(statuses)
        after = await counts(service)
        left = {name for name in after if after[name] != before.get(name)}
        if path.startswith("/admin/login"):
            # A sign-in that failed is written down; of strangers' there is a bound.
            left -= {"security_event"}
        if left and all(status >= 400 for status in statuses):
            wrong.append(f"{method} {path} left rows in {sorted(left)}")
        before = after

    assert wrong == []
    # Most of it got as far as being looked at.
    assert seen[400] + seen[422] > 100
    assert await service.ledger.breaches() == []


@pytest.mark.parametrize(
    "as_who",
    [
        "shopper",
        pytest.param("admin", marks=pytest.mark.endure),
        pytest.param("stranger", marks=pytest.mark.endure),
    ],
)
async def test_no_header_and_no_body_makes_a_fault_of_ours(
    service: Service, client: Any, as_who: str
) -> None:
    shopper = await inside(service, client)
    own = {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
    if as_who == "admin":
        own["Cookie"] = await signed_in(service, client)
    elif as_who == "shopper":
        own |= authorization(shopper.session)
    wrong: list[str] = []

    for method, path in _listed(make_app(service)):
        if path.startswith("/admin") != (as_who == "admin") and as_who != "stranger":
            continue
        # A worker that has not heard of its rooms for a while is not ready.
        await service.board.refresh()
        url = fill(path, "drop" if "{room}" in path else "mug")
        if method == "GET":
            for query in NASTY_QUERIES:
                await _send(client, method, f"{url}?{query}", None, own, wrong)
            continue
        for headers, body in NASTY:
            await _send(client, method, url, body, own | headers, wrong)

    assert wrong == []


def _odd(parameter: Parameter) -> list[str]:
    """Return values of a parameter, as an address has them, that nothing may be taken for."""
    found = ["%00", "a%0Db", "%ff", "%ed%a0%80", f"1&{parameter.name}=1", "x" * 5000]
    if isinstance(parameter, Whole):
        found += ["%EF%BC%91%EF%BC%92", "9" * 40, "1e3", "1_000", "%2B1", ""]
        found += ["-1"] if parameter.low >= 0 else []
    if isinstance(parameter, Choice | Flag):
        found += ["unknown"]
    return found


async def test_no_query_makes_a_fault_of_ours_or_is_taken_for_another(
    service: Service, client: Any
) -> None:
    shopper = await inside(service, client)
    own = {"Cookie": await signed_in(service, client)} | authorization(shopper.session)
    wrong: list[str] = []
    asked = 0

    before = await counts(service)
    for route in make_app(service).router.routes():
        noted = description_of(route.handler)
        if route.method != "GET" or route.resource is None or noted is None:
            continue
        url = fill(route.resource.canonical, "drop" if "{room}" in str(route.resource) else "mug")
        for parameter in noted.query:
            await service.board.refresh()
            for value in _odd(parameter):
                asked += 1
                query = f"{url}?{parameter.name}={value}"
                status = await _send(client, "GET", query, None, own, wrong)
                if not 400 <= status < 500:
                    wrong.append(f"GET {query[:200]}: {status}")
    longest = await client.get(URL(f"/rooms/drop?sku={'a' * 100_000}", encoded=True))
    after = await counts(service)

    assert wrong == []
    assert asked > 500
    assert longest.status == 400
    assert {name for name in after if after[name] != before[name]} <= {"security_event"}


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
        headers={"Content-Type": "application/json", **headers} if body is not None else headers,
        allow_redirects=False,
    )
    status = int(answer.status)
    if answer.content_type == "text/event-stream":
        # A stream of events goes on by itself.
        answer.close()
        return status
    text = await answer.read()
    if status >= 500:
        wrong.append(f"{method} {url} {body!r}: {status} {text[:200]!r}")
    elif "Content-Encoding" in headers and status == 400:
        # The HTTP server refuses some packings before any route of ours is asked.
        return status
    elif status >= 400 and not answer.content_type.endswith(("problem+json", "html")):
        wrong.append(f"{method} {url} {body!r}: {status} without a problem, {text[:100]!r}")
    return status

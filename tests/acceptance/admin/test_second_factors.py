"""Second factors over HTTP: authenticator apps, recovery codes, and what each of them opens."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pyotp
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import PASSWORD, execute, secrets

from waitroom.admin.accounts.factors.factor_store import MISSES_MAX
from waitroom.run.keys.key_store import SigningKeys
from waitroom.run.service import Service

Client = TestClient[Any, Any]
Header = dict[str, str]
Services = Callable[..., Awaitable[Service]]
Clients = Callable[[Service], Awaitable[Client]]
ACCOUNT = "/admin/account"


async def set_up_app(client: Client, headers: Header) -> tuple[pyotp.TOTP, list[str]]:
    """Set an authenticator app up; return it with the recovery codes. Its next code is unused."""
    made = await client.post(f"{ACCOUNT}/authenticator", headers=headers)
    assert made.status == 201, await made.text()
    app = pyotp.TOTP((await made.json())["key"])
    code = app.at(time.time() - 30)
    confirmed = await client.post(
        f"{ACCOUNT}/authenticator/confirm", json={"code": code}, headers=headers
    )
    assert confirmed.status == 200, await confirmed.text()
    return app, (await confirmed.json())["recovery_codes"]


async def first_step(client: Client, name: str, device: str = "") -> tuple[ClientResponse, Header]:
    """Give name and password; return the answer and the cookie of the step that it led to."""
    answer = await client.post(
        "/admin/login",
        data={"name": name, "password": PASSWORD, "to": "/admin/people"},
        headers={"Cookie": device},
        allow_redirects=False,
    )
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    return answer, {"Cookie": "; ".join(filter(None, (cookie, device)))}


async def second_step(client: Client, step: Header, **form: str) -> ClientResponse:
    return await client.post(
        "/admin/login/second",
        data={"to": "/admin/people", **form},
        headers=step,
        allow_redirects=False,
    )


def cookie_of(answer: ClientResponse, named: str) -> str:
    return next(
        line.partition(";")[0]
        for line in answer.headers.getall("Set-Cookie", [])
        if line.startswith(named)
    )


async def signs_in(client: Client, name: str, device: str = "", **form: str) -> int:
    _, step = await first_step(client, name, device)
    return (await second_step(client, step, **form)).status


async def test_with_an_app_the_password_opens_nothing_and_each_code_works_once(
    service: Service, client: Client
) -> None:
    as_ann = await sign_in(service, client, "admin", name="ann")
    elsewhere = await client.post("/admin/login", data={"name": "ann", "password": PASSWORD})
    app, codes = await set_up_app(client, as_ann)
    needs = await SigningKeys(service.pool).needs_of(secrets().keys[-1], now=datetime.now(UTC))
    shown = await (await client.get(f"{ACCOUNT}/factors", headers=as_ann)).json()
    now = time.time()

    led, step = await first_step(client, "ann")
    bare = await client.get("/admin/operators", headers=step)
    used = await second_step(client, step, code=app.at(now - 30))
    first = await second_step(client, step, code=app.at(now))
    cookie = cookie_of(first, "waitroom_operator")
    signed_in = await client.get("/admin/operators", headers={"Cookie": cookie})
    over = await second_step(client, step, code=app.at(now + 30))
    again = await signs_in(client, "ann", code=app.at(now))
    too_old = await signs_in(client, "ann", code=app.at(now - 90))

    assert elsewhere.status == 401 or "waitroom_operator" in str(elsewhere.history[0].headers)
    assert len(await execute(service, "SELECT * FROM operator_session")) == 2, "others have ended"
    assert len(set(codes)) == 10
    assert any("the authenticator app of ann is sealed with it" in need for need in needs)
    assert (shown["recovery_codes_left"], shown["passkeys"]) == (10, [])
    assert (led.status, led.headers["Location"]) == (
        303,
        "/admin/login/second?to=/admin/people",
    )
    assert bare.status == 401
    assert (used.status, first.status, first.headers["Location"]) == (403, 303, "/admin/people")
    assert signed_in.status == 200
    assert (over.status, over.headers["Location"]) == (303, "/admin/login?to=/admin/people")
    assert (again, too_old) == (403, 403)


async def test_of_many_requests_with_one_code_or_one_recovery_code_one_signs_in(
    services: Services, clients: Clients
) -> None:
    service = await services(sign_in_attempts_per_minute=1000)
    client = await clients(service)
    as_ann = await sign_in(service, client, "viewer", name="ann")
    app, codes = await set_up_app(client, as_ann)
    steps = [(await first_step(client, "ann"))[1] for _ in range(4)]
    code = app.at(time.time())

    answers = await asyncio.gather(*(second_step(client, one, code=code) for one in steps))
    typed = codes[0].upper().replace("-", " ")
    steps = [(await first_step(client, "ann"))[1] for _ in range(4)]
    recovered = await asyncio.gather(*(second_step(client, one, recovery=typed) for one in steps))
    later = await signs_in(client, "ann", recovery=codes[0])
    other = await signs_in(client, "ann", recovery=codes[1])
    renewed = await client.post(f"{ACCOUNT}/recovery-codes", headers=as_ann)
    older = await signs_in(client, "ann", recovery=codes[2])
    newer = await signs_in(client, "ann", recovery=(await renewed.json())["recovery_codes"][2])

    assert sorted(answer.status for answer in answers) == [303, 403, 403, 403]
    assert sorted(answer.status for answer in recovered) == [303, 403, 403, 403]
    assert (later, other, older, newer) == (403, 303, 403, 303)
    kept = await execute(service, "SELECT code_hash FROM operator_recovery_code")
    assert all(code.encode() not in bytes(row["code_hash"]) for row in kept for code in codes)


async def test_guesses_at_codes_end_after_a_hundred_and_the_operators_own_browser_goes_on(
    services: Services, clients: Clients
) -> None:
    service = await services(sign_in_attempts_per_minute=1000)
    client = await clients(service)
    await service.operators.add("ann", role="viewer", password=PASSWORD)
    answer, as_ann = await first_step(client, "ann")
    device = cookie_of(answer, "waitroom_device")
    app, codes = await set_up_app(client, as_ann)
    _, step = await first_step(client, "ann")
    await execute(service, f"UPDATE operator_authenticator SET missed_unknown = {MISSES_MAX - 2}")

    guesses = await asyncio.gather(*(second_step(client, step, code="000000") for _ in range(6)))
    told = sorted([await answer.text() for answer in guesses], key=lambda text: "Too many" in text)
    right = await second_step(client, step, code=app.at(time.time()))
    recovered = await second_step(client, step, recovery=codes[3])
    known = await signs_in(client, "ann", device, code=app.at(time.time()))
    at_last = await signs_in(client, "ann", code=app.at(time.time() + 30))

    assert ["wrong" if "not right" in text else "ended" for text in told] == ["wrong"] * 2 + [
        "ended"
    ] * 4
    assert (right.status, recovered.status) == (403, 303)
    assert (known, at_last) == (303, 303), "a right code at home lets others be tried again"


async def test_tries_at_second_factors_are_slowed_down(
    services: Services, clients: Clients
) -> None:
    service = await services(sign_in_attempts_per_minute=3)
    client = await clients(service)
    as_ann = await sign_in(service, client, "viewer", name="ann")
    await set_up_app(client, as_ann)
    _, step = await first_step(client, "ann")

    answers = [(await second_step(client, step, code="000000")).status for _ in range(5)]

    assert answers == [403, 403, 403, 429, 429]


async def test_where_a_second_factor_is_required_it_comes_before_anything_else(
    services: Services, clients: Clients
) -> None:
    service = await services(second_factor="required")
    client = await clients(service)
    as_ann = await sign_in(service, client, "admin", name="ann")
    html = {**as_ann, "Accept": "text/html"}

    led = await client.get("/admin", headers=html, allow_redirects=False)
    refused = await client.get("/admin/operators", headers=as_ann)
    page = await client.get(ACCOUNT, headers=html)
    await set_up_app(client, as_ann)
    allowed = await client.get("/admin/operators", headers=as_ann)
    removed = await client.delete(f"{ACCOUNT}/authenticator", headers=as_ann)
    again = await client.get("/admin/operators", headers=as_ann)

    assert (led.status, led.headers["Location"]) == (303, ACCOUNT)
    assert (refused.status, (await refused.json())["code"]) == (403, "second_factor_needed")
    assert "asks every operator for a second factor" in await page.text()
    assert (allowed.status, removed.status, again.status) == (200, 204, 403)


async def test_an_admin_takes_the_factors_of_somebody_else_away_and_it_is_on_record(
    service: Service, client: Client
) -> None:
    as_ann = await sign_in(service, client, "admin", name="ann")
    as_bo = await sign_in(service, client, "viewer", name="bo")
    await set_up_app(client, as_bo)
    await set_up_app(client, as_ann)
    url = "/admin/operators/{}/factors"

    forbidden = await client.delete(url.format("ann"), headers=as_bo)
    own = await client.delete(url.format("ann"), headers=as_ann)
    nobody = await client.delete(url.format("cy"), headers=as_ann)
    taken = await client.delete(url.format("bo"), headers=as_ann)
    again = await client.delete(url.format("bo"), headers=as_ann)

    assert [one.status for one in (forbidden, own, nobody, taken, again)] == [
        403,
        409,
        404,
        200,
        200,
    ]
    assert ((await taken.json())["removed"], (await again.json())["removed"]) == (True, False)
    assert (await client.get(ACCOUNT, headers=as_bo)).status == 401
    assert await service.operators.sign_in("bo", PASSWORD)
    acts = await (await client.get("/admin/actions", headers=as_ann)).json()
    said = [one["sentence"] for one in acts["actions"]]
    assert said[0] == "ann removed all second factors of bo"
    assert "bo set up an authenticator app as a second factor" in said
    # The owner of the machine helps an admin who is locked out.
    assert await service.factors.remove_all("ann", actor=None)
    assert await service.operators.sign_in("ann", PASSWORD)


async def test_a_secret_is_nothing_without_the_keys_and_outlives_their_rotation(
    service: Service, client: Client
) -> None:
    as_ann = await sign_in(service, client, "viewer", name="ann")
    key = (await (await client.post(f"{ACCOUNT}/authenticator", headers=as_ann)).json())["key"]
    picture = await client.get(f"{ACCOUNT}/authenticator.svg", headers=as_ann)
    rows = await execute(service, "SELECT sealed FROM operator_authenticator")

    assert key.encode() not in bytes(rows[0]["sealed"])
    assert picture.content_type == "image/svg+xml"
    assert picture.headers["Cache-Control"] == "no-store"
    # A new set-up takes the place of one that was not confirmed, and only a confirmed one counts.
    await client.post(f"{ACCOUNT}/authenticator", headers=as_ann)
    old = pyotp.TOTP(key).now()
    wrong = await client.post(
        f"{ACCOUNT}/authenticator/confirm", json={"code": old}, headers=as_ann
    )
    assert (wrong.status, (await wrong.json())["code"]) == (403, "wrong_factor")
    newest = SigningKeys(service.pool).needs_of(secrets().keys[-1], now=datetime.now(UTC))
    assert not any("authenticator" in need for need in await newest)
    assert await service.operators.sign_in("ann", PASSWORD)

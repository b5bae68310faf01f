"""Passkeys over HTTP and in a browser: added, used to sign in, as second factor and as proof."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pyotp
import pytest
from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site, open_site
from signing_in import sign_in, sign_in_on_screen
from soft_passkey import SoftPasskey
from support import PASSWORD, execute, secrets, settings

from waitroom.admin.accounts.factors import factor_store
from waitroom.run.processes import claim_port
from waitroom.run.service import Service

Client = TestClient[Any, Any]
Header = dict[str, str]
Services = Callable[..., Awaitable[Service]]
Clients = Callable[[Service], Awaitable[Client]]
PASSKEYS = "/admin/account/passkeys"
OWN_ORIGIN = "http://localhost:8080"


async def add(client: Client, headers: Header, name: str = "Phone") -> tuple[SoftPasskey, Any]:
    """Add a passkey; return it with the answer."""
    passkey = SoftPasskey(OWN_ORIGIN, "localhost")
    asked = await client.post(f"{PASSKEYS}/options", headers=headers)
    made = passkey.made((await asked.json())["options"])
    body = {"name": name, "passkey": made}
    answer = await client.post(PASSKEYS, json=body, headers=headers)
    assert answer.status == 201, await answer.text()
    return passkey, (await answer.json())["recovery_codes"]


async def login_options(client: Client) -> dict[str, Any]:
    return dict(await (await client.post("/admin/login/options", json={})).json())


async def sent(client: Client, credential: dict[str, Any], at: str = "/admin/login") -> Any:
    """Send a credential to the sign-in; return the status and the answer."""
    body = {"passkey": credential, "to": "/admin/people"}
    answer = await client.post(f"{at}/passkey", json=body)
    return answer.status, await answer.json()


async def test_a_passkey_signs_in_alone_and_each_challenge_is_answered_once(
    service: Service, client: Client
) -> None:
    as_ann = await sign_in(service, client, "admin", name="ann")
    passkey, codes = await add(client, as_ann)
    _, no_codes = await add(client, as_ann, name="Key")
    asked = await login_options(client)
    credential = passkey.signed(asked)

    both = await asyncio.gather(sent(client, credential), sent(client, credential))
    later = await sent(client, passkey.signed(asked))
    made_up = await sent(client, passkey.signed({"challenge": "AAAA"}))
    asked = await login_options(client)
    wrong = await sent(client, SoftPasskey(OWN_ORIGIN, "localhost").signed(asked))
    after_wrong = await sent(client, passkey.signed(asked))
    asked = await login_options(client)
    await execute(service, "UPDATE operator_challenge SET made_at = now() - interval '301 s'")
    too_late = await sent(client, passkey.signed(asked))
    passkey.count = 0
    copied = await sent(client, passkey.signed(await login_options(client)))

    assert (len(codes), no_codes) == (10, None)
    assert sorted(status for status, _ in both) == [200, 403]
    assert next(body for status, body in both if status == 200) == {"to": "/admin/people"}
    refused = (later, made_up, wrong, after_wrong, too_late, copied)
    assert {(status, body["code"]) for status, body in refused} == {(403, "wrong_passkey")}
    listed = (await (await client.get("/admin/account/factors", headers=as_ann)).json())["passkeys"]
    assert [one["name"] for one in listed] == ["Phone", "Key"]
    assert [one["last_used_at"] is None for one in listed] == [False, True]


async def test_strangers_challenges_are_bounded_and_push_out_the_oldest_of_their_own_alone(
    services: Services, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factor_store, "CHALLENGES_OF_STRANGERS_MAX", 3)
    service = await services(sign_in_attempts_per_minute=100)
    client = await clients(service)
    as_ann = await sign_in(service, client, "admin", name="ann")
    passkey, _ = await add(client, as_ann)
    adding = await client.post(f"{PASSKEYS}/options", headers=as_ann)
    asked = [await login_options(client) for _ in range(5)]

    kept = await execute(service, "SELECT operator_id IS NULL AS strange FROM operator_challenge")
    oldest = await sent(client, passkey.signed(asked[1]))
    newest = await sent(client, passkey.signed(asked[2]))

    assert sorted(row["strange"] for row in kept) == [False, True, True, True]
    assert (oldest[0], newest[0]) == (403, 200)
    key = SoftPasskey(OWN_ORIGIN, "localhost").made((await adding.json())["options"])
    added = await client.post(PASSKEYS, json={"name": "Key", "passkey": key}, headers=as_ann)
    assert added.status == 201


async def test_a_passkey_is_a_second_factor_and_a_fresh_proof_for_its_own_operator_alone(
    services: Services, clients: Clients
) -> None:
    service = await services(sign_in_attempts_per_minute=100)
    client = await clients(service)
    as_ann = await sign_in(service, client, "viewer", name="ann")
    as_bo = await sign_in(service, client, "viewer", name="bo")
    ann_key, _ = await add(client, as_ann)
    bo_key, _ = await add(client, as_bo)
    form = {"name": "ann", "password": PASSWORD}
    step = await client.post("/admin/login", data=form, allow_redirects=False)
    at_step = {"Cookie": step.headers["Set-Cookie"].partition(";")[0]}
    at = "/admin/login/second"

    async def at_second(passkey: SoftPasskey, *, asked_by: str = at) -> int:
        asked = await (await client.post(f"{asked_by}/options", json={}, headers=at_step)).json()
        body = {"passkey": passkey.signed(asked)}
        answer = await client.post(f"{at}/passkey", json=body, headers=at_step)
        return answer.status

    foreign, elsewhere = await at_second(bo_key), await at_second(ann_key, asked_by="/admin/login")
    right, over = await at_second(ann_key), await client.get(at, headers=at_step)
    await execute(service, "UPDATE operator_session SET proved_at = now() - interval '1 hour'")
    asked = (await (await client.post("/admin/proofs/options", headers=as_ann)).json())["options"]
    given = {"passkey": ann_key.signed(asked)}
    stolen = await client.post("/admin/proofs", json=given, headers=as_bo)
    late = await client.post("/admin/proofs", json=given, headers=as_ann)
    asked = (await (await client.post("/admin/proofs/options", headers=as_ann)).json())["options"]
    fresh = await client.post(
        "/admin/proofs", json={"passkey": ann_key.signed(asked)}, headers=as_ann
    )
    state = await (await client.get("/admin/proofs", headers=as_ann)).json()

    assert (foreign, elsewhere, right, over.url.path) == (403, 403, 200, "/admin/login")
    assert (stolen.status, late.status, fresh.status) == (403, 403, 204)
    assert state == {"fresh": True, "ways": ["password", "passkey"]}


async def test_a_removed_passkey_signs_in_no_longer_and_the_codes_go_with_the_last_factor(
    service: Service, client: Client
) -> None:
    as_ann = await sign_in(service, client, "viewer", name="ann")
    as_bo = await sign_in(service, client, "viewer", name="bo")
    passkey, _ = await add(client, as_ann)
    (number,) = [
        row["passkey_id"] for row in await execute(service, "SELECT * FROM operator_passkey")
    ]

    foreign = await client.delete(f"{PASSKEYS}/{number}", headers=as_bo)
    removed = await client.delete(f"{PASSKEYS}/{number}", headers=as_ann)
    again = await client.delete(f"{PASSKEYS}/{number}", headers=as_ann)
    refused = await sent(client, passkey.signed(await login_options(client)))

    assert (foreign.status, removed.status, again.status, refused[0]) == (404, 204, 404, 403)
    assert await execute(service, "SELECT 1 FROM operator_recovery_code") == []
    assert await service.operators.sign_in("ann", PASSWORD)


async def test_at_a_bare_address_there_are_no_passkeys_and_the_sign_in_does_not_offer_any(
    services: Services, clients: Clients
) -> None:
    service = await services(public_url="https://192.0.2.7")
    client = await clients(service)
    await service.operators.add("ann", role="viewer", password=PASSWORD)

    page = await (await client.get("/admin/login")).text()
    answer = await client.post("/admin/login/options", json={})

    assert "passkey" not in page
    assert (answer.status, (await answer.json())["code"]) == (409, "passkeys_unavailable")


@pytest.fixture
async def named_site(postgres_url: str, valkey_url: str) -> AsyncIterator[Site]:
    """The whole program under the name localhost, which passkeys need."""
    port = claim_port("127.0.0.1", 0)
    made = settings(postgres_url, valkey_url, public_url=f"http://localhost:{port}", port=port)
    async with open_site(made, secrets(), port=port) as opened:
        yield Site(made.public_url, opened.service)


async def virtual_authenticator(page: Page) -> None:
    """Give the browser an authenticator that knows its user, as a phone has."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def set_up_an_app(page: Page) -> pyotp.TOTP:
    """Set an authenticator app up on the account's screen, by its key."""
    await page.get_by_role("button", name="Set up an app").click()
    await expect(page.get_by_role("img", name="QR code")).to_be_visible()
    await check_page(page)
    app = pyotp.TOTP((await page.locator("#app-key").inner_text()).replace(" ", ""))
    await page.get_by_label("Code that the app shows now").fill("123")
    await page.get_by_role("button", name="Confirm the app").click()
    await expect(page.locator("#app-typed-problem")).to_contain_text("six digits")
    await page.get_by_label("Code that the app shows now").fill(app.now())
    await page.get_by_role("button", name="Confirm the app").click()
    await expect(page.locator("#app-told")).to_contain_text("Your app is set up.")
    return app


async def test_a_browser_adds_a_passkey_signs_in_with_it_and_proves_with_it(
    service: Service, named_site: Site, pages: Any
) -> None:
    site = named_site
    await service.operators.add("ann", role="admin", password=PASSWORD)
    page: Page = await pages()
    await virtual_authenticator(page)
    await sign_in_on_screen(page, site.url, "ann")
    await page.goto(f"{site.url}/admin/account")
    await page.get_by_label("Name of a new passkey").fill("My phone")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    codes = (await page.get_by_label("Ten codes").input_value()).split("\n")
    await check_page(page)
    await page.get_by_role("button", name="I have kept them").click()
    await expect(page.locator("#passkeys li")).to_contain_text("My phone")
    await expect(page.locator("#recovery-state")).to_contain_text("10 recovery codes left")

    await page.get_by_role("button", name="Sign out").click()
    await page.goto(f"{site.url}/admin/login?to=/admin/people")
    await page.get_by_role("button", name="Sign in with a passkey").press("Enter")
    await page.wait_for_url(f"{site.url}/admin/people")

    await execute(service, "UPDATE operator_session SET proved_at = now() - interval '1 hour'")
    await page.goto(f"{site.url}/admin/confirm?to=/admin/account")
    await page.get_by_role("button", name="Use your passkey").click()
    await page.wait_for_url(f"{site.url}/admin/account")
    await execute(service, "UPDATE operator_session SET proved_at = now() - interval '1 hour'")
    await page.get_by_role("button", name="Make new codes").click()
    await page.get_by_role("button", name="Make them").click()
    await page.locator("#proof-dialog").get_by_role("button", name="Use your passkey").click()
    await expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    newer = (await page.get_by_label("Ten codes").input_value()).split("\n")
    assert len({*codes, *newer}) == 20
    await page.get_by_role("button", name="I have kept them").click()
    app = await set_up_an_app(page)

    await page.get_by_role("button", name="Sign out").click()
    await page.locator('[name="name"]').fill("ann")
    await page.locator('[name="password"]').fill(PASSWORD)
    await page.locator("#login").click()
    await check_page(page)
    await page.get_by_text("Use a recovery code").click()
    await page.get_by_label("One of the ten codes").fill(codes[0])
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("alert").first).to_contain_text("was used before")
    await expect(page.get_by_role("button", name="Use your passkey")).to_be_visible()
    await page.get_by_label("Code from your authenticator app").fill(app.at(time.time() + 30))
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site.url}/admin")

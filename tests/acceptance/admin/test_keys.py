"""API keys: the calls that each may make, and how they are made, bounded and ended."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, execute, open_room

from waitroom.admin.accounts.guard import ACCESS
from waitroom.admin.accounts.keys import NewKey
from waitroom.admin.accounts.scopes import SCOPES, Access, Scope
from waitroom.run.service import Service

Client = TestClient[Any, Any]
OPEN_TO_ALL = re.compile(r"/admin/(login(/.*)?|logout|first)\Z")
# Routes that only a signed-in person may call. Every other one names the scope that a key needs.
CLOSED = re.compile(
    r"""/admin(/(new|people|account|password|operators|actions|audit|audit\.csv|keys|webhooks
    |security|security\.csv|deliveries|first|confirm|proofs|screens|preview)(/.*)?)?
    |/admin/rooms/\{room\}/(preview|look/\{hash\}\.css|qr\.\{ending\}|gate/known-user/secret)""",
    re.VERBOSE,
)


async def bearing(service: Service, *scopes: Scope, **more: Any) -> dict[str, str]:
    """Make a key with these scopes and return the header that speaks for it."""
    new = NewKey(name=f"k{len(await service.keys.keys())}", scopes=scopes, **more)
    return {"Authorization": f"Bearer {await add(service, new)}"}


async def add(service: Service, new: NewKey) -> str:
    return await service.keys.add(new, maker=None, now=datetime.now(UTC))


async def status_of(client: Client, route: web.AbstractRoute, headers: dict[str, str]) -> Any:
    """Call a route of the room drop, and return the status with the refusal's code, if any."""
    assert route.resource is not None
    path = re.sub(r"\{order_id\}", "00000000-0000-4000-8000-000000000000", route.resource.canonical)
    path = re.sub(r"\{room\}", "drop", path.replace("{hash}", "0" * 16).replace("{verb}", "pause"))
    path = re.sub(r"\{[^}]*\}", "x", path.replace("{passkey}", "0"))
    async with client.request(route.method, path, headers=headers, allow_redirects=False) as answer:
        problem = answer.content_type == "application/problem+json"
        return answer.status, (await answer.json())["code"] if problem else ""


def operators_routes(client: Client) -> list[tuple[web.AbstractRoute, Access]]:
    """Return every route of the operators with its rule; fails for one without a rule."""
    assert client.app is not None
    access = client.app[ACCESS]
    found = []
    for route in client.app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if path.startswith("/admin") and not OPEN_TO_ALL.match(path) and route.method != "HEAD":
            assert route.handler in access, f"{route.method} {path} has no rule"
            found.append((route, access[route.handler]))
    return found


async def test_every_route_of_the_operators_asks_a_program_for_its_scope_and_its_room(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await service.rooms.create("other", "Other", who="test")
    with_scope = {scope: await bearing(service, scope) for scope in SCOPES}
    elsewhere = await bearing(service, *SCOPES, rooms=("other",))
    wrong = {"Authorization": "Bearer wrk_" + "x" * 43}
    offenders, open_routes = [], 0

    for route, rule in operators_routes(client):
        path = route.resource.canonical if route.resource else ""
        said = {
            "closed": bool(CLOSED.fullmatch(path)) == (not rule.scopes),
            "wrong key": (await status_of(client, route, wrong))[0] in {401, 429},
        }
        for scope, header in with_scope.items():
            status, code = await status_of(client, route, header)
            if not rule.scopes:
                said[scope] = (status, code) == (403, "closed_to_keys")
            elif scope not in rule.scopes:
                said[scope] = (status, code) == (403, "scope_lacking")
            else:
                said[scope] = status not in {401, 403}
        if rule.scopes:
            open_routes += 1
            said["room"] = await status_of(client, route, elsewhere) == (403, "key_narrowed")
        offenders += [f"{route.method} {path}: {what}" for what, good in said.items() if not good]

    assert offenders == []
    assert open_routes > 50


async def test_a_key_is_refused_alike_when_it_is_mistyped_expired_or_ended_and_guesses_are_bounded(
    service: Service, client: Client
) -> None:
    await open_room(service)
    url = "/admin/rooms/drop"
    good, over = await bearing(service, "figures"), await bearing(service, "figures")
    late = await bearing(service, "figures", expires_at=datetime.now(UTC) + timedelta(hours=1))
    await service.keys.end(name="k1", who="cli", reason="it leaked")
    await execute(
        service,
        "UPDATE api_key SET expires_at = clock_timestamp() WHERE name = 'k2'",
    )
    mistyped = {"Authorization": good["Authorization"][:-1] + "~"}
    jwt = {"Authorization": "Bearer eyJhbGciOi"}

    refused = []
    for header in (over, late, mistyped, jwt, {"Authorization": "bearer wrk_"}):
        answer = await client.get(url, headers=header)
        refused.append((answer.status, await answer.json()))
    guesses = [(await client.get(url, headers=over)).status for _ in range(8)]

    assert refused == [refused[0]] * 5
    assert (refused[0][0], refused[0][1]["code"]) == (401, "key_refused")
    # Ten a minute by the settings' default; a good key at the same address goes on.
    assert guesses[-1] == 429
    assert (await client.get(url, headers=good)).status == 200


async def test_a_program_steers_within_its_scope_and_the_audit_names_its_key(
    service: Service, client: Client
) -> None:
    await open_room(service)
    steer = await bearing(service, "steer", rooms=("drop",))
    everything = await bearing(service, "rooms")
    foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    url = "/admin/rooms/drop"

    seats = await client.patch(
        url, json={"seats_max": 3, "reason": "calm"}, headers=steer | foreign
    )
    rules = await client.patch(url, json={"seats_max": 9, "hold_s": 60}, headers=steer)
    paused = await client.post(f"{url}/pause", headers=steer)
    ended = await client.post(f"{url}/close", json={"confirm": "drop"}, headers=steer)
    allowed = await client.patch(url, json={"hold_s": 60}, headers=everything)
    as_viewer = await sign_in(service, client, "viewer")
    both = await client.get(url, headers=steer | as_viewer)
    other_token = await client.get(url, headers={"Authorization": "Bearer eyJ0", **as_viewer})

    body = await rules.json()
    assert (seats.status, paused.status, allowed.status) == (200, 200, 200)
    assert (rules.status, body["code"]) == (403, "scope_lacking")
    assert "scope rooms, and the key k0 has steer" in body["detail"]
    assert (body["scopes_needed"], body["scopes"]) == (["rooms"], ["steer"])
    assert ended.status == 403
    assert (both.status, (await both.json())["code"]) == (400, "two_credentials")
    assert other_token.status == 200
    answer = await client.get(f"{url}/actions", headers=await bearing(service, "figures"))
    acts = [(act["who"], act["sentence"]) for act in (await answer.json())["actions"]]
    assert ("key k0", "The key k0 set the seats from 100 to 3") in acts
    used = {key.name: key.last_used_at for key in await service.keys.keys()}
    assert used["k0"] is not None
    await client.get(url, headers=steer)
    assert {key.name: key.last_used_at for key in await service.keys.keys()}["k0"] == used["k0"]


async def test_goods_and_orders_of_other_rooms_are_closed_to_a_narrowed_key(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await service.rooms.create("other", "Other", who="test")
    await service.stock.add("cap", room="other", name="Cap", price_minor=100, who="cli")
    own = await bearing(service, "stock", rooms=("drop",))
    received = {"kind": "received", "quantity": 2}

    own |= {"Idempotency-Key": "one"}
    moved = [
        (await client.post(f"/admin/skus/{sku}/movements", json=received, headers=own)).status
        for sku in ("mug", "cap", "none")
    ]

    assert moved == [200, 403, 403]
    answer = await client.get("/metrics", headers=own)
    assert (answer.status, (await answer.json())["code"]) == (403, "scope_lacking")


@pytest.mark.parametrize("change", [{"role": "operator"}, {"active": False}])
async def test_keys_end_when_their_maker_loses_the_role_or_the_access(
    service: Service, client: Client, change: dict[str, Any]
) -> None:
    await open_room(service)
    await sign_in(service, client, "admin", name="root")
    as_maker = await sign_in(service, client, "admin", name="ann")
    body = {"name": "shop", "scopes": ["figures", "rooms"]}

    made = await client.post("/admin/keys", json=body, headers=as_maker)
    again = await client.post("/admin/keys", json=body, headers=as_maker)
    key = {"Authorization": f"Bearer {(await made.json())['secret']}"}
    await service.operators.change("ann", actor=None, password="a password that is new")
    kept = (await client.get("/admin/rooms", headers=key)).status
    await service.operators.change("ann", actor=None, **change)
    ended = (await client.get("/admin/rooms", headers=key)).status
    await service.operators.change("ann", actor=None, role="admin", active=True)
    back = (await client.get("/admin/rooms", headers=key)).status

    assert (made.status, again.status, (await again.json())["field"]) == (201, 409, "name")
    assert (kept, ended, back) == (200, 401, 401)
    (listed,) = await service.keys.keys()
    assert listed.end_reason == "The account of ann, who made it, was changed."


async def test_a_key_that_makes_no_sense_is_refused_at_its_field(
    service: Service, client: Client
) -> None:
    as_admin = await sign_in(service, client, "admin")
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"name": "a b"}, "name"),
        ({"scopes": ["figures", "people"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"rooms": ["nowhere"]}, "rooms"),
        ({"rooms": []}, "rooms"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"limit": 3}, ""),
    ]

    for wish, field in wishes:
        body = {"name": "shop", "scopes": ["figures"], **wish}
        answer = await client.post("/admin/keys", json=body, headers=as_admin)
        assert answer.status in {400, 422}, wish
        assert (await answer.json()).get("field", "") == field, wish

    assert await service.keys.keys() == []
    assert (await client.post("/admin/keys/99999999999/end", headers=as_admin)).status == 404
    assert (await client.post("/admin/keys/7/end", headers=as_admin)).status == 404


async def test_an_admin_makes_a_key_on_the_screen_reads_it_once_and_ends_it(
    service: Service, site: Site, pages: Callable[..., Awaitable[Page]]
) -> None:
    await open_room(service)
    await service.operators.add("ann", role="admin", password=PASSWORD)
    page = await pages(viewport={"width": 390, "height": 844})
    await sign_in_on_screen(page, site.url, "ann")

    await page.locator("header").get_by_role("link", name="API keys").click()
    await page.get_by_label("Name of the program").fill("shop")
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.locator("#add-told")).to_contain_text("Choose at least one scope.")
    await page.get_by_role("checkbox", name="figures").check()
    await page.get_by_role("checkbox", name="drop").check()
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.get_by_role("heading", name="The key shop")).to_be_visible()
    secret = await page.locator("#shown").input_value()
    await check_page(page)
    await page.get_by_role("button", name="I have stored it").click()
    card = page.locator('[data-name="shop"]')
    await expect(card).to_contain_text("figures, in drop alone")
    await check_page(page)
    actor = await service.keys.use(secret)
    await card.get_by_role("button", name="End the key").click()
    await page.get_by_label("Reason").fill("It leaked.")
    await page.locator("#end-form").get_by_role("button", name="End the key").click()
    await expect(page.locator("#keys-told")).to_contain_text("The key shop was ended.")
    await page.get_by_text("Keys that have ended").click()

    await expect(page.locator("#over-keys")).to_contain_text("It leaked.")
    assert (actor.name, actor.role) == ("key shop", "admin")
    assert secret not in await page.content()
    assert [key.end_reason for key in await service.keys.keys()] == ["It leaked."]

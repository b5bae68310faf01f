"""Dangerous acts ask for a proof of the person that is no older than ten minutes."""

from typing import Any

from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, execute, open_room

from waitroom.admin.accounts.guard import ACCESS
from waitroom.admin.accounts.keys import NewKey
from waitroom.run.service import Service

Client = TestClient[Any, Any]

# The acts that ask for a fresh proof. A new act that ends a sale, moves money, gives rights or
# secrets away, or exports what is known of people belongs here.
FRESH = {
    "POST /admin/operators",
    "PATCH /admin/operators/{name}",
    "DELETE /admin/operators/{name}/sessions",
    "DELETE /admin/operators/{name}/factors",
    "DELETE /admin/operators/{name}/provider",
    "POST /admin/account/authenticator",
    "GET /admin/account/authenticator.svg",
    "POST /admin/account/authenticator/confirm",
    "DELETE /admin/account/authenticator",
    "POST /admin/account/passkeys/options",
    "POST /admin/account/passkeys",
    "DELETE /admin/account/passkeys/{passkey}",
    "POST /admin/account/recovery-codes",
    "POST /admin/keys",
    "POST /admin/keys/{key}/end",
    "POST /admin/webhooks",
    "PATCH /admin/webhooks/{endpoint}",
    "DELETE /admin/webhooks/{endpoint}",
    "POST /admin/webhooks/{endpoint}/rotate",
    "POST /admin/rooms/{room}/gate/known-user/secret",
    "POST /admin/rooms/{room}/close",
    "POST /admin/rooms/{room}/reset",
    "POST /admin/rooms/{room}/archive",
    "POST /admin/rooms/{room}/revocations",
    "POST /admin/rooms/{room}/revocations/undo",
    "GET /admin/rooms/{room}/orders.csv",
    "GET /admin/security.csv",
    "POST /admin/orders/{order_id}/refunds",
    "POST /admin/orders/{order_id}/cancel",
}
# The other acts, which an operator does all night, or which ask for a proof of their own. A new one
# fails the test until it stands here or above.
CALM = {
    "DELETE /admin/rooms/{room}/networks-behind/{network}",
    "POST /admin/rooms/{room}/networks-behind",
    "DELETE /admin/account/sessions",
    "DELETE /admin/account/sessions/{session}",
    "POST /admin/confirm",
    "POST /admin/deliveries/{delivery}/replay",
    "POST /admin/first/room",
    "POST /admin/first/rooms/{room}/open",
    "POST /admin/first/rooms/{room}/opening",
    "POST /admin/first/rooms/{room}/product",
    "POST /admin/password",
    "PATCH /admin/products/{product}",
    "DELETE /admin/products/{product}",
    "POST /admin/proofs",
    "POST /admin/proofs/options",
    "POST /admin/rooms",
    "PATCH /admin/rooms/{room}",
    "POST /admin/rooms/{room}/catalogue",
    "DELETE /admin/rooms/{room}/crowd",
    "POST /admin/rooms/{room}/crowd",
    "PUT /admin/rooms/{room}/file",
    "PUT /admin/rooms/{room}/gate",
    "DELETE /admin/rooms/{room}/gate/known-user",
    "PUT /admin/rooms/{room}/gate/known-user",
    "POST /admin/rooms/{room}/invitations",
    "DELETE /admin/rooms/{room}/invitations/{batch}",
    "PUT /admin/rooms/{room}/lanes/{lane}",
    "PUT /admin/rooms/{room}/look",
    "POST /admin/rooms/{room}/look/publish",
    "POST /admin/rooms/{room}/pictures",
    "DELETE /admin/rooms/{room}/places/{line}/{number}",
    "POST /admin/rooms/{room}/products",
    "PUT /admin/rooms/{room}/profiles/{profile}",
    "POST /admin/rooms/{room}/public-value",
    "POST /admin/rooms/{room}/rehearsal",
    "PUT /admin/rooms/{room}/sellers/{seller}",
    "DELETE /admin/rooms/{room}/sessions/{session}",
    "POST /admin/rooms/{room}/skus",
    "PUT /admin/rooms/{room}/stock",
    "POST /admin/rooms/{room}/{verb}",
    "PATCH /admin/skus/{sku}",
    "DELETE /admin/skus/{sku}",
    "POST /admin/skus/{sku}/movements",
    "POST /admin/webhooks/{endpoint}/replay",
    "POST /admin/webhooks/{endpoint}/test",
}


async def grow_old(service: Service) -> None:
    """Let the last proofs of all operators be eleven minutes old."""
    await execute(service, "UPDATE operator_session SET proved_at = now() - interval '11 minutes'")


def path_of(route: str) -> tuple[str, str]:
    """Return the method and a path of a route, about things that there are not."""
    method, path = route.split()
    names = {"order_id": "00000000-0000-4000-8000-000000000000", "room": "drop"}
    return method, "".join(
        names.get(part[1:-1], "9") if part.startswith("{") else part
        for part in path.replace("{", "\0{").replace("}", "}\0").split("\0")
    )


async def test_every_dangerous_act_asks_again_after_ten_minutes_and_no_key_is_asked(
    service: Service, client: Client
) -> None:
    await open_room(service)
    as_admin = await sign_in(service, client, "admin")
    assert client.app is not None
    access = client.app[ACCESS]
    rules = {
        f"{route.method} {route.resource.canonical}": access[route.handler]
        for route in client.app.router.routes()
        if route.resource and route.handler in access and route.method != "HEAD"
    }
    marked = {route for route, rule in rules.items() if rule.fresh}
    calm = {route for route in rules.keys() - marked if not route.startswith("GET ")}
    await grow_old(service)

    asked = {}
    for route in sorted(marked):
        method, path = path_of(route)
        answer = await client.request(method, path, headers=as_admin)
        asked[route] = (answer.status, (await answer.json())["code"], (await answer.json())["ways"])

    assert marked == FRESH
    assert calm == CALM
    assert set(map(str, asked.values())) == {"(403, 'fresh_sign_in_needed', ['password'])"}
    key = await service.keys.add(
        NewKey(name="shop", scopes=("orders",), rooms=None, expires_at=None), maker=None, now=None
    )
    bearing = {"Authorization": f"Bearer {key}"}
    assert (await client.get("/admin/rooms/drop/orders.csv", headers=bearing)).status == 200


async def test_a_password_makes_a_session_fresh_again_and_guesses_are_bounded(
    service: Service, client: Client
) -> None:
    await open_room(service)
    as_admin = await sign_in(service, client, "admin")
    await service.operators.add("bo", role="viewer", password=PASSWORD)
    await grow_old(service)
    html = {**as_admin, "Accept": "text/html"}

    led = await client.get("/admin/rooms/drop/orders.csv?q=a", headers=html, allow_redirects=False)
    guesses = [
        (await client.post("/admin/proofs", json={"password": "wrong"}, headers=as_admin)).status
        for _ in range(11)
    ]
    stale = await client.patch("/admin/operators/bo", json={"active": False}, headers=as_admin)
    as_other = await sign_in(service, client, "admin", name="cy")
    await grow_old(service)
    form = {"password": PASSWORD, "to": "/admin/rooms/drop/orders.csv?q=a"}
    page = await client.get(led.headers["Location"], headers={**as_other, "Accept": "text/html"})
    wrong = await client.post("/admin/confirm", data={"password": "x"}, headers=as_other)
    back = await client.post("/admin/confirm", data=form, headers=as_other, allow_redirects=False)
    done = await client.patch("/admin/operators/bo", json={"active": False}, headers=as_other)

    assert (led.status, led.headers["Location"]) == (
        303,
        "/admin/confirm?to=/admin/rooms/drop/orders.csv?q%3Da",
    )
    assert guesses == [401] * 10 + [429]
    assert stale.status == 403
    assert "Confirm that it is you" in await page.text()
    assert wrong.status == 401
    assert (back.status, back.headers["Location"]) == (303, form["to"])
    assert done.status == 200
    assert (await (await client.get("/admin/proofs", headers=as_other)).json()) == {
        "fresh": True,
        "ways": ["password"],
    }


async def test_on_the_screen_the_proof_is_asked_for_over_the_form_and_the_act_goes_on(
    service: Service, site: Site, pages: Any
) -> None:
    await open_room(service)
    await service.operators.add("ann", role="admin", password=PASSWORD)
    await all_know(site, "drop")
    page: Page = await pages()
    await sign_in_on_screen(page, site.url, "ann")
    await page.goto(f"{site.url}/admin/people")
    await grow_old(service)
    dialog = page.locator("#proof-dialog")

    await page.get_by_label("Name, to sign in with").fill("bo")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog).to_be_visible()
    await check_page(page)
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#add-told")).to_contain_text("given within the last ten minutes")
    await expect(page.get_by_label("Name, to sign in with")).to_have_value("bo")
    await page.get_by_role("button", name="Add", exact=True).click()
    await dialog.get_by_label("Your password").fill("not the password")
    await dialog.get_by_label("Your password").press("Enter")
    await expect(dialog).to_contain_text("That name and password do not match.")
    await dialog.get_by_label("Your password").fill(PASSWORD)
    await dialog.get_by_label("Your password").press("Enter")
    await expect(page.get_by_role("heading", name="The password of bo")).to_be_visible()

    await page.goto(f"{site.url}/admin/screens/drop/orders")
    await grow_old(service)
    await page.get_by_role("link", name="Download as CSV").click()
    await dialog.get_by_label("Your password").fill(PASSWORD)
    async with page.expect_download() as saved:
        await dialog.get_by_role("button", name="Confirm").click()
    assert (await saved.value).suggested_filename.endswith(".csv")

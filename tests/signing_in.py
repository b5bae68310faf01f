"""Operators who sign in, over HTTP and on the screen."""

from typing import Any

from aiohttp.test_utils import TestClient
from playwright.async_api import Page
from support import PASSWORD

from waitroom.run.app import Service


async def sign_in(
    service: Service, client: TestClient[Any, Any], role: str = "operator", *, name: str = ""
) -> dict[str, str]:
    """Add an operator of this role and return the header that speaks for them."""
    await service.operators.add(name or role, role=role, password=PASSWORD)
    form = {"name": name or role, "password": PASSWORD}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    assert answer.status == 303
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def sign_in_on_screen(page: Page, url: str, name: str, password: str = PASSWORD) -> None:
    """Fill in the form as a person does, and wait for what comes after it."""
    await page.goto(f"{url}/admin/login")
    await page.locator('[name="name"]').fill(name)
    await page.locator('[name="password"]').fill(password)
    await page.locator("#login").click()
    await page.wait_for_url("**/admin")

import os
from conftest import Running
from support import execute, open_room, shift_clock, tick, Shopper
from waitroom.app import Service
from playwright.async_api import expect
from test_browser import _until_listed
import asyncio

async def test_look(service: Service, serving: Running, pages, tmp_path) -> None:
    await open_room(service, skus={"mug": 40}, seats_max=6, policy="rate", fairness_public=True)
    await execute(service, "SELECT set_lane('drop','members',1,'night')")
    page = await pages()
    await _until_listed(page, serving)
    await page.goto(f"{serving.url}/rooms/drop")
    await expect(page.locator("#number")).to_contain_text("1")
    import aiohttp
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as s:
        async def one():
            async with s.post(f"{serving.url}/rooms/drop/tickets") as a: return await a.json()
        for _ in range(4):
            print((await asyncio.gather(*(one() for _ in range(20))))[0])
            await asyncio.sleep(1.2)
    await service.lines.change_room("drop", '{"seats_max": 30, "message": "Two each"}', who="night", reason="x")
    await execute(service, "SELECT revoke_place('drop','main-1',60,'night','bot')")
    await asyncio.sleep(3)
    await page.goto(f"{serving.url}/rooms/drop/log")
    await page.locator("#check-form button").click()
    await expect(page.locator("#check-answer")).to_contain_text("in the log")
    out=os.environ.get("SHOTS","/tmp/shots"); os.makedirs(out, exist_ok=True)
    for name, opts in {"phone":dict(viewport={"width":320,"height":700}),"desk":dict(viewport={"width":1200,"height":900}),"dark":dict(viewport={"width":800,"height":900},color_scheme="dark")}.items():
        p = await pages(**opts)
        for path in ("log","fairness","log?only=exceptions"):
            await p.goto(f"{serving.url}/rooms/drop/{path}")
            w = await p.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            print(name, path, w)
            await p.screenshot(path=f"{out}/{name}-{path.replace('?','_')}.png", full_page=True)
    await page.screenshot(path=f"{out}/checked.png", full_page=True)

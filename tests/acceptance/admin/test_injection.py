"""No text of an operator, a seller or a stranger becomes markup, a template or a header."""

import re
from typing import Any

from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import Shopper, admitted, authorization, open_room, tick
from yarl import URL

from waitroom.run.app import Service

Client = TestClient[Any, Any]

# It ends attributes, elements and strings of a page, and asks a template engine to add: the sum
# would be in the answer.
ATTACK = "\"'--></title></script><xss x>{{90000+9}}${90000+9}{%raw%}"
MARKUP = re.compile(r"<xss|90009", re.IGNORECASE)
# These have no texts of anybody, or no end.
PLAIN = re.compile(r"/(static|known-user|cancel|api|openapi)\b|.*/(stream|logout|.*\.css)\Z")
FIELDS = (
    "q", "sku", "still", "order", "only", "cursor", "invitation", "room", "to", "code", "key",
    "state", "language", "scheme", "error", "name", "e", "t",
)  # fmt: skip


async def poison(service: Service, client: Client, admin: dict[str, str]) -> None:
    """Put the attack into every text that an operator or a seller may write."""

    async def send(method: str, path: str, body: dict[str, Any]) -> None:
        answer = await client.request(method, path, json=body, headers=admin)
        assert answer.status < 300, (path, await answer.text())

    await open_room(service, skus={}, policy="rate")
    goods = {"name": ATTACK, "description": ATTACK}
    await send("PATCH", "/admin/rooms/drop", {"name": ATTACK, "message": ATTACK})
    await send("POST", "/admin/rooms/drop/products", {"product": "mug", **goods})
    sku = {"sku": "mug", "product": "mug", "price_minor": 900, "limit_per_session": 4}
    await send("POST", "/admin/rooms/drop/skus", {**sku, **goods, "description": f"1{ATTACK}"})
    moved = {"kind": "received", "quantity": 9, "reason": ATTACK}
    keyed = {**admin, "Idempotency-Key": "one"}
    answer = await client.post("/admin/skus/mug/movements", json=moved, headers=keyed)
    assert answer.status == 200, await answer.text()
    texts = dict.fromkeys(("name", "intro", "sold_out", "ended", "help"), ATTACK)
    await send("PUT", "/admin/rooms/drop/look", {"brand": ATTACK, "texts": {"en": texts}})
    await send("POST", "/admin/rooms/drop/look/publish", {})
    await send("POST", "/admin/rooms/drop/pause", {"reason": ATTACK})
    await send("POST", "/admin/rooms/drop/open", {"reason": ATTACK})
    await service.board.refresh(rooms=True)
    await tick(service)


async def test_no_text_becomes_markup_and_no_template_reads_it(
    service: Service, client: Client
) -> None:
    admin = await sign_in(service, client, "admin")
    await poison(service, client, admin)
    shopper, waiting = await admitted(client), Shopper(client)
    await waiting.join()
    held = await (await shopper.hold(mug=1)).json()
    order = await (await shopper.pay(held["hold_id"])).json()
    paths = {
        re.sub(r"\{\w+\}", "mug", resource.canonical.replace("{room}", "drop"))
        .replace("/orders/mug", f"/orders/{order['order_id']}")
        for resource in client.app.router.resources()
        if not PLAIN.match(resource.canonical)
        and any(route.method == "GET" for route in resource)
    }  # fmt: skip
    asked = URL.build(query=dict.fromkeys(FIELDS, ATTACK)).raw_query_string
    wrong, pages, poisoned = [], 0, 0

    # A page shows its texts, and may refuse a query.
    for path in sorted([*paths, *(f"{path}?{asked}" for path in paths)]):
        mine = (
            admin
            if path.startswith("/admin")
            else authorization(waiting.ticket if path.startswith("/rooms") else shopper.session)
        )
        answer = await client.get(
            URL(path, encoded=True),
            headers={
                "Accept": "text/html",
                "Referer": f"http://{client.host}/?{asked}",
                **mine,
            },
            allow_redirects=False,
        )
        text = await answer.text(errors="replace")
        if answer.content_type == "text/html":
            pages += 1
            poisoned += "&lt;xss" in text
            if found := MARKUP.search(text):
                wrong.append((path, text[found.start() - 80 : found.end() + 20]))
        told = "".join(f"{name}{value}" for name, value in answer.headers.items())
        if MARKUP.search(told):
            wrong.append((path, told))

    assert wrong == []
    assert pages > 50
    assert poisoned > 20

"""Notes and names at every door of the operators' API: the same texts are refused everywhere."""

from typing import Any
from uuid import uuid4

from support import PASSWORD, open_room

from waitroom.run.app import Service

Client = Any
ORDER = f"/admin/orders/{uuid4()}"
# Each door by method, path and the body that a text stands in.
NOTES: list[tuple[str, str, dict[str, Any], str]] = [
    ("PATCH", "/admin/rooms/drop", {"seats_max": 5}, "reason"),
    ("POST", "/admin/rooms/drop/pause", {}, "reason"),
    ("POST", "/admin/rooms/drop/reset", {"confirm": "drop"}, "reason"),
    ("POST", "/admin/rooms/drop/archive", {"confirm": "drop"}, "reason"),
    ("PUT", "/admin/rooms/drop/sellers/sal", {"admitted": True}, "reason"),
    ("POST", "/admin/rooms/drop/invitations", {"count": 1}, "note"),
    ("POST", "/admin/rooms/drop/public-value", {}, "value"),
    ("POST", "/admin/skus/mug/movements", {"kind": "received", "quantity": 1}, "reason"),
    ("PATCH", "/admin/skus/mug", {"low_at": 1}, "reason"),
    ("PATCH", "/admin/products/mug", {"picture": ""}, "reason"),
    ("POST", f"{ORDER}/refunds", {"full": True, "restock": False}, "reason"),
    ("POST", f"{ORDER}/cancel", {"restock": False}, "reason"),
]
NAMES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/admin/rooms", {"room": "other"}, "name"),
    ("PATCH", "/admin/rooms/drop", {}, "name"),
    ("PATCH", "/admin/rooms/drop", {}, "public_value_source"),
    ("PUT", "/admin/rooms/drop/profiles/slow", {"time_factor": 2}, "name"),
    ("POST", "/admin/rooms/drop/products", {"product": "cup"}, "name"),
    ("PATCH", "/admin/products/mug", {}, "name"),
    ("POST", "/admin/rooms/drop/skus", {"sku": "cup", "price_minor": 1}, "name"),
    ("PATCH", "/admin/skus/mug", {}, "variant"),
    ("POST", "/admin/webhooks", {"url": "https://a.example/"}, "description"),
]
BAD_NOTES = ["\x1b[2J\nx", "\u200b", "\ufe0f", "x" * 501, "a\0"]
BAD_NAMES = [*BAD_NOTES, "a\nb", "\u034f", "a\u202eb"]
FILES = [
    ("/admin/rooms/drop/catalogue", "reason", "sku,price_minor\nmug,1\n"),
    ("/admin/rooms/drop/invitations", "note", "email\nada@example.com\n"),
]


async def _headers(service: Service, client: Client) -> dict[str, str]:
    await service.operators.add("ada", role="admin", password=PASSWORD)
    form = {"name": "ada", "password": PASSWORD}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    return {"Cookie": cookie, "Idempotency-Key": str(uuid4())}


async def test_a_bad_note_or_name_is_refused_at_every_door(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5})
    headers = await _headers(service, client)
    wrong = []

    for doors, texts in ((NOTES, BAD_NOTES), (NAMES, BAD_NAMES)):
        for method, path, body, field in doors:
            for text in texts:
                sent = {**body, field: text}
                answer = await client.request(method, path, json=sent, headers=headers)
                said = (await answer.json())["detail"] if answer.status >= 400 else "taken"
                if answer.status != 422 or field not in said:
                    wrong.append((method, path, field, text[:9], answer.status, said))
    headers["Content-Type"] = "text/csv"
    for path, name, file in FILES:
        for text in BAD_NOTES:
            query = {name: text}
            answer = await client.post(path, params=query, data=file, headers=headers)
            if answer.status != 400 or f"`{name}`" not in await answer.text():
                wrong.append(("POST", path, name, text[:9], answer.status, await answer.text()))

    assert wrong == []


async def test_a_form_is_explained_in_a_sentence_and_a_parameter_is_named(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5})
    headers = await _headers(service, client)
    bodies = [
        ("/admin/rooms", {"room": "other", "name": "x", "currency": "kwd"}),
        ("/admin/rooms/drop/skus", {"sku": "mug/x", "name": "x", "price_minor": 1}),
        ("/admin/rooms/drop/products", {"product": "x", "name": "x", "picture": "/static/a b"}),
    ]

    for path, body in bodies:
        answer = await client.post(path, json=body, headers=headers)
        said = (await answer.json())["detail"]
        assert (answer.status, "regex" in said, said[:3]) == (422, False, "It "), said
    for path in ("/inventory/skus", "/admin/rooms/drop/skus"):
        answer = await client.get(path, params={"q": "a\0"}, headers=headers)
        assert (answer.status, "`q`" in (await answer.json())["detail"]) == (400, True)


async def test_every_search_refuses_more_than_it_reads(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 5})
    headers = await _headers(service, client)
    paths = ["/shop/drop", "/inventory/products", "/inventory/skus", "/admin/rooms/drop/products"]

    for path in paths:
        for letters, status in ((100, 200), (101, 400)):
            answer = await client.get(path, params={"q": "x" * letters}, headers=headers)
            assert answer.status == status, path
            assert status == 200 or "A search has at most 100" in await answer.text(), path


async def test_a_share_with_more_digits_than_are_kept_is_refused(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5})
    headers = await _headers(service, client)

    answer = await client.patch(
        "/admin/rooms/drop", json={"disappointed_max": 0.123456}, headers=headers
    )
    assert (await answer.json())["settings"]["disappointed_max"] == 0.123456
    for figure in (0.123456789, 1e-12, 0.1234567):
        answer = await client.patch(
            "/admin/rooms/drop", json={"disappointed_max": figure}, headers=headers
        )
        assert answer.status == 422, figure
    answer = await client.put(
        "/admin/rooms/drop/lanes/vip", json={"share": 999.9999999}, headers=headers
    )
    assert answer.status == 422

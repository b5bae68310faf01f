"""Every answer protects its reader: pages, data, files, redirects, refusals, streams."""

import re
from typing import Any

from aiohttp import ClientResponse, web
from signing_in import sign_in
from support import open_room, tick

from inventory.kit.pages import static_folder
from waitroom.run.app import Service

ALWAYS = {
    "X-Content-Type-Options": r"nosniff",
    "Referrer-Policy": r"same-origin|no-referrer",
    "Cross-Origin-Opener-Policy": r"same-origin",
    "Cross-Origin-Resource-Policy": r"same-origin",
    "Permissions-Policy": r"camera=\(\), geolocation=\(\), microphone=\(\), payment=\(\)",
    "Strict-Transport-Security": r"max-age=31536000",
    "Server": r"waitroom",
}
# One preview of a room's look stands in a frame of the operators' own screen.
FRAMED = re.compile(r"/admin/(first/)?rooms/\w+/preview")
Answers = dict[str, list[str]]


def missing_from(answer: ClientResponse) -> list[str]:
    """Return the names of what an answer does not say, or not well enough."""
    lost = [
        name
        for name, form in ALWAYS.items()
        if not re.fullmatch(form, ", ".join(answer.headers.getall(name, ())))
    ]
    policies = answer.headers.getall("Content-Security-Policy", ())
    said = dict.fromkeys(part.strip() for policy in policies for part in policy.split(";"))
    framed = answer.status == 200 and FRAMED.fullmatch(answer.url.path)
    ancestors = "'self'" if framed else "'none'"
    wanted = ["default-src 'none'", "base-uri 'none'", f"frame-ancestors {ancestors}"]
    lost += [one for one in wanted if one not in said]
    forms = {"form-action 'none'", "form-action 'self'"} & said.keys()
    inline = "'unsafe-inline'" in str(policies) and "script-src" in str(policies)
    return lost + ([] if forms else ["form-action"]) + (["no inline script"] if inline else [])


async def ask(client: Any, method: str, path: str, lost: Answers, **options: Any) -> int:
    answer = await client.request(method, path, allow_redirects=False, **options)
    status = int(answer.status)
    if found := missing_from(answer):
        lost[f"{method} {path}: {status}"] = found
    # A stream of events goes on by itself.
    answer.close()
    return status


def routes(app: web.Application) -> list[tuple[str, str]]:
    """Return each route by a method of its own, and each path by one that it has not."""
    named = [
        (
            route.method.replace("*", "POST"),
            re.sub(r"\{\w+\}", "mug", resource.canonical.replace("{room}", "drop")),
        )
        for resource in app.router.resources()
        for route in resource
        if route.method != "HEAD"
    ]
    return sorted({*named, *(("PUT" if m == "DELETE" else "DELETE", path) for m, path in named)})


async def test_every_answer_of_every_route_carries_the_headers(services: Any, clients: Any) -> None:
    service: Service = await services(public_url="https://shop.example")
    client = await clients(service)
    await open_room(service, skus={"mug": 5}, policy="rate")
    await tick(service)
    signed = await sign_in(service, client, "viewer")
    lost: Answers = {}
    statuses = set()
    for method, path in routes(client.app):
        headers = signed if path.startswith("/admin") else {}
        if method == "GET":
            # Refusals in JSON are those of the other methods.
            page = {"Accept": "text/html", **headers}
            statuses.add(await ask(client, method, path, lost, headers=page))
        else:
            sent = {"Content-Type": "application/json", **headers}
            statuses.add(await ask(client, method, path, lost, headers=sent, data=b"{}"))

    assert lost == {}
    assert {200, 303, 401, 403, 404, 405} <= statuses


async def test_files_redirects_and_answers_without_a_body_carry_the_headers(
    services: Any, clients: Any
) -> None:
    client = await clients(await services(public_url="https://shop.example"))
    files = [
        f"/static/{path.relative_to(static_folder())}"
        for path in static_folder().rglob("*")
        if path.suffix in {".css", ".js", ".svg", ".txt", ".ico", ".png"}
    ]
    lost: Answers = {}

    served = {path: await ask(client, "GET", path, lost) for path in files}
    found = [path for path, status in served.items() if status == 200]
    tags = {path: (await client.get(path)).headers.get("ETag", "") for path in found}
    unchanged = [
        await ask(client, "GET", path, lost, headers={"If-None-Match": tag})
        for path, tag in tags.items()
        if tag
    ]
    others = [
        await ask(client, method, path, lost)
        for method, path in (
            ("GET", "/rooms//drop"), ("GET", "/rooms/drop/"), ("GET", "/none"), ("HEAD", "/"),
            ("OPTIONS", "/rooms/drop/tickets"), ("GET", "/static/../pyproject.toml"),
            ("GET", "/static/pictures/"), ("TRACE", "/"), ("GET", "/static/js/none.js"),
        )
    ]  # fmt: skip

    assert lost == {}
    assert len(found) > 30
    assert set(unchanged) == {304}
    assert {200, 308, 404, 405} <= set(others)

"""Traefik and Envoy before a shop: their samples, and requests in the form that they send.

Debian has no package of these two, so no test starts them. What they ask here follows their
documentation: Traefik's ForwardAuth asks with GET, the headers of the request, and four headers of
its own; Envoy's ext_authz asks with the method, at its prefix with the path behind it, with the
headers that the sample names.
"""

from typing import Any

import pytest
import yaml
from aiohttp.test_utils import TestClient
from sources import ROOT
from support import admitted, open_room, set_gate, tick
from yarl import URL

from checkout.sessions import session_cookie
from waitroom.gate.trigger import Trigger
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Told = tuple[int, dict[str, str]]
SAMPLES = ROOT / "config" / "gate"
HOP = {"connection", "transfer-encoding", "keep-alive", "te", "upgrade", "content-length"}


async def as_traefik(client: Client, method: str, uri: str, headers: dict[str, str]) -> Told:
    sample = yaml.safe_load((SAMPLES / "traefik.yml").read_text("utf-8"))["http"]
    forward = sample["middlewares"]["waitroom"]["forwardAuth"]
    chain = sample["routers"]["shop"]["middlewares"]
    assert chain.index("without-own-headers") < chain.index("waitroom")
    own = sample["middlewares"]["without-own-headers"]["headers"]["customRequestHeaders"]
    assert set(forward["authResponseHeaders"]) < set(own)
    sent = {name: value for name, value in headers.items() if name.lower() not in HOP}
    sent |= {
        "X-Forwarded-Method": method,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example.com",
        "X-Forwarded-Uri": uri,
    }
    path = URL(forward["address"]).path_qs
    async with client.get(path, headers=sent, allow_redirects=False) as answer:
        return answer.status, dict(answer.headers)


async def as_envoy(client: Client, method: str, uri: str, headers: dict[str, str]) -> Told:
    sample = yaml.safe_load((SAMPLES / "envoy.yml").read_text("utf-8"))
    service = sample["http_filters"][0]["typed_config"]["http_service"]
    asked, answered = service["authorization_request"], service["authorization_response"]
    sent = {n: v for n, v in headers.items() if n.lower() in named(asked["allowed_headers"])}
    sent |= {"Host": "shop.example.com", "X-Forwarded-Proto": "https", "Content-Length": "0"}
    base = str(client.make_url("/")).rstrip("/")
    url = URL(base + service["path_prefix"] + uri, encoded=True)
    async with client.session.request(method, url, headers=sent, allow_redirects=False) as answer:
        to = "upstream" if answer.status == 204 else "client"
        kept = named(answered[f"allowed_{to}_headers"])
        return answer.status, {n: v for n, v in answer.headers.items() if n.lower() in kept}


def named(patterns: dict[str, list[dict[str, str]]]) -> set[str]:
    return {one["exact"] for one in patterns["patterns"]}


@pytest.mark.parametrize("proxy", [as_traefik, as_envoy])
async def test_a_proxy_that_was_not_run_gets_what_it_can_use(
    proxy: Any, service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    await set_gate(
        service,
        triggers=[Trigger(path="/checkout")],
        return_addresses=["https://shop.example.com"],
    )
    cookie = f"{session_cookie('drop', secure=False)}={(await admitted(client)).session}"
    page = {"Accept": "text/html", "X-Original-URI": "/about"}

    passed, told = await proxy(client, "POST", "/checkout/pay?room=x", {**page, "Cookie": cookie})
    beside, empty = await proxy(client, "GET", "/about", page)
    slips = [
        await proxy(client, "GET", uri, page)
        for uri in ("/checkout?room=none", "//Checkout", "/x/../checkout", "/%63heckout;a")
    ]
    held, _ = await proxy(client, "PUT", "/checkout", page)
    waits, where = await proxy(client, "GET", "/checkout", {"Accept": "application/json"})

    assert (passed, told["X-Waitroom-Session"].isdigit()) == (204, True)
    assert (beside, empty["X-Waitroom-Session"]) == (204, "")
    assert [status for status, _ in slips] == [302] * 4
    assert all("/rooms/drop?t=" in headers["Location"] for _, headers in slips)
    assert held == 409
    assert (waits, where["Retry-After"]) == (429, "5")

"""Links to the service keep leading there below a path of another site."""

import re

import msgspec
import pytest
from aiohttp import web
from sources import ROOT

from waitroom.run.mount import Mount
from waitroom.run.settings import Settings

MOUNT = Mount("/queue")


def answer(body: str, kind: str = "text/html; charset=utf-8", **headers: str) -> web.Response:
    response = web.Response(body=body.encode(), headers={"Content-Type": kind, **headers})
    MOUNT.put_before(response)
    return response


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/rooms/drop", "/queue/rooms/drop"),
        ("/", "/queue/"),
        ("/queue/rooms/drop", "/queue/rooms/drop"),
        ("/queues", "/queue/queues"),
        ("//other.example/x", "//other.example/x"),
        ("https://shop.example/", "https://shop.example/"),
        ("?sku=mug", "?sku=mug"),
        ("#top", "#top"),
    ],
)
def test_only_paths_of_the_service_get_the_path_in_front(path: str, found: str) -> None:
    assert MOUNT.below(path) == found
    assert MOUNT.below(found) == found
    assert answer("", Location=path).headers["Location"] == found


def test_links_and_members_are_rewritten_and_texts_are_not() -> None:
    page = answer('<a class="x" href="/rooms">href=&#34;/rooms&#34; "/x"</a><img src="/p/1.png">')
    body = answer(
        '{"checkout_url":"/checkout?room=a","text":"\\"x_url\\":\\"/a","picture":"/p/1"}',
        "application/json",
    )
    file = answer('href="/x"', "text/plain")

    assert page.body == (
        b'<a class="x" href="/queue/rooms">href=&#34;/rooms&#34; "/x"</a><img src="/queue/p/1.png">'
    )
    assert body.body == (
        b'{"checkout_url":"/queue/checkout?room=a","text":"\\"x_url\\":\\"/a","picture":"/p/1"}'
    )
    assert file.body == b'href="/x"'


def test_cookies_of_a_room_follow_and_those_of_the_host_stay() -> None:
    response = web.Response()
    response.headers.add("Set-Cookie", "seen=1; HttpOnly; Path=/rooms/drop; SameSite=Lax")
    response.headers.add("Set-Cookie", "__Host-ticket=2; Path=/; Secure")
    response.set_cookie("one", "1", path="/admin")
    response.set_cookie("all", "1")

    MOUNT.put_before(response)

    assert response.headers.getall("Set-Cookie") == [
        "seen=1; HttpOnly; Path=/queue/rooms/drop; SameSite=Lax",
        "__Host-ticket=2; Path=/; Secure",
    ]
    assert response.cookies["one"]["path"] == "/queue/admin"
    assert response.cookies["all"]["path"] == "/"


def test_the_public_address_may_have_a_plain_path() -> None:
    made = msgspec.convert({"public_url": "HTTPS://Shop.example:443/queue/"}, Settings)

    assert (made.public_url, made.public_path) == ("https://shop.example/queue", "/queue")
    assert msgspec.convert({"public_url": "https://a.example"}, Settings).public_path == ""
    for wrong in (
        "/rooms",
        "/a/../b",
        "/a//b",
        "/a?b",
        "/a b",
        "/a#b",
        "/%61",
        "/a;b",
        "/static/x",
    ):
        with pytest.raises(msgspec.ValidationError, match="public_url"):
            msgspec.convert({"public_url": f"https://shop.example{wrong}"}, Settings)


def test_no_script_leads_to_a_path_without_the_one_of_the_service() -> None:
    asks = r"location\.assign\(|fetch\(|EventSource\(|Worker\(|register\("
    links = r"\.(?:href|src) = |\b(?:href|src): "
    leads = re.compile(rf"""(?:{asks}|{links})["'`]/""")
    found = [
        f"{path.name}: {line.strip()[:90]}"
        for path in sorted((ROOT / "static" / "js").rglob("*.js"))
        for line in path.read_text("utf-8").splitlines()
        if leads.search(line)
    ]

    assert found == []

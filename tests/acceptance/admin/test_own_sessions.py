"""An operator's own sessions: where they are signed in, and how one or all others end."""

from typing import Any

from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import PASSWORD

from waitroom.run.service import Service

Client = TestClient[Any, Any]
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
OWN = "/admin/account/sessions"


async def again(client: Client, name: str) -> dict[str, str]:
    form = {"name": name, "password": PASSWORD}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def test_an_operator_sees_each_browser_ends_one_and_all_others_and_none_of_anyone_else(
    service: Service, client: Client
) -> None:
    here = await sign_in(service, client, "viewer", name="ann") | FIREFOX
    phone, office = await again(client, "ann"), await again(client, "ann")
    other = await sign_in(service, client, "viewer", name="bo")
    for header in (phone, office, other):
        assert (await client.get(OWN, headers=header)).status == 200

    async def listed(header: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await (await client.get(OWN, headers=header)).json())[
            "sessions"
        ]
        return found

    first = await listed(here)
    (of_other,) = await listed(other)
    foreign = await client.delete(f"{OWN}/{of_other['session_id']}", headers=here)
    odd = await client.delete(f"{OWN}/{'9' * 30}", headers=here)
    one = await client.delete(f"{OWN}/{first[1]['session_id']}", headers=here)
    after_one = await listed(here)
    rest = await (await client.delete(OWN, headers=here)).json()

    assert [(session["this"], session["browser"]) for session in first] == [
        (True, "Firefox on Linux"),
        (False, "Another program"),
        (False, "Another program"),
    ]
    assert {session["network"] for session in first} == {"127.0.0.1"}
    assert (foreign.status, odd.status, one.status, len(after_one)) == (404, 404, 204, 2)
    assert rest == {"sessions_ended": 1}
    assert [session["this"] for session in await listed(here)] == [True]
    assert (await client.get(OWN, headers=phone)).status == 401
    assert (await client.get(OWN, headers=office)).status == 401
    assert (await client.get(OWN, headers=other)).status == 200

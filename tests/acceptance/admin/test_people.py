"""Operators' accounts: who may be what, and what becomes of those who are signed in."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from argon2 import PasswordHasher
from programs import Command
from support import PASSWORD, eventually, execute, owner_url

from inventory.kit.problem import BadRequest, Forbidden
from waitroom.admin.accounts import sign_in as sign_in_module
from waitroom.admin.accounts.refusals import LastAdmin, OwnAccount, WrongPassword
from waitroom.admin.accounts.sign_in import Operator, OperatorStore
from waitroom.run.app import Service

Client = TestClient[Any, Any]
OpenService = Callable[..., Awaitable[Service]]
Serve = Callable[[Service], Awaitable[Client]]
OTHER = "another horse battery staple"


async def sign_in(client: Client, name: str, password: str = PASSWORD) -> dict[str, str] | None:
    """Return the header that speaks for this operator, or None if they are not let in."""
    form = {"name": name, "password": password}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    return cookie_of(answer) if answer.status == 303 else None


def cookie_of(answer: ClientResponse) -> dict[str, str]:
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def as_new(service: Service, client: Client, name: str, role: str) -> dict[str, str]:
    await service.operators.add(name, role=role, password=PASSWORD)
    header = await sign_in(client, name)
    assert header is not None
    return header


@pytest.fixture
async def as_admin(service: Service, client: Client) -> dict[str, str]:
    return await as_new(service, client, "boss", "admin")


async def signed_in(client: Client, header: dict[str, str]) -> bool:
    # It is refused for its body, once it is let in.
    return (await client.post("/admin/password", json={}, headers=header)).status == 422


async def code(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["code"]


async def account(client: Client, as_admin: dict[str, str], name: str) -> dict[str, Any]:
    answer = await (await client.get("/admin/operators", headers=as_admin)).json()
    (found,) = [o for o in answer["operators"] if o["name"] == name]
    return dict(found)


async def test_an_admin_adds_operators_who_then_sign_in(
    client: Client, as_admin: dict[str, str]
) -> None:
    wish = {"name": "sal@example.com", "role": "seller", "password": OTHER}

    added = await client.post("/admin/operators", json=wish, headers=as_admin)
    again = await client.post("/admin/operators", json=wish, headers=as_admin)
    header = await sign_in(client, "sal@example.com", OTHER)

    assert added.status == 201
    assert OTHER not in await added.text()
    assert await code(again) == (400, "bad_request")
    assert header is not None
    found = await account(client, as_admin, "sal@example.com")
    assert (found["role"], found["active"], found["sessions"]) == ("seller", True, 1)
    assert found["seen_at"] is not None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": ""}, 400),
        ({"name": "a b"}, 400),
        ({"name": "-a"}, 400),
        ({"name": "a/b"}, 400),
        ({"name": "x" * 64}, 422),
        ({"role": "root"}, 422),
        ({"password": "too short"}, 422),
        ({"password": "x" * 1001}, 422),
        ({"more": 1}, 422),
    ],
)
async def test_an_account_that_cannot_be_is_refused(
    client: Client, as_admin: dict[str, str], change: dict[str, Any], status: int
) -> None:
    wish = {"name": "new", "role": "viewer", "password": OTHER, **change}

    answer = await client.post("/admin/operators", json=wish, headers=as_admin)

    assert answer.status == status


@pytest.mark.parametrize(
    "change",
    [{"role": "viewer"}, {"active": False}, {"password": OTHER}],
    ids=lambda c: next(iter(c)),
)
async def test_who_is_changed_is_signed_out_at_once(
    service: Service, client: Client, as_admin: dict[str, str], change: dict[str, Any]
) -> None:
    header = await as_new(service, client, "night", "operator")
    second = await sign_in(client, "night")
    assert second is not None

    answer = await client.patch("/admin/operators/night", json=change, headers=as_admin)

    assert await answer.json() == {"changed": True}
    assert not await signed_in(client, header)
    assert not await signed_in(client, second)
    assert await signed_in(client, as_admin)


async def test_a_change_that_changes_nothing_signs_nobody_out(
    service: Service, client: Client, as_admin: dict[str, str]
) -> None:
    header = await as_new(service, client, "night", "operator")
    same = {"role": "operator", "active": True}

    answer = await client.patch("/admin/operators/night", json=same, headers=as_admin)
    empty = await client.patch("/admin/operators/night", json={}, headers=as_admin)

    assert await answer.json() == {"changed": False}
    assert empty.status == 400
    assert await signed_in(client, header)


async def test_who_was_shut_out_comes_in_again_when_let_in(
    service: Service, client: Client, as_admin: dict[str, str]
) -> None:
    await service.operators.add("night", role="operator", password=PASSWORD)

    await client.patch("/admin/operators/night", json={"active": False}, headers=as_admin)
    shut_out = await sign_in(client, "night")
    change = {"active": True, "password": OTHER}
    await client.patch("/admin/operators/night", json=change, headers=as_admin)

    assert shut_out is None
    assert await sign_in(client, "night") is None
    assert await sign_in(client, "night", OTHER) is not None


async def test_an_admin_ends_somebodys_sessions(
    service: Service, client: Client, as_admin: dict[str, str]
) -> None:
    header = await as_new(service, client, "night", "operator")

    ended = await client.delete("/admin/operators/night/sessions", headers=as_admin)
    unknown = await client.delete("/admin/operators/nobody/sessions", headers=as_admin)

    assert await ended.json() == {"sessions_ended": 1}
    assert await code(unknown) == (404, "not_found")
    assert not await signed_in(client, header)


async def test_nobody_changes_their_own_account(client: Client, as_admin: dict[str, str]) -> None:
    answers = [
        await client.patch("/admin/operators/boss", json=change, headers=as_admin)
        for change in ({"role": "viewer"}, {"active": False}, {"password": OTHER})
    ]
    unknown = await client.patch("/admin/operators/x", json={"role": "viewer"}, headers=as_admin)

    assert [await code(answer) for answer in answers] == [(409, "own_account")] * 3
    assert await code(unknown) == (404, "not_found")
    assert await signed_in(client, as_admin)


async def test_the_last_admin_stays_whoever_asks(service: Service) -> None:
    for name, role in (("boss", "admin"), ("spare", "admin"), ("night", "operator")):
        await service.operators.add(name, role=role, password=PASSWORD)
    await service.operators.change("spare", actor=None, active=False)

    for change in ({"role": "operator"}, {"active": False}):
        with pytest.raises(LastAdmin):
            await service.operators.change("boss", actor=None, **change)  # type: ignore[arg-type]
    await service.operators.change("boss", actor=None, password=OTHER)
    await service.operators.change("night", actor=None, role="admin")
    await service.operators.change("boss", actor=None, role="operator")

    roles = {o.name: (o.role, o.active) for o in await service.operators.accounts()}
    assert roles == {
        "boss": ("operator", True),
        "spare": ("admin", False),
        "night": ("admin", True),
    }


@asynccontextmanager
async def uncommitted(postgres_url: str, sql: str, *values: Any) -> AsyncIterator[None]:
    """Keep a change of an account open while the body runs, and commit it then."""
    connection = await asyncpg.connect(owner_url(postgres_url), statement_cache_size=0)
    try:
        async with connection.transaction():
            assert await connection.fetchval(sql, *values) == "changed"
            yield
    finally:
        await connection.close()


async def is_waiting(service: Service, task: "asyncio.Task[Any]") -> None:
    """Return when a statement of this database waits for a lock, or the task is done."""
    sql = """SELECT 1 FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'"""

    async def waiting() -> bool:
        return task.done() or bool(await execute(service, sql))

    await eventually(waiting)


CHANGE = "SELECT change_operator($1, $2, $3, $4, $5, $6)"


async def test_two_admins_who_shut_each_other_out_leave_one(
    service: Service, postgres_url: str
) -> None:
    for name in ("ann", "bob"):
        await service.operators.add(name, role="admin", password=PASSWORD)
    ids = dict(await execute(service, "SELECT name, operator_id FROM operator"))
    bob = Operator(operator_id=ids["bob"], name="bob", role="admin")

    async with uncommitted(postgres_url, CHANGE, ids["ann"], "bob", "viewer", None, None, "ann"):
        second = asyncio.create_task(service.operators.change("ann", actor=bob, active=False))
        await is_waiting(service, second)
    with pytest.raises(Forbidden):
        await second

    left = await execute(service, "SELECT name FROM operator WHERE role = 'admin' AND active")
    assert [row["name"] for row in left] == ["ann"]


async def test_ones_own_password_is_changed_by_whoever_knows_the_old_one(
    service: Service, client: Client
) -> None:
    header = await as_new(service, client, "sal", "seller")
    second = await sign_in(client, "sal")
    assert second is not None

    wrong = await client.post("/admin/password", json={"old": OTHER, "new": OTHER}, headers=header)
    short = await client.post(
        "/admin/password", json={"old": PASSWORD, "new": "short"}, headers=header
    )
    changed = await client.post(
        "/admin/password", json={"old": PASSWORD, "new": OTHER}, headers=header
    )

    assert await code(wrong) == (401, "wrong_password")
    assert short.status == 422
    assert changed.status == 204
    assert await signed_in(client, cookie_of(changed))
    assert not await signed_in(client, header)
    assert not await signed_in(client, second)
    assert await sign_in(client, "sal") is None
    assert await sign_in(client, "sal", OTHER) is not None


async def test_guessing_the_old_password_at_an_unlocked_screen_is_slowed_down(
    services: OpenService, clients: Serve
) -> None:
    service = await services(sign_in_attempts_per_minute=3)
    client = await clients(service)
    header = await as_new(service, client, "night", "operator")

    answers = [
        await client.post("/admin/password", json={"old": f"{i}", "new": OTHER}, headers=header)
        for i in range(4)
    ]

    assert [answer.status for answer in answers] == [401, 401, 429, 429]


async def test_a_password_that_was_taken_back_while_it_was_checked_opens_nothing(
    service: Service, postgres_url: str
) -> None:
    await service.operators.add("night", role="operator", password=PASSWORD)

    async with uncommitted(postgres_url, CHANGE, None, "night", None, None, "another hash", "cli"):
        signing_in = asyncio.create_task(service.operators.sign_in("night", PASSWORD))
        await is_waiting(service, signing_in)
    with pytest.raises(WrongPassword):
        await signing_in

    assert await execute(service, "SELECT * FROM operator_session") == []


async def test_every_change_is_on_record_and_no_password_is(
    service: Service, client: Client, as_admin: dict[str, str]
) -> None:
    new = {"name": "sal", "role": "seller", "password": OTHER}
    await client.post("/admin/operators", json=new, headers=as_admin)
    header = await sign_in(client, "sal", OTHER)
    assert header is not None
    own = {"old": OTHER, "new": "a third horse battery staple"}
    await client.post("/admin/password", json=own, headers=header)
    change = {"role": "viewer", "active": False, "password": PASSWORD}
    await client.patch("/admin/operators/sal", json=change, headers=as_admin)
    await client.patch("/admin/operators/sal", json={"active": True}, headers=as_admin)
    await client.delete("/admin/operators/sal/sessions", headers=as_admin)

    answer = await client.get("/admin/actions?limit=3", headers=as_admin)
    newest = await answer.json()
    params = {"cursor": newest["next"]}
    older = await (await client.get("/admin/actions", params=params, headers=as_admin)).json()

    told = [(a["who"], a["action"], a["detail"]) for a in newest["actions"] + older["actions"]]
    assert told == [
        ("boss", "sign_out_operator", {"operator": "sal", "sessions": 0}),
        ("boss", "change_operator", {"operator": "sal", "active": [False, True]}),
        (
            "boss",
            "change_operator",
            {
                "operator": "sal",
                "role": ["seller", "viewer"],
                "active": [True, False],
                "password": "new",
            },
        ),
        ("sal", "change_password", {"operator": "sal"}),
        ("boss", "add_operator", {"operator": "sal", "role": "seller"}),
        ("cli", "add_operator", {"operator": "boss", "role": "admin"}),
    ]
    rows = await execute(service, "SELECT detail::text || reason AS said FROM operator_action")
    for row in rows:
        for secret in (PASSWORD, OTHER, own["new"], "argon2"):
            assert secret not in row["said"]


async def test_a_password_is_kept_as_the_slow_hash_that_rfc_9106_recommends(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_module, "PasswordHasher", PasswordHasher)

    await OperatorStore(service.pool).add("boss", role="admin", password=PASSWORD)

    (row,) = await execute(service, "SELECT password_hash FROM operator")
    assert row["password_hash"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await sign_in(client, "boss") is not None
    assert await sign_in(client, "boss", OTHER) is None


async def test_a_change_that_is_refused_is_not_on_record(service: Service) -> None:
    await service.operators.add("boss", role="admin", password=PASSWORD)
    (row,) = await execute(service, "SELECT operator_id FROM operator")
    boss = Operator(operator_id=row["operator_id"], name="boss", role="admin")
    before = await execute(service, "SELECT * FROM operator_action")

    with pytest.raises(OwnAccount):
        await service.operators.change("boss", actor=boss, role="viewer")
    with pytest.raises(LastAdmin):
        await service.operators.change("boss", actor=None, active=False)
    with pytest.raises(BadRequest):
        await service.operators.add("boss", role="viewer", password=PASSWORD)

    assert await execute(service, "SELECT * FROM operator_action") == before


async def test_the_command_line_keeps_accounts(
    service: Service, waitroom: Command, postgres_url: str
) -> None:
    where = {
        "WAITROOM_POSTGRES_URL": postgres_url,
        "WAITROOM_POSTGRES_POOLER": str(service.settings.postgres_pooler).lower(),
    }

    def run(*arguments: str, said: str = "") -> str:
        done = waitroom("operator", *arguments, typed=said, **where)
        return done.stdout + done.stderr

    async def at_the_machine(*arguments: str, said: str = "") -> str:
        return await asyncio.to_thread(run, *arguments, said=said)

    typed = f"{PASSWORD}\n{PASSWORD}\n"
    await at_the_machine("add", "boss", "--role", "admin", said=typed)
    await at_the_machine("add", "sal", "--role", "seller", said=typed)
    await service.operators.sign_in("sal", PASSWORD)

    last = await at_the_machine("change", "boss", "--inactive")
    nothing = await at_the_machine("change", "sal")
    ended = await at_the_machine("sign-out", "sal")
    changed = await at_the_machine(
        "change", "sal", "--role", "viewer", "--new-password", said=f"{OTHER}\n{OTHER}\n"
    )
    listed = await at_the_machine("list", "--json")

    assert last == "waitroom: That would leave no admin. Make another account an admin first.\n"
    assert "give at least one of" in nothing
    assert ended == "sal: 1 session(s) ended\n"
    assert "sal: changed" in changed
    assert await service.operators.sign_in("sal", OTHER)
    accounts = [json.loads(line) for line in listed.splitlines()]
    assert [(a["name"], a["role"]) for a in accounts] == [("boss", "admin"), ("sal", "viewer")]

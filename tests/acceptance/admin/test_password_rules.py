"""Passwords and names of operators: which are refused, and what counts as the same."""

import unicodedata
from importlib import resources
from typing import Any

from aiohttp.test_utils import TestClient
from argon2 import PasswordHasher
from signing_in import sign_in
from support import (
    PASSWORD,
    as_owner,
    execute,
)

from waitroom.run.engines.postgres import RUNNING
from waitroom.run.service import Service
from waitroom.store.roles.grants import settle_rights

Client = TestClient[Any, Any]
ACCENTED = "Zwölf Boxkämpfer jagen Viktor"


async def test_guessable_passwords_and_own_words_are_refused_wherever_one_is_set(
    service: Service, client: Client
) -> None:
    admin = await sign_in(service, client, "admin", name="boss")
    weak = ("password1234", "olga-petrova1", f"{service.settings.brand}-2026!")

    refused = []
    for password in weak:
        new = {"name": "olga.petrova", "role": "viewer", "password": password}
        answer = await client.post("/admin/operators", json=new, headers=admin)
        refused.append((answer.status, await answer.json()))
    own = {"old": PASSWORD, "new": "bossboss2026"}
    answer = await client.post("/admin/password", json=own, headers=admin)
    refused.append((answer.status, await answer.json()))

    assert [(status, body["code"], body["field"]) for status, body in refused] == [
        (400, "password_guessable", "password")
    ] * 4


async def test_a_password_counts_however_a_keyboard_composes_it_also_with_a_hash_from_before(
    service: Service, client: Client
) -> None:
    composed, apart = (unicodedata.normalize(form, ACCENTED) for form in ("NFC", "NFD"))
    await service.operators.add("new", role="viewer", password=apart)
    await service.operators.add("old", role="viewer", password=PASSWORD)
    hashed = PasswordHasher().hash(apart)
    await execute(service, "UPDATE operator SET password_hash = $1 WHERE name = 'old'", hashed)

    async def status(name: str, password: str) -> int:
        form = {"name": name, "password": password}
        return (await client.post("/admin/login", data=form, allow_redirects=False)).status

    assert [await status("new", form) for form in (composed, apart)] == [303, 303]
    assert await status("old", apart) == 303
    assert await status("new", PASSWORD) == 401


async def test_names_that_differ_in_capitals_are_one_name_and_doubles_from_before_stay(
    service: Service, client: Client
) -> None:
    admin = await sign_in(service, client, "admin", name="admin")
    double = {"name": "Admin", "role": "admin", "password": PASSWORD}

    answer = await client.post("/admin/operators", json=double, headers=admin)

    assert (answer.status, (await answer.json())["field"]) == (400, "name")
    # A database from before the rule.
    await execute(service, "ALTER TABLE operator DROP COLUMN name_key")
    await execute(service, "DROP TRIGGER operator_name_is_keyed ON operator")
    await execute(service, "DROP FUNCTION key_name")
    await service.operators.add("Admin", role="viewer", password=PASSWORD)
    (file,) = (
        file
        for file in resources.files("waitroom.store").joinpath("migrations").iterdir()
        if file.name.endswith("_names_in_any_case.sql")
    )
    async with as_owner(service.pool) as connection:
        await connection.execute(file.read_text(encoding="utf-8"))
        await settle_rights(connection, RUNNING)

    again = await client.post("/admin/operators", json=double | {"name": "ADMIN"}, headers=admin)

    assert again.status == 400
    assert await service.operators.sign_in("Admin", PASSWORD)
    assert await service.operators.sign_in("admin", PASSWORD)

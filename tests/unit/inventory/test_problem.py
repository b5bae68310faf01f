"""Every refusal is a fact with a stable code, in the form of RFC 9457."""

import importlib
import pkgutil
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import msgspec
import pytest
from aiohttp import web

import checkout
import inventory
import waitroom
from inventory.kit.problem import Busy, EngineDown, Refusal

ROOT = Path(__file__).parents[3]

for package in (waitroom, checkout, inventory):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def is_ours(kind: type[Refusal]) -> bool:
    return kind.__module__.split(".", 1)[0] in {"waitroom", "checkout", "inventory"}


REFUSALS = sorted(
    {kind for kind in below(Refusal) if is_ours(kind)}, key=lambda kind: kind.__qualname__
)


def made(kind: type[Refusal]) -> Refusal:
    if kind.__name__ == "_HttpRefusal":
        return kind(web.HTTPNotFound())  # type: ignore[arg-type]
    return kind()


def test_there_are_refusals_to_look_at() -> None:
    assert len(REFUSALS) > 25


def test_a_refusal_has_a_stable_code_a_status_and_a_sentence() -> None:
    offenders = [
        kind.__qualname__
        for kind in REFUSALS
        if not re.fullmatch(r"[a-z]+(_[a-z]+)*", made(kind).code)
        or not 400 <= made(kind).status < 600
        or not made(kind).title.endswith(".")
    ]

    assert offenders == []


def test_a_refusal_has_a_body_by_rfc_9457() -> None:
    offenders = {}
    for kind in REFUSALS:
        refusal = made(kind)
        body = msgspec.json.decode(msgspec.json.encode(refusal.body()))
        promised = {
            "type": f"urn:waitroom:problem:{refusal.code}",
            "title": refusal.title,
            "status": refusal.status,
            "code": refusal.code,
        }
        if not body.get("detail") or promised.items() - body.items():
            offenders[kind.__qualname__] = body

    assert offenders == {}


def test_a_refusal_that_passes_says_when_to_ask_again() -> None:
    busy = [made(kind) for kind in REFUSALS if issubclass(kind, Busy)]

    assert busy
    assert {refusal.status for refusal in busy} == {503}
    assert all(int(refusal.headers["Retry-After"]) > 0 for refusal in busy)


def test_one_code_means_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for kind in REFUSALS:
        refusal = made(kind)
        statuses.setdefault(refusal.code, set()).add(refusal.status)

    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


def test_only_what_is_missing_shares_a_code() -> None:
    kinds: dict[str, set[str]] = {}
    for kind in REFUSALS:
        if not kind.__name__.startswith("_"):
            kinds.setdefault(kind.code, set()).add(kind.__qualname__)

    shared = {code for code, names in kinds.items() if len(names) > 1}
    assert shared <= {"not_found"}


def test_fields_and_detail_stand_in_the_body() -> None:
    refusal = Refusal("Three are left.", headers={"X": "y"}, available=3)

    assert refusal.body()["detail"] == "Three are left."
    assert refusal.body()["available"] == 3
    assert refusal.headers == {"X": "y"}
    assert str(refusal) == "Three are left."


def test_every_refusal_says_in_its_class_what_it_is() -> None:
    unnamed = [
        kind.__qualname__
        for kind in REFUSALS
        if not kind.__name__.startswith("_") and "code" not in vars(kind)
    ]

    assert unnamed == []


def test_refusals_stand_in_one_module_of_each_package() -> None:
    homes = {
        "inventory.refusals",
        "checkout.refusals",
        "waitroom.refusals",
        "waitroom.admin.accounts.refusals",
        "waitroom.desk.proving.refusals",
        "waitroom.desk.refusals",
        "inventory.kit.problem",
    }
    public = [kind for kind in REFUSALS if not kind.__name__.startswith("_")]

    assert {kind.__module__ for kind in public} <= homes


def test_the_docs_list_every_refusal_as_it_is() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "refusals.py"))

    assert tool["PAGE"].read_text(encoding="utf-8") == tool["page"]()


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (TimeoutError(), "EngineDown(no_answer)"),
        (
            asyncpg.DiskFullError("could not write: No space left on device"),
            "disk_full: could not write: No space left",
        ),
        (asyncpg.TooManyConnectionsError("sorry, too many clients already"), "too many clients"),
        (ConnectionRefusedError(111, "Connect call failed"), "Connect call failed"),
    ],
)
def test_the_log_tells_why_an_engine_is_down_and_the_answer_does_not(
    cause: Exception, said: str
) -> None:
    error = EngineDown()
    error.__cause__ = cause

    assert said in repr(error)
    assert said not in str(error.body())

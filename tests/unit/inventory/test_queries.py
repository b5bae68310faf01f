"""Queries and migrations are found by name and number."""

import re
from importlib import resources

import pytest

from inventory.kit.database import load_queries
from waitroom.store.migrate import load_migrations

PACKAGES = [
    "waitroom.store",
    "waitroom.admin.accounts",
    "waitroom.reports.analytics",
    "waitroom.reports.fairness",
    "waitroom.outgoing.outbox",
    "checkout",
    "checkout.gateway",
    "checkout.history",
    "inventory",
    "inventory.pictures",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_named_query_is_one_statement(package: str) -> None:
    queries = load_queries(package)

    assert queries
    for name, sql in queries.items():
        assert sql, name
        bare = re.sub(r"--.*", "", sql)
        assert ";" not in bare, name
        assert "-- name:" not in sql, name


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_is_given_twice(package: str) -> None:
    text = resources.files(package).joinpath("queries.sql").read_text()

    names = re.findall(r"^-- name: (\w+)\s*$", text, re.MULTILINE)

    assert len(names) == len(set(names))
    assert set(load_queries(package)) == set(names)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_parameters_of_a_query_are_numbered_without_a_gap(package: str) -> None:
    for name, sql in load_queries(package).items():
        numbers = {int(n) for n in re.findall(r"\$(\d+)", sql)}

        assert numbers == set(range(1, len(numbers) + 1)), name


@pytest.mark.parametrize("package", PACKAGES)
def test_every_query_is_used(package: str) -> None:
    top = package.split(".", 1)[0]
    sources = "".join(
        path.read_text()
        for path in resources.files(top).rglob("*.py")  # type: ignore[attr-defined]
    )

    unused = [name for name in load_queries(package) if f'"{name}"' not in sources]

    assert unused == []


def test_migrations_are_numbered_one_after_the_other() -> None:
    names = [migration.name for migration in load_migrations()]

    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names)


def test_a_migration_says_what_it_is_and_does_nothing_but_sql() -> None:
    for migration in load_migrations():
        name, sql = migration.name, migration.sql
        assert sql.startswith("-- "), name
        assert not re.search(r"^\s*(BEGIN|COMMIT|ROLLBACK)\s*;", sql, re.MULTILINE), name
        assert "CONCURRENTLY" not in sql, name

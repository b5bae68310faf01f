"""Which migrations a database still needs, and which databases cannot be brought up to date."""

import pytest

from waitroom.store.migrate import Migration, MigrationError, missing_migrations

FIRST, SECOND, THIRD = (
    Migration(name=f"000{n}_step.sql", sql=f"-- Step {n}.") for n in range(1, 4)
)
KNOWN = (FIRST, SECOND, THIRD)


def recorded(*migrations: Migration) -> dict[str, str]:
    return {migration.name: migration.checksum for migration in migrations}


@pytest.mark.parametrize("run", range(4))
def test_a_database_that_has_run_the_first_files_needs_the_others(run: int) -> None:
    missing = missing_migrations(KNOWN, recorded(*KNOWN[:run]))

    assert list(missing) == list(KNOWN[run:])


@pytest.mark.parametrize(
    ("record", "odd"),
    [
        (recorded(FIRST) | {SECOND.name: "another"}, SECOND.name),
        (recorded(FIRST) | {"0002_other.sql": "another"}, "0002_other.sql"),
        ({"0001_tables.sql": "another", "0016_more.sql": "another"}, "0001_tables.sql"),
        (recorded(SECOND), FIRST.name),
    ],
    ids=["changed file", "other file", "other layout", "file left out"],
)
def test_a_record_that_does_not_fit_is_an_earlier_layout(record: dict[str, str], odd: str) -> None:
    with pytest.raises(MigrationError, match="unreleased earlier version") as refused:
        missing_migrations(KNOWN, record)

    assert odd in str(refused.value)
    assert "start with a new data folder" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_database_of_a_later_version_wants_that_version() -> None:
    later = recorded(*KNOWN) | {"0004_later.sql": "whatever"}

    with pytest.raises(MigrationError, match=r"later version .* has run 0004_later\.sql"):
        missing_migrations(KNOWN, later)

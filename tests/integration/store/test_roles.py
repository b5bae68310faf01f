"""The role of the processes that sell: what it may write by hand, and what only functions may."""

import asyncpg
import pytest
from support import execute, open_room, owner_url

from inventory.kit.database import Pool
from waitroom.run.app import Service
from waitroom.run.engines.postgres import RUNNING
from waitroom.store.migrate import MigrationError, migrate
from waitroom.store.roles.doors import called_by_the_program, writing
from waitroom.store.roles.rights import PROTECTED, WRITTEN

TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
)
COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attidentity <> 'a' LIMIT 1
"""
# What decides who gets a unit, what was sold, and what the record says.
BY_FUNCTIONS_ALONE = {
    *("stock", "room_stock", "stock_movement", "hold", "hold_line", "admission", "line", "place"),
    *("log_entry", "log_head", "log_page", "draw", "room", "sku", "product", "purchase_line"),
    *("payment_attempt", "payment_event", "refund_line", "customer", "archived_stock"),
}


AROUND = [
    # The money, the state and the owner of an order, and the record of operators.
    "UPDATE purchase SET total_minor = 0",
    "UPDATE purchase SET state = 'paid'",
    "UPDATE refund SET amount_minor = 0",
    "DELETE FROM purchase",
    "TRUNCATE purchase CASCADE",
    "UPDATE operator_action SET who = 'another'",
    "DELETE FROM operator_action",
    "TRUNCATE operator_action",
    "DELETE FROM security_event",
    "UPDATE operator SET role = 'admin'",
    "UPDATE office SET stopped = '1 hour'",
    "UPDATE office SET term = 99",
    # A deed's entry in the log without the deed, and the switch of the archive.
    "SELECT append_log(1, 'joined', '{}')",
    "SET waitroom.archiving = 'on'; DELETE FROM log_entry",
    # Other ways in.
    "CREATE TABLE mine (a int)",
    "CREATE FUNCTION public.shopper_now() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TEMP TABLE import_row (line int)",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "ALTER FUNCTION shopper_now() SECURITY DEFINER",
    "ALTER TABLE log_entry DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "COPY stock FROM PROGRAM 'true'",
    "SET ROLE postgres",
    "SELECT pg_read_file('/etc/passwd')",
]


async def refused(pool: Pool, sql: str) -> bool:
    """Say whether PostgreSQL refuses a statement for want of rights."""
    async with pool.acquire() as connection:
        try:
            await connection.execute(sql)
        except asyncpg.InsufficientPrivilegeError:
            return True
    return False


async def test_every_table_has_a_rule_and_no_rule_lacks_its_table(service: Service) -> None:
    tables = {row["relname"] for row in await execute(service, TABLES)}

    assert tables == PROTECTED | WRITTEN.keys()
    assert PROTECTED & WRITTEN.keys() == set()
    assert BY_FUNCTIONS_ALONE <= PROTECTED


async def test_the_running_role_writes_no_protected_table_by_hand(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    statements: list[str] = []
    for table in sorted(PROTECTED):
        ((column,),) = await execute(service, COLUMNS, table)
        statements += [
            f"INSERT INTO {table} DEFAULT VALUES",
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
            f"SELECT FROM {table} FOR UPDATE",
            f"ALTER TABLE {table} ADD COLUMN more int",
            f"DROP TABLE {table} CASCADE",
        ]

    allowed = [sql for sql in statements if not await refused(service.pool, sql)]

    assert allowed == []


async def test_the_running_role_has_no_way_around_the_functions(service: Service) -> None:
    await open_room(service, skus={"mug": 3})

    allowed = [sql for sql in AROUND if not await refused(service.pool, sql)]

    assert allowed == []


async def test_functions_with_the_owners_rights_are_those_that_the_program_calls_to_write(
    service: Service,
) -> None:
    found = await execute(
        service,
        "SELECT proname, prosrc, prosecdef, proconfig, proacl::text AS acl FROM pg_proc "
        "WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype",
    )
    bodies = {row["proname"]: row["prosrc"] for row in found}

    doors = {row["proname"] for row in found if row["prosecdef"]}

    assert doors == writing(bodies) & called_by_the_program()
    assert {"place_holds", "join_line", "move_stock"} & bodies.keys() <= doors
    assert "append_log" not in doors
    for row in found:
        if row["prosecdef"]:
            assert "search_path=public, pg_temp" in row["proconfig"], row["proname"]
        assert "{=X" not in row["acl"], row["proname"]
        assert ",=X" not in row["acl"], row["proname"]


async def test_a_role_that_may_do_more_than_sell_is_refused_in_a_line(postgres_url: str) -> None:
    said = []
    for role in ("postgres", "no_such_role"):
        with pytest.raises(MigrationError) as raised:
            await migrate(owner_url(postgres_url), running_role=role)
        said.append(str(raised.value))

    applied = await migrate(owner_url(postgres_url), running_role=RUNNING)

    assert "may do more than sell" in said[0]
    assert "CREATE ROLE" in said[1]
    assert [words.count("\n") for words in said] == [0, 0]
    assert applied == []

"""No table takes a moment that the program could not read back, whoever writes it."""

import asyncpg
from shop import hold, open_gate, sessions_in
from support import execute

from waitroom.run.app import Service

# What an operator, a file or another shop can write: everything but the columns that begin with
# `infinity`, to which nothing else is written but the database's clock.
COLUMNS = """
    SELECT c.relname AS "table", a.attname AS column, EXISTS (
        SELECT FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated
            AND a.attnum = ANY (k.conkey)
            AND (k.conname = 'moments_are_of_our_time'
                 OR pg_get_constraintdef(k.oid) LIKE '%is_moment(' || a.attname || ')%')) AS bounded
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
        AND c.relname <> 'migration'
        AND COALESCE(pg_get_expr(d.adbin, d.adrelid), '') NOT LIKE '%infinity%'
    ORDER BY 1, 2"""
NO_MOMENTS = (
    "infinity",
    "-infinity",
    "20000-01-01 00:00:00+00",
    "2200-01-01 00:00:00+00",
    "1999-12-31 23:59:59+00",
    "0044-03-15 12:00:00+00 BC",
)


async def test_every_column_of_a_moment_refuses_what_cannot_be_read(service: Service) -> None:
    await open_gate(service)
    (session,) = await sessions_in(service, 1)
    await hold(service, session, mug=1)
    columns = await execute(service, COLUMNS)
    assert len(columns) > 50

    unbounded = [f"{row['table']}.{row['column']}" for row in columns if not row["bounded"]]
    assert unbounded == []

    tried = 0
    for row in columns:
        table, column = row["table"], row["column"]
        if not (await execute(service, f"SELECT EXISTS (SELECT FROM {table}) AS has"))[0]["has"]:
            continue
        for moment in NO_MOMENTS:
            assert await refuses(service, f"UPDATE {table} SET {column} = '{moment}'"), column
            tried += 1
    assert tried > 100


async def refuses(service: Service, sql: str) -> bool:
    try:
        await execute(service, sql)
    except asyncpg.CheckViolationError:
        return True
    except asyncpg.RaiseError:
        # The table is append-only.
        return True
    return False

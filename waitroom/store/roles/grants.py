"""Gives functions and tables the rights that `rights` and `doors` say. Idempotent."""

from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg

from waitroom.store.roles.doors import called_by_the_program, writing
from waitroom.store.roles.rights import WRITTEN

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Generic to the type checker only.
    Connection = asyncpg.Connection

# The functions that this owner made in the schema of the tables; those of extensions are others'.
_FUNCTIONS = """
SELECT p.proname AS name, p.oid::regprocedure::text AS signature, p.prosrc AS body,
    p.prosecdef AS is_door, p.prorettype = 'trigger'::regtype AS is_trigger,
    COALESCE(array_to_string(p.proacl, ' ') !~ '(^| )=X', false) AS is_closed
FROM pg_proc p
WHERE p.pronamespace = current_schema()::regnamespace AND p.proowner = current_user::regrole
    AND p.prokind = 'f' AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
"""
_RELATIONS = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relowner = current_user::regrole
    AND c.relkind IN ('r', 'v')
"""
_LOOKS_ELSEWHERE = """
SELECT current_schema() <> 'public' AND NOT EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) x
    WHERE r.rolname = $1 AND x LIKE 'search_path=%' || current_schema() || '%')
"""


_DATABASE = "SELECT quote_ident(current_database()), quote_ident(current_user)"


class RoleUnfit(Exception):
    """The running role cannot be prepared; the message is one line that says what to do."""


async def settle_rights(connection: Connection, running_role: str | None) -> None:
    """Let the program's functions run with the owner's rights, and give the running role its own.

    The connection is the owner's and in a transaction. Without a running role, or where it is the
    owner, only the functions are settled. Raises `RoleUnfit`.
    """
    await _settle_functions(connection)
    owner = await connection.fetchval("SELECT current_user::text")
    schema = await connection.fetchval("SELECT quote_ident(current_schema())")
    if running_role is None or running_role == owner:
        return
    await _refuse_unfit(connection, running_role)
    role = await connection.fetchval("SELECT quote_ident($1)", running_role)
    await _forbid_temporary_objects(connection, running_role)
    statements = [
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
    ]
    for (name,) in await connection.fetch(_RELATIONS):
        statements += [
            f"REVOKE ALL ON {name} FROM PUBLIC, {role}",
            f"GRANT SELECT ON {name} TO {role}",
        ]
        if name in WRITTEN:
            statements.append(f"GRANT {WRITTEN[name]} ON {name} TO {role}")
    if await connection.fetchval("SELECT to_regnamespace('test_gateway') IS NOT NULL"):
        # These books stand for a company elsewhere.
        statements += [
            f"GRANT USAGE ON SCHEMA test_gateway TO {role}",
            f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA test_gateway TO {role}",
        ]
    await connection.execute(";\n".join(statements))
    if await connection.fetchval(_LOOKS_ELSEWHERE, running_role):
        await _set_search_path(connection, role, schema)


async def _settle_functions(connection: Connection) -> None:
    found = await connection.fetch(_FUNCTIONS)
    bodies: dict[str, str] = {}
    for row in found:
        bodies[row["name"]] = bodies.get(row["name"], "") + row["body"]
    doors = writing(bodies) & called_by_the_program()
    schema = await connection.fetchval("SELECT quote_ident(current_schema())")
    statements = []
    for row in found:
        signature, is_door = row["signature"], row["name"] in doors and not row["is_trigger"]
        if is_door and not row["is_door"]:
            # Temporary objects come last, or a caller could put theirs in place of ours.
            statements.append(
                f"ALTER FUNCTION {signature} SECURITY DEFINER SET search_path = {schema}, pg_temp"
            )
        elif row["is_door"] and not is_door:
            statements.append(f"ALTER FUNCTION {signature} SECURITY INVOKER RESET search_path")
        if not row["is_closed"]:
            statements.append(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
    if statements:
        await connection.execute(";\n".join(statements))


async def _refuse_unfit(connection: Connection, name: str) -> None:
    """Raise `RoleUnfit` for a role that is not there, or that may do more than it should."""
    row = await connection.fetchrow(
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication,"
        " pg_has_role(rolname, current_user, 'USAGE') FROM pg_roles WHERE rolname = $1",
        name,
    )
    if row is None:
        raise RoleUnfit(
            f'postgres_url names the role "{name}", which is not there: make it first, as the '
            f"database's administrator, with CREATE ROLE \"{name}\" LOGIN PASSWORD '…'"
        )
    if any(row):
        raise RoleUnfit(
            f'the role "{name}" of postgres_url may do more than sell: it must be neither a '
            "superuser nor a member of the owner, and must make no databases or roles"
        )


async def _forbid_temporary_objects(connection: Connection, name: str) -> None:
    """Keep the running role from making temporary tables and functions.

    The owner's functions write into temporary tables of an import. A table of that name with a
    trigger on it would run its maker's code with the owner's rights.
    """
    may = "SELECT has_database_privilege($1, current_database(), 'TEMPORARY')"
    if not await connection.fetchval(may, name):
        return
    row = await connection.fetchrow(_DATABASE)
    assert row is not None
    database, owner = row
    statements = (
        f"GRANT TEMPORARY ON DATABASE {database} TO {owner}; "
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
    )
    # PostgreSQL warns and does nothing where the database is another's.
    with suppress(asyncpg.InsufficientPrivilegeError):
        async with connection.transaction():
            await connection.execute(statements)
    if await connection.fetchval(may, name):
        raise RoleUnfit(
            f'the role "{name}" may make temporary tables: run {statements} as the database\'s '
            "administrator"
        )


async def _set_search_path(connection: Connection, role: str, schema: str) -> None:
    """Let the running role find the tables in the owner's schema."""
    statement = f"ALTER ROLE {role} SET search_path = {schema}"
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise RoleUnfit(
            f"the running role has to find the tables: run {statement} as the database's "
            "administrator"
        ) from error

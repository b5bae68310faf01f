"""Accounts and their persons at the identity provider, on PostgreSQL."""

from dataclasses import dataclass

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import Forbidden, Refusal
from waitroom.admin.accounts.provider.provider import Person
from waitroom.admin.accounts.refusals import UnknownOperator
from waitroom.admin.accounts.sign_in import Operator

SQL = load_queries("waitroom.admin.accounts.provider")
_REFUSALS: dict[str, type[Refusal]] = {"unknown": UnknownOperator, "not_admin": Forbidden}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The account that a person opens; `linked` says that it is theirs since this moment."""

    operator_id: int
    name: str
    linked: bool


class PersonStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, person: Person) -> Opened | None:
        """Return the account of a person, or None if there is none that may be used."""
        values = (person.issuer, person.subject, person.email)
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["open_to_person"], *values)
        return None if row is None else Opened(**dict(row))

    async def forget(self, name: str, *, actor: Operator) -> bool:
        """Take its person from an account; return whether there was one.

        Raises `UnknownOperator`, and `Forbidden` for an actor who is no admin any more.
        """
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(
                SQL["forget_person"], actor.operator_id, name, actor.name
            )
        if verdict in _REFUSALS:
            raise _REFUSALS[verdict]
        return bool(verdict == "forgotten")

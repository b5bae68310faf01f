"""The sessions of operators on PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime

from inventory.kit.database import Pool, connection, load_queries
from waitroom.admin.accounts.proofs import How
from waitroom.admin.accounts.sign_in import SESSION_IDLE_S, SESSION_TOTAL_S, Operator

SQL = load_queries("waitroom.admin.accounts.sessions")
LISTED_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """A session of the operator who asks; `this` is the one that they ask in.

    `browser` and `network` are those of its last use.
    """

    session_id: int
    browser: str
    network: str
    how: How
    since: datetime
    used_at: datetime
    this: bool


class SessionStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sessions(self, operator: Operator) -> list[OwnSession]:
        """Return the open sessions of an operator: this one, then the one used last."""
        values = (operator.operator_id, _this(operator), SESSION_IDLE_S, SESSION_TOTAL_S)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_sessions"], *values, LISTED_MAX)
        return [OwnSession(**row) for row in rows]

    async def end(self, operator: Operator, session_id: int) -> bool:
        """End a session of an operator; return whether there was one of theirs."""
        async with connection(self._pool) as borrowed:
            return bool(
                await borrowed.fetchval(SQL["end_session"], operator.operator_id, session_id)
            )

    async def end_others(self, operator: Operator) -> int:
        """End all sessions of an operator but this one; return how many there were."""
        async with connection(self._pool) as borrowed:
            return int(
                await borrowed.fetchval(
                    SQL["end_other_sessions"], operator.operator_id, _this(operator)
                )
            )


def _this(operator: Operator) -> bytes:
    assert operator.session is not None, "a program has no session"
    return operator.session.fingerprint

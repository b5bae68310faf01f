"""Operators: who they are, how they sign in, what each role may do."""

import asyncio
import secrets
from dataclasses import dataclass
from hashlib import sha256

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from inventory.kit.database import Pool, connection
from inventory.kit.problem import BadRequest, Forbidden, Refusal
from inventory.kit.queries import load_queries

SQL = load_queries("waitroom.admin")

# What a role may do includes what those before it may do. A seller stands apart: they have their
# own products, stock and orders, and nothing else.
LADDER = ("viewer", "operator", "admin")
SELLER = "seller"
ROLES = (*LADDER, SELLER)
PASSWORD_LENGTH_MIN = 12
SESSION_IDLE_S = 2 * 3600
SESSION_TOTAL_S = 12 * 3600
# Hashing takes some 64 MiB and a core; more at once would starve the line.
HASHES_MAX = 2


class SignInNeeded(Refusal):
    code, status, title = "sign_in_needed", 401, "Please sign in."


class WrongPassword(Refusal):
    code, status, title = "wrong_password", 401, "That name and password do not match."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    operator_id: int
    name: str
    role: str

    @property
    def scope(self) -> int | None:
        """Return whose products alone may be seen and changed, or None for everybody's."""
        return self.operator_id if self.role == SELLER else None

    def require(self, role: str, *, sellers: bool = False) -> None:
        """Raise `Forbidden` unless this operator's role includes `role`.

        `sellers` lets sellers in besides; the action then keeps to their `scope`.
        """
        allowed = sellers if self.role == SELLER else LADDER.index(self.role) >= LADDER.index(role)
        if not allowed:
            raise Forbidden(f"This needs the role {role}; you are signed in as {self.role}.")


class OperatorStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._hasher = PasswordHasher()
        self._hashing = asyncio.Semaphore(HASHES_MAX)
        # Unknown names are checked against this, so that they take as long as known ones.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    async def add(self, name: str, *, role: str, password: str) -> None:
        """Add an operator; raises `BadRequest` for a name in use or a password too short."""
        if len(password) < PASSWORD_LENGTH_MIN:
            raise BadRequest(f"A password has at least {PASSWORD_LENGTH_MIN} letters.")
        if role not in ROLES:
            raise BadRequest(f"{role!r} is no role; the roles are {', '.join(ROLES)}.")
        hashed = await asyncio.to_thread(self._hasher.hash, password)
        async with connection(self._pool) as borrowed:
            try:
                await borrowed.execute(SQL["add_operator"], name, role, hashed)
            except asyncpg.UniqueViolationError as error:
                raise BadRequest(f"There is an operator {name!r} already.") from error

    async def any(self) -> bool:
        async with connection(self._pool) as borrowed:
            return bool(await borrowed.fetchval(SQL["any_operator"]))

    async def sign_in(self, name: str, password: str) -> str:
        """Return a new session's secret; raises `WrongPassword`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["find_operator"], name)
        hashed = row["password_hash"] if row else self._nobody
        async with self._hashing:
            good = await asyncio.to_thread(self._matches, hashed, password)
        if row is None or not good:
            raise WrongPassword
        secret = secrets.token_urlsafe(32)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(
                SQL["open_session"], _hash(secret), row["operator_id"], SESSION_TOTAL_S
            )
        return secret

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def operator(self, secret: str | None) -> Operator:
        """Return who holds this session's secret; raises `SignInNeeded`."""
        if not secret:
            raise SignInNeeded
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(
                SQL["use_session"], _hash(secret), SESSION_IDLE_S, SESSION_TOTAL_S
            )
        if row is None:
            raise SignInNeeded
        return Operator(**dict(row))

    async def sign_out(self, secret: str) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["close_session"], _hash(secret))


def _hash(secret: str) -> bytes:
    # The secret has 256 random bits, so a plain hash cannot be searched; a leaked table is useless.
    return sha256(secret.encode()).digest()

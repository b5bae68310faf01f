"""Operators: their accounts, their sign-in, and the rights of each role."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import BadRequest, Busy, Forbidden, Refusal
from waitroom.admin.accounts.codes import code_hash, fingerprint, make_code
from waitroom.admin.accounts.passwords import is_guessable, settled
from waitroom.admin.accounts.proofs import FRESH_S, How, OperatorSession
from waitroom.admin.accounts.refusals import (
    FreshSignInNeeded,
    LastAdmin,
    OwnAccount,
    PasswordGuessable,
    SignInNeeded,
    UnknownOperator,
    WrongCode,
    WrongPassword,
)
from waitroom.admin.accounts.scopes import Key, Scope

SQL = load_queries("waitroom.admin.accounts")

# Each role includes the rights of the roles before it. A seller stands apart, and has only their
# own products, stock and orders.
LADDER = ("viewer", "operator", "admin")
SELLER = "seller"
ROLES = (*LADDER, SELLER)
PASSWORD_LENGTH_MIN = 12
# The sign-in form accepts no more than this either.
PASSWORD_LENGTH_MAX = 1000
SESSION_IDLE_S = 2 * 3600
SESSION_TOTAL_S = 12 * 3600
# Strangers who wait to have a password hashed. A hash takes a quarter of a second, so the last one
# waits for some four.
STRANGERS_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The person who acts in a `session`, or a program with the rights of its `key`.

    The id of a program is negative.
    """

    operator_id: int
    name: str
    role: str
    key: Key | None = None
    session: OperatorSession | None = None

    @property
    def scope(self) -> int | None:
        """Return the operator to whose products this one is limited, or None for no limit."""
        return self.operator_id if self.role == SELLER else None

    def require_scope(self, *scopes: Scope) -> None:
        """Raise `ScopeLacking` for a program whose key has none of these; people need none."""
        if self.key is not None:
            self.key.require(*scopes)

    def require_room(self, room: str) -> None:
        """Raise `KeyNarrowed` for a program whose key does not work in this room."""
        if self.key is not None:
            self.key.require_room(room)

    def require_fresh(self) -> None:
        """Raise `FreshSignInNeeded` unless the person proved lately who they are.

        Programs need no proof: their key has its scopes.
        """
        if self.session is not None and not self.session.fresh:
            raise FreshSignInNeeded(ways=self.session.ways)

    def may(self, role: str, *, sellers: bool = False) -> bool:
        """Say whether this operator's role includes `role`, or sellers may too."""
        if self.role == SELLER:
            return sellers
        return LADDER.index(self.role) >= LADDER.index(role)

    def require(self, role: str, *, sellers: bool = False) -> None:
        """Raise `Forbidden` unless this operator's role includes `role`.

        With `sellers`, sellers are allowed too; the action then has to keep to their `scope`.
        """
        if not self.may(role, sellers=sellers):
            raise Forbidden(
                f"This needs the role {role}, and yours is {self.role}. An admin can change it."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The account whose password was checked, and the hash that it was checked against."""

    operator_id: int
    password_hash: str = field(repr=False)
    has_factor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An operator's account, with how many sessions it has and when the last one was used.

    `second_factor` says whether it has one, and `at_provider` whether a person of the identity
    provider is linked to it. `rooms` are those that admit a seller.
    """

    name: str
    role: str
    active: bool
    second_factor: bool
    at_provider: bool
    created_at: datetime
    sessions: int
    seen_at: datetime | None
    rooms: list[str]


# The refusals of `change_operator`.
_REFUSALS: dict[str, type[Refusal]] = {
    "unknown": UnknownOperator,
    "own_account": OwnAccount,
    "last_admin": LastAdmin,
    "not_admin": Forbidden,
}
_OF_SESSION = ("fingerprint", "how", "fresh", "authenticator", "passkey")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,62}")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadRequest(f"{role!r} is no role; the roles are {', '.join(ROLES)}.")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadRequest("A name has 1 to 63 letters, digits and signs of . _ @ + -", field="name")


@cache
def _hash_of_nobody() -> str:
    """Return a hash to check for unknown names, so that they take as long as known ones."""
    return PasswordHasher().hash(secrets.token_hex(16))


class Hashing:
    """Two hashes at a time, since each takes some 64 MiB and a core.

    One is for operators: those who are signed in, and browsers in which the operator has signed in
    before. The other is for everybody else.
    """

    def __init__(self) -> None:
        self._known = asyncio.Semaphore()
        self._others = asyncio.Semaphore()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, *, known: bool) -> AsyncIterator[None]:
        """Wait for a turn; raises `Busy` for a stranger where too many wait already."""
        if known:
            async with self._known:
                yield
            return
        if self._waiting >= STRANGERS_MAX:
            raise Busy(retry_after_s=5)
        self._waiting += 1
        try:
            async with self._others:
                yield
        finally:
            self._waiting -= 1


class OperatorStore:
    """`own_words` are the service's, such as its brand and host, which no password is made of."""

    def __init__(self, pool: Pool, *, own_words: Sequence[str] = ()) -> None:
        self._pool = pool
        self._own_words = tuple(own_words)
        self._hasher = PasswordHasher()
        self._hashing = Hashing()

    async def add(self, name: str, *, role: str, password: str, who: str = "cli") -> None:
        """Add an operator; raises `BadRequest` for a name in use and for a password of no use.

        Names that differ in capitals alone are the same name.
        """
        _check_name(name)
        _check_role(role)
        hashed = await self._hash(password, name=name)
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(SQL["add_operator"], name, role, hashed, who):
                raise BadRequest(
                    f"There is an operator {name!r} already. Choose another name.", field="name"
                )

    async def offer_first(self) -> str | None:
        """Return a code with which the first admin can make their account, once.

        It replaces an earlier code. Returns None when there is an operator, who can add others.
        """
        code = make_code()
        async with connection(self._pool) as borrowed:
            offered = await borrowed.fetchval(SQL["offer_first_account"], code_hash(code))
        return code if offered else None

    async def add_first(self, name: str, *, password: str, code: str) -> None:
        """Make the first admin's account; raises `BadRequest` for a value that cannot be used.

        Raises `WrongCode` for another code than the newest, and once there is an operator.
        """
        _check_name(name)
        hashed = await self._hash(password, name=name)
        given = code_hash(code)
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["make_first_account"], name, hashed, given)
        if verdict != "made":
            raise WrongCode

    async def accounts(self) -> list[Account]:
        """Return all accounts by name, with how many sessions each has."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_operators"], SESSION_IDLE_S, SESSION_TOTAL_S)
        return [Account(**row) for row in rows]

    async def admins(self) -> list[str]:
        """Return the names of those who can change an operator's role."""
        return [one.name for one in await self.accounts() if one.role == "admin" and one.active]

    async def change(
        self,
        name: str,
        *,
        actor: Operator | None,
        role: str | None = None,
        active: bool | None = None,
        password: str | None = None,
    ) -> bool:
        """Change an account and sign its operator out; return False if nothing was to change.

        `actor` is the admin who asks, None for the command line. Raises `OwnAccount`, `LastAdmin`,
        `UnknownOperator`.
        """
        if role is not None:
            _check_role(role)
        hashed = None if password is None else await self._hash(password, name=name)
        by_whom = (actor.operator_id, actor.name) if actor else (None, "cli")
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(
                SQL["change_operator"], by_whom[0], name, role, active, hashed, by_whom[1]
            )
        if verdict in _REFUSALS:
            raise _REFUSALS[verdict]
        return bool(verdict == "changed")

    async def sign_out_everywhere(self, name: str, *, who: str) -> int:
        """End an operator's sessions and return how many there were; raises `UnknownOperator`."""
        async with connection(self._pool) as borrowed:
            ended = await borrowed.fetchval(SQL["sign_out_operator"], name, who)
        if ended is None:
            raise UnknownOperator
        return int(ended)

    async def change_password(self, operator: Operator, *, old: str, new: str) -> str:
        """Give an operator another password and return the secret of the one session left.

        Raises `WrongPassword` when `old` is not theirs.
        """
        held = await self.check(operator.name, old)
        hashed = await self._hash(new, name=operator.name)
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(
                SQL["change_own_password"], operator.operator_id, held.password_hash, hashed
            ):
                raise WrongPassword
        # A session that is open has the second factor behind it, if there is one.
        how: How = "second" if held.has_factor else "password"
        return await self.open(operator.operator_id, how=how, password_hash=hashed)

    async def any(self) -> bool:
        async with connection(self._pool) as borrowed:
            return bool(await borrowed.fetchval(SQL["any_operator"]))

    async def sign_in(self, name: str, password: str) -> str:
        """Return a new session's secret; raises `WrongPassword`.

        So it does for an operator with a second factor: their password alone opens no session.
        """
        held = await self.check(name, password)
        return await self.open(held.operator_id, how="password", password_hash=held.password_hash)

    async def check(self, name: str, password: str, *, known: bool = True) -> Held:
        """Return the account of this name and password; raises `WrongPassword`.

        `known` says whether the operator has signed in before in the browser that asks; others
        may get `Busy`.
        """
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["find_operator"], name)
        async with self._hashing.turn(known=known):
            # The hash is made at a process's first sign-in, for any name, so its time reveals
            # nothing.
            nobody = await asyncio.to_thread(_hash_of_nobody)
            hashed = row["password_hash"] if row else nobody
            good = await asyncio.to_thread(self._matches, hashed, password)
        if row is None or not good:
            raise WrongPassword
        return Held(**dict(row))

    async def open(self, operator_id: int, *, how: How, password_hash: str | None = None) -> str:
        """Return the secret of a new session of an operator who has proved who they are.

        Raises `WrongPassword` when the account is shut, or no longer has this password's hash.
        """
        secret = secrets.token_urlsafe(32)
        values = (fingerprint(secret), operator_id, password_hash, how, SESSION_TOTAL_S)
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(SQL["open_session"], *values):
                raise WrongPassword
        return secret

    async def _hash(self, password: str, *, name: str) -> str:
        password = settled(password)
        if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
            raise BadRequest(
                f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} letters.",
                field="password",
            )
        async with self._hashing.turn(known=True):
            if await asyncio.to_thread(is_guessable, password, (name, *self._own_words)):
                raise PasswordGuessable(field="password")
            return await asyncio.to_thread(self._hasher.hash, password)

    def _matches(self, hashed: str, password: str) -> bool:
        # A hash may be of the letters as they were typed, from before they had one form.
        for form in dict.fromkeys((settled(password), password)):
            try:
                return self._hasher.verify(hashed, form)
            except (VerificationError, InvalidHashError):
                continue
        return False

    async def operator(
        self, secret: str | None, *, network: str = "", browser: str = ""
    ) -> Operator:
        """Return the operator of a session secret; raises `SignInNeeded`.

        `network` and `browser` are those from which the session is used.
        """
        if not secret:
            raise SignInNeeded
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(
                SQL["use_session"],
                fingerprint(secret),
                SESSION_IDLE_S,
                SESSION_TOTAL_S,
                FRESH_S,
                network,
                browser,
            )
        if row is None:
            raise SignInNeeded
        operator_id, name, role, *rest = row.values()
        session = OperatorSession(**dict(zip(_OF_SESSION, rest, strict=True)))
        return Operator(operator_id=operator_id, name=name, role=role, session=session)

    async def prove(self, operator: Operator) -> None:
        """Note that the person of a session has just proved who they are."""
        assert operator.session is not None, "a program has nothing to prove"
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["prove_session"], operator.session.fingerprint)

    async def sign_out(self, secret: str) -> str | None:
        """End a session and return its operator's name, or None if there was no such session."""
        async with connection(self._pool) as borrowed:
            named: str | None = await borrowed.fetchval(SQL["close_session"], fingerprint(secret))
        return named

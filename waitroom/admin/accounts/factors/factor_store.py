"""The second factors of operators in PostgreSQL, and the steps of a sign-in between two proofs."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import Forbidden
from waitroom.admin.accounts.codes import code_hash, fingerprint, make_code
from waitroom.admin.accounts.factors.passkeys import KnownPasskey, NewPasskey
from waitroom.admin.accounts.refusals import (
    AuthenticatorKnown,
    NoFactor,
    OwnAccount,
    PasskeyKnown,
    TooManyPasskeys,
    UnknownFactor,
    UnknownOperator,
)
from waitroom.admin.accounts.sign_in import Held, Operator

SQL = load_queries("waitroom.admin.accounts.factors")

PASSKEYS_MAX = 20
RECOVERY_CODES = 10
# Wrong codes in a row after which no more are looked at. Three of a million codes are right at a
# time, so guesses hardly ever succeed.
MISSES_MAX = 100
CHALLENGE_S = 300
# Two megabytes. To push an operator's challenge out while it is being signed takes thousands of
# networks, since each gets as many challenges as it has tries at passwords.
CHALLENGES_OF_STRANGERS_MAX = 10_000
STEP_S = 600

Act = Literal["sign_in", "prove", "add"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey as its operator sees it."""

    passkey_id: int
    name: str
    made_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """The second factors of an operator; `authenticator_since` is None without a confirmed app."""

    authenticator_since: datetime | None
    passkeys: list[Passkey]
    recovery_codes_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The app against which a code is tried, at the database's time."""

    sealed: bytes = field(repr=False)
    last_step: int
    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A sign-in whose password was right, and the second factors that it may go on with."""

    operator_id: int
    name: str
    password_hash: str = field(repr=False)
    authenticator: bool
    passkey: bool


class FactorStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def factors(self, operator_id: int) -> Factors:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_factors"], operator_id)
            rows = await borrowed.fetch(SQL["list_passkeys"], operator_id)
        assert row is not None, "an operator who is signed in exists"
        return Factors(
            authenticator_since=row["authenticator_since"],
            passkeys=[Passkey(**one) for one in rows],
            recovery_codes_left=row["recovery_codes_left"],
        )

    # Authenticator apps.

    async def offer_authenticator(self, operator_id: int, sealed: bytes) -> None:
        """Keep the secret of an app that is still to be confirmed, in place of an earlier one.

        Raises `AuthenticatorKnown` where an app counts already.
        """
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(SQL["offer_authenticator"], operator_id, sealed):
                raise AuthenticatorKnown

    async def offered(self, operator_id: int) -> Tried:
        """Return the app that is still to be confirmed; raises `UnknownFactor`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_offered"], operator_id)
        if row is None:
            raise UnknownFactor
        return Tried(sealed=row["sealed"], last_step=0, now_s=row["now_s"])

    async def confirm_authenticator(self, operator: Operator, offered: Tried, step: int) -> None:
        """Let an app count; all other sessions of its operator end. Raises `UnknownFactor`."""
        assert operator.session is not None, "a person sets up an app"
        values = (operator.operator_id, offered.sealed, step, operator.session.fingerprint)
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(SQL["confirm_authenticator"], *values):
                raise UnknownFactor

    async def try_code(self, operator_id: int, *, known: bool) -> Tried | None:
        """Count a try, and return what to try a code against; None after too many wrong ones.

        `known` says whether the operator has signed in with this browser before.
        """
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["try_code"], operator_id, known, MISSES_MAX)
        return None if row is None or row["sealed"] is None else Tried(**row)

    async def use_code(self, operator_id: int, step: int, sealed: bytes) -> bool:
        """Use a right code up; return False if another request was first."""
        async with connection(self._pool) as borrowed:
            return bool(await borrowed.fetchval(SQL["use_code"], operator_id, step, sealed))

    # Passkeys.

    async def credentials(self, operator_id: int) -> list[bytes]:
        """Return the credential ids of an operator's passkeys."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_credentials"], operator_id)
        return [row["credential_id"] for row in rows]

    async def add_passkey(self, operator: Operator, new: NewPasskey, name: str) -> None:
        """Add a passkey; all other sessions end. Raises `PasskeyKnown`, `TooManyPasskeys`."""
        assert operator.session is not None, "a person adds a passkey"
        values = (operator.operator_id, new.credential_id, new.public_key, new.sign_count, name)
        session = operator.session.fingerprint
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["add_passkey"], *values, PASSKEYS_MAX, session)
        if verdict != "added":
            raise PasskeyKnown if verdict == "known" else TooManyPasskeys

    async def find_passkey(self, credential_id: bytes) -> KnownPasskey | None:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["find_passkey"], credential_id)
        return KnownPasskey(**row) if row else None

    async def use_passkey(self, passkey_id: int, sign_count: int) -> bool:
        """Keep the counter of a passkey that signed; return False if it did not grow."""
        async with connection(self._pool) as borrowed:
            return bool(await borrowed.fetchval(SQL["use_passkey"], passkey_id, sign_count))

    async def keep_challenge(self, challenge: bytes, act: Act, operator_id: int | None) -> None:
        """Keep a challenge for `CHALLENGE_S`, for one act of one operator or for a sign-in.

        Anyone may ask for one to sign in with. Of these only the newest are kept.
        """
        # The new one comes on top of those that are left.
        others = CHALLENGES_OF_STRANGERS_MAX - 1
        values = (_hash(challenge), act, operator_id, CHALLENGE_S, others)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["keep_challenge"], *values)

    async def take_challenge(self, challenge: bytes, act: Act, operator_id: int | None) -> bool:
        """Spend a challenge; return whether it was given out lately for this act and operator."""
        values = (_hash(challenge), act, operator_id, CHALLENGE_S)
        async with connection(self._pool) as borrowed:
            return bool(await borrowed.fetchval(SQL["take_challenge"], *values))

    # Recovery codes.

    async def renew_recovery_codes(self, operator_id: int) -> list[str]:
        """Return new codes in place of all older ones; raises `NoFactor`."""
        codes = [make_code() for _ in range(RECOVERY_CODES)]
        hashes = [code_hash(code) for code in codes]
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(SQL["set_recovery_codes"], operator_id, hashes):
                raise NoFactor
        return codes

    async def use_recovery_code(self, operator_id: int, code: str) -> bool:
        """Use a recovery code up; return False for a wrong one and for one that was used."""
        async with connection(self._pool) as borrowed:
            return bool(
                await borrowed.fetchval(SQL["use_recovery_code"], operator_id, code_hash(code))
            )

    # Taking factors away.

    async def remove(self, operator_id: int, *, passkey_id: int | None = None) -> None:
        """Take away a passkey or, without its id, the app; raises `UnknownFactor`."""
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(SQL["remove_factor"], operator_id, passkey_id):
                raise UnknownFactor

    async def remove_all(self, name: str, *, actor: Operator | None) -> bool:
        """Take all factors of an operator away and sign them out; return False without any.

        `actor` is the admin who asks, None for the command line. Raises `UnknownOperator`,
        `OwnAccount`.
        """
        by_whom = (actor.operator_id, actor.name) if actor else (None, "cli")
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["remove_factors"], by_whom[0], name, by_whom[1])
        if verdict == "unknown":
            raise UnknownOperator
        if verdict == "own_account":
            raise OwnAccount
        if verdict == "not_admin":
            raise Forbidden
        return bool(verdict == "removed")

    # A sign-in between the password and the second factor.

    async def begin_step(self, held: Held) -> str:
        """Return the secret of a sign-in that goes on with a second factor."""
        secret = secrets.token_urlsafe(32)
        values = (fingerprint(secret), held.operator_id, held.password_hash, STEP_S)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["begin_step"], *values)
        return secret

    async def step(self, secret: str) -> Step | None:
        """Return the sign-in of this secret, None when it is over or the password is another."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_step"], fingerprint(secret), STEP_S)
        return Step(**row) if row else None

    async def end_step(self, secret: str) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["end_step"], fingerprint(secret))


def _hash(challenge: bytes) -> bytes:
    return fingerprint(challenge.hex())

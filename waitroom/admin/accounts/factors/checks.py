"""Checks of second factors: each code and each challenge works once, for every kind of act."""

import secrets

from aiohttp import web

from inventory.kit.doors.decoding import Json
from waitroom.admin.accounts.factors.authenticator import Authenticators
from waitroom.admin.accounts.factors.factor_store import Act, FactorStore
from waitroom.admin.accounts.factors.passkeys import (
    CHALLENGE_BYTES,
    Credential,
    KnownPasskey,
    Passkeys,
)
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.refusals import (
    CodesUsedUp,
    PasskeysUnavailable,
    WrongFactor,
    WrongPasskey,
)

# Tries at second factors have buckets apart from those of passwords.
TRIES = "second-factor"


class FactorChecks:
    """Checks codes and passkeys, within the bounds on tries."""

    def __init__(
        self,
        guard: Guard,
        *,
        store: FactorStore,
        authenticators: Authenticators,
        passkeys: Passkeys,
    ) -> None:
        self._guard = guard
        self.store = store
        self.authenticators = authenticators
        self.passkeys = passkeys

    async def check_code(
        self, request: web.Request, operator_id: int, name: str, code: str
    ) -> None:
        """Use a code of the operator's app up.

        Raises `WrongFactor`, `CodesUsedUp`, `TooManyRequests`.
        """
        await self._guard.limit_attempts(request, name, of=TRIES)
        known = self._guard.device_of(request, name) is not None
        tried = await self.store.try_code(operator_id, known=known)
        if tried is None:
            await self._failed(request, name, "authenticator")
            raise CodesUsedUp
        step = self.authenticators.step_of(
            operator_id, tried.sealed, code, now_s=tried.now_s, after=tried.last_step
        )
        if step is not None:
            sealed = self.authenticators.resealed(operator_id, tried.sealed)
            if await self.store.use_code(operator_id, step, sealed):
                return
        await self._failed(request, name, "authenticator")
        raise WrongFactor

    async def _failed(self, request: web.Request, name: str, factor: str) -> None:
        await self._guard.events.note("factor_failed", name, request, factor=factor)

    async def check_recovery_code(
        self, request: web.Request, operator_id: int, name: str, code: str
    ) -> None:
        """Use a recovery code up; raises `WrongFactor`, `TooManyRequests`."""
        await self._guard.limit_attempts(request, name, of=TRIES)
        if not await self.store.use_recovery_code(operator_id, code):
            await self._failed(request, name, "recovery_code")
            raise WrongFactor
        await self._guard.events.note("recovery_code_used", name, request)

    async def challenge(self, act: Act, operator_id: int | None) -> bytes:
        """Return a new challenge; raises `PasskeysUnavailable` where no passkey can work."""
        if not self.passkeys.origin:
            raise PasskeysUnavailable
        made = secrets.token_bytes(CHALLENGE_BYTES)
        await self.store.keep_challenge(made, act, operator_id)
        return made

    async def proving_body(self, operator_id: int) -> Json:
        """Return what a browser needs to sign with a passkey of this operator."""
        known = await self.store.credentials(operator_id)
        return self.passkeys.proving_body(await self.challenge("prove", operator_id), known=known)

    async def sign_in_body(self) -> Json:
        """Return what a browser needs to sign in with the passkey of any operator."""
        return self.passkeys.proving_body(await self.challenge("sign_in", None), known=[])

    async def check_passkey(
        self, request: web.Request, credential: Credential, act: Act, operator_id: int | None
    ) -> KnownPasskey:
        """Return the passkey that signed a challenge for this act; raises `WrongPasskey`.

        With an `operator_id` it must be that operator's.
        """
        known = await self.store.find_passkey(credential.credential_id)
        try:
            # A wrong answer spends the challenge too.
            await self.spend(credential, act, operator_id)
            if known is None or (operator_id is not None and known.operator_id != operator_id):
                raise WrongPasskey
            count = self.passkeys.count_of(credential, known)
            if not await self.store.use_passkey(known.passkey_id, count):
                raise WrongPasskey
        except WrongPasskey:
            await self._failed(request, known.operator if known else "", "passkey")
            raise
        return known

    async def spend(self, credential: Credential, act: Act, operator_id: int | None) -> None:
        """Spend the challenge that a credential signed; raises `WrongPasskey`."""
        if not self.passkeys.origin:
            raise PasskeysUnavailable
        if not await self.store.take_challenge(credential.challenge, act, operator_id):
            raise WrongPasskey

"""Fresh proofs before dangerous acts: a small page for browsers, and the calls of the screens."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.described import described
from inventory.kit.http import json_response, read_body, read_form, read_query
from inventory.kit.problem import BadRequest, Refusal, TooManyRequests
from waitroom.admin.accounts.factors.checks import FactorChecks
from waitroom.admin.accounts.factors.passkeys import Credential
from waitroom.admin.accounts.guard import CONFIRM, Action, Guard, Handler, own_address
from waitroom.admin.accounts.proofs import OperatorSession, Way
from waitroom.admin.accounts.refusals import (
    CodesUsedUp,
    PasskeysUnavailable,
    WrongFactor,
    WrongPasskey,
    WrongPassword,
)
from waitroom.admin.accounts.sign_in import PASSWORD_LENGTH_MAX, Operator, OperatorStore
from waitroom.admin.screens import Screens

# Proofs that are tried from a session have buckets of their own: no stranger uses them up.
TRIES = "proof"


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One proof of who the operator is."""

    password: Annotated[str, Meta(max_length=PASSWORD_LENGTH_MAX)] = ""
    code: Annotated[str, Meta(max_length=100)] = ""
    passkey: Credential | None = None


class ProofState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the last proof is fresh enough for dangerous acts, and the ways to give another."""

    fresh: bool
    ways: list[Way]


class PasskeyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The argument of `navigator.credentials`, in the JSON of WebAuthn."""

    options: Json


_PROOF = msgspec.json.Decoder(Proof)


class ProofsApi:
    def __init__(
        self, guard: Guard, *, operators: OperatorStore, checks: FactorChecks, screens: Screens
    ) -> None:
        self._guard = guard
        self._operators = operators
        self._checks = checks
        self._screens = screens

    def routes(self) -> list[web.RouteDef]:
        def open_to_all(action: Action) -> Handler:
            return self._guard.as_role("viewer", action, sellers=True, before_factor=True)

        return [
            web.get(CONFIRM, open_to_all(self.show)),
            web.post(CONFIRM, open_to_all(self.confirm)),
            web.get("/admin/proofs", open_to_all(self.read)),
            web.post("/admin/proofs", open_to_all(self.prove)),
            web.post("/admin/proofs/options", open_to_all(self.options)),
        ]

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        """Ask for a proof, and lead back to where the operator came from."""
        return await self._page(operator, own_address(read_query(request).get("to", "")))

    async def _page(
        self, operator: Operator, to: str, refusal: Refusal | None = None
    ) -> web.Response:
        page = await self._screens.render(
            operator,
            "confirm",
            to=to,
            ways=_session_of(operator).ways,
            passkey_origin=self._checks.passkeys.origin,
            problem=refusal.body() if refusal else None,
        )
        if refusal:
            page.set_status(refusal.status)
            page.headers.update(refusal.headers)
        return page

    async def confirm(self, request: web.Request, operator: Operator) -> web.Response:
        """Take a proof from the page's form."""
        form = await read_form(request)
        to = own_address(form.get("to", ""))
        proof = Proof(
            password=form.get("password", "")[:PASSWORD_LENGTH_MAX], code=form.get("code", "")[:100]
        )
        try:
            await self._take(request, operator, proof)
        except (WrongPassword, WrongFactor, CodesUsedUp, TooManyRequests, BadRequest) as refusal:
            return await self._page(operator, to, refusal)
        raise web.HTTPSeeOther(to)

    @described(answer=ProofState)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """Say whether the operator proved lately who they are, and how they can."""
        session = _session_of(operator)
        return json_response(ProofState(fresh=session.fresh, ways=session.ways))

    @described(
        body=Proof,
        status=204,
        refusals=(WrongPassword, WrongFactor, WrongPasskey, CodesUsedUp, PasskeysUnavailable),
    )
    async def prove(self, request: web.Request, operator: Operator) -> web.Response:
        """Take a password, a code of an app or a passkey as a fresh proof."""
        await self._take(request, operator, await read_body(request, _PROOF))
        return web.Response(status=204)

    async def _take(self, request: web.Request, operator: Operator, proof: Proof) -> None:
        """Check the one proof that was given, and note it in the session."""
        number = operator.operator_id
        await self._guard.limit_session(operator, of=TRIES)
        if proof.passkey is not None:
            await self._checks.check_passkey(request, proof.passkey, "prove", number)
        elif proof.code.strip():
            await self._checks.check_code(request, number, operator.name, proof.code)
        elif proof.password and "password" in _session_of(operator).ways:
            await self._check_password(request, operator, proof.password)
        else:
            raise BadRequest("Give your password, a code or a passkey.", field="password")
        await self._operators.prove(operator)
        await self._guard.events.note("signed_in_again", operator.name, request)

    async def _check_password(self, request: web.Request, operator: Operator, typed: str) -> None:
        try:
            await self._operators.check(operator.name, typed)
        except WrongPassword:
            await self._guard.events.note("sign_in_failed", operator.name, request, at="proof")
            raise

    @described(answer=PasskeyOptions, refusals=(PasskeysUnavailable,))
    async def options(self, request: web.Request, operator: Operator) -> web.Response:
        """Return what a browser needs to sign with a passkey."""
        await self._guard.limit_session(operator, of=TRIES)
        options = await self._checks.proving_body(operator.operator_id)
        return json_response(PasskeyOptions(options=options))


def _session_of(operator: Operator) -> OperatorSession:
    assert operator.session is not None, "these routes are closed to keys"
    return operator.session

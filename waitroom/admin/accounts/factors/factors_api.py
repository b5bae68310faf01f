"""The second factors of one's own account, and those of others in the hands of an admin."""

from datetime import datetime
from io import BytesIO
from typing import Annotated

import msgspec
import segno
from aiohttp import web
from msgspec import Meta

from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.texts import Name
from inventory.kit.http import PRIVATE, json_response, read_body
from inventory.kit.problem import NotFound, TooManyRequests
from waitroom.admin.accounts.events import Kind
from waitroom.admin.accounts.factors.checks import TRIES, FactorChecks
from waitroom.admin.accounts.factors.factor_store import Passkey
from waitroom.admin.accounts.factors.passkeys import Credential
from waitroom.admin.accounts.factors.proofs_api import PasskeyOptions
from waitroom.admin.accounts.guard import Action, Guard, Handler
from waitroom.admin.accounts.refusals import (
    AuthenticatorKnown,
    NoFactor,
    OwnAccount,
    PasskeyKnown,
    PasskeysUnavailable,
    TooManyPasskeys,
    UnknownFactor,
    UnknownOperator,
    WrongFactor,
    WrongPasskey,
)
from waitroom.admin.accounts.sign_in import Operator

_PASSKEY_ID_MAX = 2**31 - 1


class OwnFactors(msgspec.Struct, frozen=True, kw_only=True):
    """The second factors of the operator who asks.

    `authenticator_since` is null without an app; `required` says whether every operator must have
    a factor. `passkey_origin` is the one address at which passkeys work, "" for none.
    """

    authenticator_since: datetime | None
    passkeys: list[Passkey]
    recovery_codes_left: int
    required: bool
    passkey_origin: str


class NewAuthenticator(msgspec.Struct, frozen=True, kw_only=True):
    """The secret of an app, to be typed into it or read from the QR code of `address`."""

    key: str
    address: str


class CodeGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, Meta(max_length=100)]


class PasskeyMade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    passkey: Credential


class FactorAdded(msgspec.Struct, frozen=True, kw_only=True):
    """Recovery codes, shown this once, where the factor is the first; else null."""

    recovery_codes: list[str] | None


class RecoveryCodes(msgspec.Struct, frozen=True, kw_only=True):
    """New recovery codes, shown this once. Older ones have ended."""

    recovery_codes: list[str]


class FactorsRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the operator had any."""

    removed: bool


_CODE = msgspec.json.Decoder(CodeGiven)
_MADE = decoder(PasskeyMade)


class FactorsApi:
    def __init__(self, guard: Guard, *, checks: FactorChecks) -> None:
        self._guard = guard
        self._checks = checks
        self._store = checks.store
        self._authenticators = checks.authenticators

    def routes(self) -> list[web.RouteDef]:
        def own(action: Action, *, fresh: bool = True) -> Handler:
            return self._guard.as_role(
                "viewer", action, sellers=True, fresh=fresh, before_factor=True
            )

        account = "/admin/account"
        return [
            web.get(f"{account}/factors", own(self.read, fresh=False)),
            web.post(f"{account}/authenticator", own(self.offer)),
            web.get(f"{account}/authenticator.svg", own(self.show_code)),
            web.post(f"{account}/authenticator/confirm", own(self.confirm)),
            web.delete(f"{account}/authenticator", own(self.remove_authenticator)),
            web.post(f"{account}/passkeys/options", own(self.options)),
            web.post(f"{account}/passkeys", own(self.add_passkey)),
            web.delete(f"{account}/passkeys/{{passkey:[0-9]{{1,10}}}}", own(self.remove_passkey)),
            web.post(f"{account}/recovery-codes", own(self.renew)),
            web.delete(
                "/admin/operators/{name}/factors",
                self._guard.as_role("admin", self.remove_all, fresh=True),
            ),
        ]

    @described(answer=OwnFactors)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """List one's own second factors."""
        found = await self._store.factors(operator.operator_id)
        return json_response(
            OwnFactors(
                authenticator_since=found.authenticator_since,
                passkeys=found.passkeys,
                recovery_codes_left=found.recovery_codes_left,
                required=self._guard.second_factor_required,
                passkey_origin=self._checks.passkeys.origin,
            )
        )

    @described(answer=NewAuthenticator, status=201, refusals=(AuthenticatorKnown,))
    async def offer(self, request: web.Request, operator: Operator) -> web.Response:
        """Make the secret of an authenticator app. It counts once a code has confirmed it."""
        sealed = self._authenticators.new(operator.operator_id)
        await self._store.offer_authenticator(operator.operator_id, sealed)
        return json_response(self._told(operator, sealed), status=201)

    def _told(self, operator: Operator, sealed: bytes) -> NewAuthenticator:
        key = self._authenticators.secret(operator.operator_id, sealed)
        if key is None:
            raise UnknownFactor
        return NewAuthenticator(key=key, address=self._authenticators.address(key, operator.name))

    async def show_code(self, request: web.Request, operator: Operator) -> web.Response:
        """Show the QR code of an app that is still to be confirmed."""
        offered = await self._store.offered(operator.operator_id)
        picture = BytesIO()
        code = segno.make_qr(self._told(operator, offered.sealed).address)
        code.save(picture, kind="svg", scale=5, border=4, light="#ffffff")
        return web.Response(
            body=picture.getvalue(), headers={**PRIVATE, "Content-Type": "image/svg+xml"}
        )

    @described(
        body=CodeGiven, answer=FactorAdded, refusals=(WrongFactor, UnknownFactor, TooManyRequests)
    )
    async def confirm(self, request: web.Request, operator: Operator) -> web.Response:
        """Let an app count by a first code of it. All other sessions of the operator end."""
        wish = await read_body(request, _CODE)
        await self._guard.limit_session(operator, of=TRIES)
        number = operator.operator_id
        offered = await self._store.offered(number)
        step = self._authenticators.step_of(
            number, offered.sealed, wish.code, now_s=offered.now_s, after=offered.last_step
        )
        if step is None:
            raise WrongFactor
        await self._store.confirm_authenticator(operator, offered, step)
        return json_response(await self._added(request, operator, "authenticator"))

    async def _note(
        self, kind: Kind, request: web.Request, operator: Operator, factor: str
    ) -> None:
        await self._guard.events.note(kind, operator.name, request, factor=factor)

    async def _added(self, request: web.Request, operator: Operator, factor: str) -> FactorAdded:
        """Return the recovery codes that come with the first factor."""
        await self._note("factor_added", request, operator, factor)
        before = operator.session
        if before is not None and (before.authenticator or before.passkey):
            return FactorAdded(recovery_codes=None)
        codes = await self._store.renew_recovery_codes(operator.operator_id)
        return FactorAdded(recovery_codes=codes)

    @described(status=204, refusals=(UnknownFactor,))
    async def remove_authenticator(self, request: web.Request, operator: Operator) -> web.Response:
        """Remove one's authenticator app."""
        await self._store.remove(operator.operator_id)
        await self._note("factor_removed", request, operator, "authenticator")
        return web.Response(status=204)

    @described(answer=PasskeyOptions, refusals=(PasskeysUnavailable,))
    async def options(self, request: web.Request, operator: Operator) -> web.Response:
        """Return what a browser needs to make a passkey."""
        await self._guard.limit_session(operator, of=TRIES)
        number = operator.operator_id
        options = self._checks.passkeys.adding_body(
            await self._checks.challenge("add", number),
            operator_id=number,
            name=operator.name,
            known=await self._store.credentials(number),
        )
        return json_response(PasskeyOptions(options=options))

    @described(
        body=PasskeyMade,
        answer=FactorAdded,
        status=201,
        refusals=(WrongPasskey, PasskeyKnown, TooManyPasskeys, PasskeysUnavailable),
    )
    async def add_passkey(self, request: web.Request, operator: Operator) -> web.Response:
        """Add a passkey that the browser has made. All other sessions of the operator end."""
        wish = await read_body(request, _MADE)
        await self._checks.spend(wish.passkey, "add", operator.operator_id)
        new = self._checks.passkeys.added(wish.passkey)
        await self._store.add_passkey(operator, new, wish.name)
        return json_response(await self._added(request, operator, "passkey"), status=201)

    @described(status=204, refusals=(UnknownFactor,))
    async def remove_passkey(self, request: web.Request, operator: Operator) -> web.Response:
        """Remove one of one's passkeys."""
        number = int(request.match_info["passkey"])
        if number > _PASSKEY_ID_MAX:
            raise UnknownFactor
        await self._store.remove(operator.operator_id, passkey_id=number)
        await self._note("factor_removed", request, operator, "passkey")
        return web.Response(status=204)

    @described(answer=RecoveryCodes, refusals=(NoFactor,))
    async def renew(self, request: web.Request, operator: Operator) -> web.Response:
        """Make new recovery codes. The older ones end."""
        codes = await self._store.renew_recovery_codes(operator.operator_id)
        await self._guard.events.note("recovery_codes_made", operator.name, request)
        return json_response(RecoveryCodes(recovery_codes=codes))

    @described(answer=FactorsRemoved, refusals=(UnknownOperator, OwnAccount, NotFound))
    async def remove_all(self, request: web.Request, operator: Operator) -> web.Response:
        """Remove all second factors of another operator, who is signed out everywhere."""
        name = request.match_info["name"]
        removed = await self._store.remove_all(name, actor=operator)
        if removed:
            await self._guard.events.note("factor_removed", operator.name, request, operator=name)
        return json_response(FactorsRemoved(removed=removed))

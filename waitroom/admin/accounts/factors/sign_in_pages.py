"""The sign-in: name and password, then a second factor, or a passkey alone; and the sign-out."""

import msgspec
from aiohttp import web
from yarl import URL

from inventory.kit.http import json_response, read_body, read_form, read_query
from inventory.kit.limits.classes import SIGN_INS, limited_as
from inventory.kit.pages import Pages
from inventory.kit.problem import Refusal, TooManyRequests
from waitroom.admin.accounts.events import Kind
from waitroom.admin.accounts.factors.checks import TRIES, FactorChecks
from waitroom.admin.accounts.factors.factor_store import STEP_S, Step
from waitroom.admin.accounts.factors.passkeys import Credential
from waitroom.admin.accounts.guard import SIGN_IN, Guard, own_address, sent
from waitroom.admin.accounts.refusals import (
    CodesUsedUp,
    SignInNeeded,
    WrongFactor,
    WrongPassword,
)
from waitroom.admin.accounts.sign_in import OperatorStore

STEP_COOKIE = "waitroom_step"
SECOND = f"{SIGN_IN}/second"
CODE_LENGTH_MAX = 100
_Answer = web.Response | web.HTTPException


class PasskeySignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passkey that signed, and the screen to which its operator wants to go."""

    passkey: Credential
    to: str = ""


_PASSKEY = msgspec.json.Decoder(PasskeySignIn)


class SignInPages:
    """`provider` says whether operators may also sign in at an identity provider."""

    def __init__(
        self,
        guard: Guard,
        *,
        operators: OperatorStore,
        checks: FactorChecks,
        pages: Pages,
        provider: bool,
    ) -> None:
        self._guard = guard
        self._provider = provider
        self._operators = operators
        self._checks = checks
        self._steps = checks.store
        self._pages = pages
        self._cookie = guard.prefix + STEP_COOKIE

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(SIGN_IN, self.show_login),
            web.post(SIGN_IN, self.sign_in),
            web.post(f"{SIGN_IN}/options", self.passkey_options),
            web.post(f"{SIGN_IN}/passkey", self.sign_in_with_passkey),
            web.get(SECOND, self.show_second),
            web.post(SECOND, self.give_code),
            web.post(f"{SECOND}/options", self.second_options),
            web.post(f"{SECOND}/passkey", self.give_passkey),
            web.post("/admin/logout", self.sign_out),
        ]

    async def show_login(self, request: web.Request) -> web.Response:
        """Ask for name and password; a service without any operator is set up first."""
        if not await self._operators.any():
            raise web.HTTPSeeOther("/admin/first")
        return self._login_page(own_address(read_query(request).get("to", "")))

    def _login_page(self, to: str, refusal: Refusal | None = None) -> web.Response:
        return self._page("login.html", "Sign in", refusal, to=to)

    def _page(
        self, template: str, title: str, refusal: Refusal | None, **values: object
    ) -> web.Response:
        """Render a page of the sign-in, with the refusal of what was sent."""
        context = {
            "problem": refusal.body() if refusal else None,
            "passkey_origin": self._checks.passkeys.origin,
            "provider": self._provider,
            **values,
        }
        status = refusal.status if refusal else 200
        page = self._pages.render(template, context, title=title, status=status)
        if refusal:
            page.headers.update(refusal.headers)
        return page

    @limited_as(SIGN_INS)
    async def sign_in(self, request: web.Request) -> web.Response:
        """Take name and password; lead on to the second factor if the operator has one."""
        form = await read_form(request)
        to = own_address(form.get("to", ""))
        name, password = str(form.get("name", ""))[:200], str(form.get("password", ""))[:1000]
        try:
            await self._guard.limit_attempts(request, name)
            known = self._guard.device_of(request, name) is not None
            held = await self._operators.check(name, password, known=known)
            if held.has_factor:
                raise self._second_after(await self._steps.begin_step(held), to)
            secret = await self._operators.open(
                held.operator_id, how="password", password_hash=held.password_hash
            )
        except (WrongPassword, TooManyRequests) as refusal:
            limited = isinstance(refusal, TooManyRequests)
            kind: Kind = "sign_in_limited" if limited else "sign_in_failed"
            await self._guard.events.note(kind, name, request)
            return self._login_page(to, refusal)
        response = web.HTTPSeeOther(to)
        await self._guard.signed_in(request, response, name, secret)
        raise response

    def _second_after(self, secret: str, to: str) -> web.HTTPSeeOther:
        """Lead to the second factor. The browser keeps the step; it opens nothing by itself."""
        response = web.HTTPSeeOther(str(URL(SECOND).with_query(to=to)))
        self._guard.keep(response, self._cookie, secret, max_age_s=STEP_S)
        return response

    async def _step_of(self, request: web.Request) -> tuple[str, Step]:
        """Return the step that a browser is at; raises `SignInNeeded`."""
        for secret in sent(request, self._cookie):
            if step := await self._steps.step(secret):
                return secret, step
        raise SignInNeeded

    async def show_second(self, request: web.Request) -> web.Response:
        """Ask for the second factor; a browser without a step begins with the password."""
        to = own_address(read_query(request).get("to", ""))
        try:
            _, step = await self._step_of(request)
        except SignInNeeded:
            raise web.HTTPSeeOther(str(URL(SIGN_IN).with_query(to=to))) from None
        return self._second_page(step, to)

    def _second_page(self, step: Step, to: str, refusal: Refusal | None = None) -> web.Response:
        return self._page("login_second.html", "Second factor", refusal, step=step, to=to)

    @limited_as(SIGN_INS)
    async def give_code(self, request: web.Request) -> web.Response:
        """Take a code of the app, or a recovery code."""
        form = await read_form(request)
        to = own_address(form.get("to", ""))
        try:
            secret, step = await self._step_of(request)
        except SignInNeeded:
            raise web.HTTPSeeOther(str(URL(SIGN_IN).with_query(to=to))) from None
        code, recovery = form.get("code", "").strip(), form.get("recovery", "").strip()
        check = self._checks.check_code if code else self._checks.check_recovery_code
        try:
            given = (code or recovery)[:CODE_LENGTH_MAX]
            await check(request, step.operator_id, step.name, given)
        except (WrongFactor, CodesUsedUp, TooManyRequests) as refusal:
            return self._second_page(step, to, refusal)
        response = web.HTTPSeeOther(to)
        await self._go_on(
            request, response, secret, step, "authenticator" if code else "recovery_code"
        )
        raise response

    async def _go_on(
        self, request: web.Request, response: _Answer, secret: str, step: Step, factor: str
    ) -> None:
        """End a step, and open the session to which it led."""
        await self._steps.end_step(secret)
        opened = await self._operators.open(
            step.operator_id, how="second", password_hash=step.password_hash
        )
        await self._guard.signed_in(request, response, step.name, opened, factor=factor)
        response.del_cookie(self._cookie, secure=bool(self._guard.prefix))

    @limited_as(SIGN_INS)
    async def second_options(self, request: web.Request) -> web.Response:
        """Return what the browser needs to sign with a passkey of the operator at this step."""
        _, step = await self._step_of(request)
        await self._guard.limit_attempts(request, step.name, of=TRIES)
        return json_response(await self._checks.proving_body(step.operator_id))

    @limited_as(SIGN_INS)
    async def give_passkey(self, request: web.Request) -> web.Response:
        """Take a passkey as the second factor."""
        wish = await read_body(request, _PASSKEY)
        secret, step = await self._step_of(request)
        await self._checks.check_passkey(request, wish.passkey, "prove", step.operator_id)
        response = json_response({"to": own_address(wish.to)})
        await self._go_on(request, response, secret, step, "passkey")
        return response

    @limited_as(SIGN_INS)
    async def passkey_options(self, request: web.Request) -> web.Response:
        """Return what the browser needs to sign in with a passkey."""
        # A challenge is a row, so strangers get no more of them than tries at passwords.
        await self._guard.limit_browser(request, of="passkey")
        return json_response(await self._checks.sign_in_body())

    @limited_as(SIGN_INS)
    async def sign_in_with_passkey(self, request: web.Request) -> web.Response:
        """Sign in the operator who owns a passkey."""
        wish = await read_body(request, _PASSKEY)
        known = await self._checks.check_passkey(request, wish.passkey, "sign_in", None)
        secret = await self._operators.open(known.operator_id, how="passkey")
        response = json_response({"to": own_address(wish.to)})
        await self._guard.signed_in(request, response, known.operator, secret, factor="passkey")
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session of this browser."""
        response = web.HTTPSeeOther(SIGN_IN)
        await self._guard.sign_out(request, response)
        raise response

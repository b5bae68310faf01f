"""The way of a browser to the identity provider and back, and the end of a link to a person."""

import secrets
import time
from hmac import compare_digest

import msgspec
from aiohttp import web
from yarl import URL

from inventory.kit.doors.described import described
from inventory.kit.http import json_response, read_query
from inventory.kit.limits.classes import SIGN_INS, limited_as
from inventory.kit.pages import Pages
from inventory.kit.problem import Refusal
from waitroom.admin.accounts.guard import SIGN_IN, Guard, own_address, sent
from waitroom.admin.accounts.provider.person_store import PersonStore
from waitroom.admin.accounts.provider.provider import Begun, Person, Provider
from waitroom.admin.accounts.refusals import (
    NoAccount,
    ProviderAway,
    ProviderRefused,
    ProviderUndated,
    UnknownOperator,
)
from waitroom.admin.accounts.sign_in import Operator, OperatorStore

COOKIE = "waitroom_provider"
BEGIN = f"{SIGN_IN}/provider"
BACK = f"{BEGIN}/back"
BACK_WITHIN_S = 600
SECRET_BYTES = 32
CODE_LENGTH_MAX = 4096


class _Kept(msgspec.Struct, frozen=True):
    """The content of the cookie."""

    state: str
    nonce: str
    verifier: str
    to: str
    until: float


class PersonForgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the account was linked to a person of the provider until now."""

    forgotten: bool


class ProviderApi:
    """`provider` is None where the settings name none; `base_url` is the public address."""

    def __init__(
        self,
        guard: Guard,
        *,
        provider: Provider | None,
        persons: PersonStore,
        operators: OperatorStore,
        pages: Pages,
        base_url: str,
    ) -> None:
        self._guard = guard
        self._provider = provider
        self._persons = persons
        self._operators = operators
        self._pages = pages
        self._cookie = guard.prefix + COOKIE
        self._back = base_url + BACK
        # A refresh names a whole path, also where the service stands below one.
        self._path = URL(base_url).path.rstrip("/")

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get(BEGIN, self.begin),
            web.get(BACK, self.come_back),
            web.delete(
                "/admin/operators/{name}/provider", as_role("admin", self.forget, fresh=True)
            ),
        ]

    @limited_as(SIGN_INS)
    async def begin(self, request: web.Request) -> web.Response:
        """Lead to the provider, and let the browser keep what the answer has to fit."""
        to = own_address(read_query(request).get("to", ""))
        if self._provider is None:
            raise web.HTTPSeeOther(SIGN_IN)
        state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
        begun = Begun(state=state, nonce=nonce, verifier=verifier)
        try:
            there = await self._provider.address(begun, back=self._back)
        except ProviderAway as refusal:
            return self._refused(refusal, to)
        kept = _Kept(
            state=state, nonce=nonce, verifier=verifier, to=to, until=time.time() + BACK_WITHIN_S
        )
        response = web.HTTPSeeOther(there)
        # The provider's page leads back, so a cookie for this site's own requests would not come.
        response.set_cookie(
            self._cookie,
            self._provider.seal.sign(msgspec.json.encode(kept).hex()),
            max_age=BACK_WITHIN_S,
            path="/",
            httponly=True,
            secure=bool(self._guard.prefix),
            samesite="Lax",
        )
        raise response

    @limited_as(SIGN_INS)
    async def come_back(self, request: web.Request) -> web.Response:
        """Take the provider's answer and sign in the operator whose account it opens.

        The answer is a page that goes on by itself: a redirect would count as the other site's
        request, to which browsers give no cookie of a session.
        """
        kept = self._kept(request)
        to = SIGN_IN if kept is None else kept.to
        try:
            await self._guard.limit_browser(request, of="provider")
            if kept is None:
                raise ProviderRefused
            person = await self._person(request, kept)
            opened = await self._persons.open(person)
            if opened is None:
                await self._guard.events.note(
                    "sign_in_failed", person.email or person.subject, request, why="no_account"
                )
                raise NoAccount
            secret = await self._operators.open(opened.operator_id, how="provider")
        except (ProviderRefused, ProviderUndated) as refusal:
            await self._guard.events.note("sign_in_failed", "", request, why="provider")
            return self._refused(refusal, to)
        except Refusal as refusal:
            return self._refused(refusal, to)
        if opened.linked:
            await self._guard.events.note(
                "provider_linked", opened.name, request, operator=opened.name
            )
        response = self._pages.render(
            "login_provider.html", {"to": to, "path": self._path}, title="Signed in"
        )
        await self._guard.signed_in(request, response, opened.name, secret, factor="provider")
        response.del_cookie(self._cookie, secure=bool(self._guard.prefix))
        return response

    async def _person(self, request: web.Request, kept: _Kept) -> Person:
        """Return the person of an answer that fits what this browser keeps."""
        query, provider = read_query(request), self._provider
        state, code = query.get("state", ""), query.get("code", "")
        fits = compare_digest(state.encode(), kept.state.encode())
        if provider is None or not fits or not code or len(code) > CODE_LENGTH_MAX:
            raise ProviderRefused
        # RFC 9207: an answer of another provider that was mixed in says so.
        if query.get("iss", provider.issuer) != provider.issuer:
            raise ProviderRefused
        begun = Begun(state=kept.state, nonce=kept.nonce, verifier=kept.verifier)
        return await provider.person(code, begun, back=self._back)

    def _kept(self, request: web.Request) -> _Kept | None:
        for signed in sent(request, self._cookie):
            if self._provider and (text := self._provider.seal.open(signed)) is not None:
                kept = msgspec.json.decode(bytes.fromhex(text), type=_Kept)
                if kept.until > time.time():
                    return kept
        return None

    def _refused(self, refusal: Refusal, to: str) -> web.Response:
        context = {"problem": refusal.body(), "to": to, "passkey_origin": "", "provider": True}
        page = self._pages.render("login.html", context, title="Sign in", status=refusal.status)
        page.headers.update(refusal.headers)
        page.del_cookie(self._cookie, secure=bool(self._guard.prefix))
        return page

    @described(answer=PersonForgotten, refusals=(UnknownOperator,))
    async def forget(self, request: web.Request, operator: Operator) -> web.Response:
        """Take the link to a person of the provider from an account, and end its sessions there."""
        name = request.match_info["name"]
        forgotten = await self._persons.forget(name, actor=operator)
        if forgotten:
            await self._guard.note(
                "provider_linked", operator, request, operator=name, linked=False
            )
        return json_response(PersonForgotten(forgotten=forgotten))

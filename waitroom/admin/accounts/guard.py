"""Access control: the guard before the routes of the operators, and the cookies of a sign-in."""

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps

from aiohttp import web
from yarl import URL

from inventory.kit.doors.client import api_key, bearer, client_network
from inventory.kit.doors.cookies import values_of
from inventory.kit.http import wants_html
from inventory.kit.limits.limited import spend_as_account
from inventory.kit.problem import Forbidden, Refusal
from inventory.kit.signing import Seal
from waitroom.admin.accounts.events import Events, Kind
from waitroom.admin.accounts.keys import KeyStore
from waitroom.admin.accounts.refusals import (
    FreshSignInNeeded,
    KeyRefused,
    SecondFactorNeeded,
    SignInNeeded,
    TwoCredentials,
)
from waitroom.admin.accounts.scopes import Access, Scope
from waitroom.admin.accounts.sessions.browsers import browser_of
from waitroom.admin.accounts.sign_in import Operator, OperatorStore
from waitroom.store.memory import Memory

COOKIE = "waitroom_operator"
DEVICE_COOKIE = "waitroom_device"
DEVICE_PURPOSE = "waitroom.admin.device.1"
DEVICE_BYTES = 16
COOKIE_MAX_AGE_S = 12 * 3600
DEVICE_MAX_AGE_S = 180 * 24 * 3600

SCREENS = "/admin"
SIGN_IN = "/admin/login"
CONFIRM = "/admin/confirm"
ACCOUNT = "/admin/account"
# The longest address that the sign-in leads back to.
ADDRESS_MAX = 2000

# The operator of a request, and the admins whom one can ask whose role is lacking.
OPERATOR = web.RequestKey("operator", Operator)
ADMINS = web.RequestKey("admins", list[str])

Action = Callable[[web.Request, Operator], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The rules of all operators' routes, by their handlers.
ACCESS: "web.AppKey[dict[Handler, Access]]" = web.AppKey("access")


class Guard:
    """Guards the operators' routes, and keeps the cookies of their sessions."""

    def __init__(
        self,
        *,
        operators: OperatorStore,
        keys: KeyStore,
        memory: Memory,
        devices: Seal,
        events: Events,
        attempts_per_minute: int,
        secure: bool,
        second_factor_required: bool,
        shard: str = "",
    ) -> None:
        self._operators = operators
        self._keys = keys
        self._memory = memory
        self._devices = devices
        self.events = events
        self._attempts_per_minute = attempts_per_minute
        self._secure = secure
        self.second_factor_required = second_factor_required
        self.prefix = prefix = "__Host-" if secure else ""
        # The rule of each handler that `as_role` made.
        self.access: dict[Handler, Access] = {}
        # Shards may share a host, and each has operators' sessions of its own.
        suffix = f"_{shard}" if shard else ""
        self._cookie = prefix + COOKIE + suffix
        self._device_cookie = prefix + DEVICE_COOKIE + suffix

    def as_role(
        self,
        role: str,
        action: Action,
        *,
        sellers: bool = False,
        scope: Scope | tuple[Scope, ...] = (),
        fresh: bool = False,
        before_factor: bool = False,
    ) -> Handler:
        """Let only operators of this role or above do an action, and programs with its scope.

        With `sellers`, sellers may do it too; the action then has to keep to `operator.scope`. Of
        several scopes one is enough; without a scope no API key may do it. A dangerous action is
        `fresh`: its person proves who they are again, unless they did so lately. What leads to a
        second factor is open `before_factor`, where each operator must have one.
        """
        scopes = scope if isinstance(scope, tuple) else (scope,)

        @wraps(action)
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                operator = await self._actor_of(request, scopes)
            except SignInNeeded:
                if request.method == "GET" and wants_html(request):
                    raise web.HTTPSeeOther(_sign_in_before(request)) from None
                raise
            request[OPERATOR] = operator
            spend_as_account(request, str(operator.operator_id))
            try:
                operator.require(role, sellers=sellers)
                if not before_factor:
                    self._require_factor(operator)
                if fresh:
                    operator.require_fresh()
                return await action(request, operator)
            except (FreshSignInNeeded, SecondFactorNeeded) as refusal:
                if request.method == "GET" and wants_html(request):
                    raise web.HTTPSeeOther(_before(refusal, request)) from None
                raise
            except Forbidden:
                if wants_html(request):
                    request[ADMINS] = await self._operators.admins()
                raise

        self.access[guarded] = Access(
            role=role, sellers=sellers, scopes=scopes, fresh=fresh, before_factor=before_factor
        )
        return guarded

    def _require_factor(self, operator: Operator) -> None:
        """Raise `SecondFactorNeeded` for a person without one, where each must have one."""
        if self.second_factor_required and operator.session and not operator.session.has_factor:
            raise SecondFactorNeeded

    async def _actor_of(self, request: web.Request, scopes: tuple[Scope, ...]) -> Operator:
        """Return the operator or the program that asks, if the program may call this route."""
        secret = api_key(request)
        if secret is None:
            try:
                return await self._operator_of(request)
            except SignInNeeded:
                if bearer(request) is not None:
                    raise KeyRefused from None
                raise
        if sent(request, self._cookie):
            raise TwoCredentials
        actor = await self._program_of(request, secret)
        assert actor.key is not None, "a program has a key"
        actor.key.require(*scopes)
        if actor.key.rooms is not None:
            named = request.match_info
            actor.key.require_room(named.get("room") or await self._keys.room_of(named))
        return actor

    async def _program_of(self, request: web.Request, secret: str) -> Operator:
        """Return the program to which a key belongs; raises `KeyRefused`.

        Wrong keys are limited by address. Right ones are not: strangers at the same address keep no
        program out.
        """
        try:
            return await self._keys.use(secret)
        except KeyRefused:
            await self.events.note("key_refused", "", request)
            await self._memory.limit(
                f"key:address:{client_network(request)}",
                per_minute=self._attempts_per_minute,
                told="Too many requests with keys that are not in force; please wait a minute.",
            )
            raise

    async def _operator_of(self, request: web.Request) -> Operator:
        """Return the operator whose session a request carries; raises `SignInNeeded`."""
        network, browser = (
            client_network(request),
            browser_of(request.headers.get("User-Agent", "")),
        )
        for secret in sent(request, self._cookie):
            with suppress(SignInNeeded):
                return await self._operators.operator(secret, network=network, browser=browser)
        raise SignInNeeded

    async def note(
        self, kind: Kind, operator: Operator, request: web.Request, /, **detail: object
    ) -> None:
        """Note a security event that an operator or a program caused."""
        await self.events.note(kind, operator.name, request, **detail)

    async def signed_in(
        self,
        request: web.Request,
        response: web.Response | web.HTTPException,
        name: str,
        secret: str,
        *,
        factor: str | None = None,
    ) -> None:
        """Let the browser of an operator who has proved who they are keep the session's secret.

        `factor` is the one that they proved it with, None for a password alone. A new secret at
        each sign-in makes a session that an attacker fixed beforehand worthless.
        """
        await self.events.note("signed_in", name, request, factor=factor)
        self.remember(response, secret)
        if self.device_of(request, name) is None:
            device = self._devices.sign(f"{secrets.token_hex(DEVICE_BYTES)}.{name}")
            self.keep(response, self._device_cookie, device, max_age_s=DEVICE_MAX_AGE_S)

    def remember(self, response: web.Response | web.HTTPException, secret: str) -> None:
        """Let the browser keep a session's secret, away from scripts and other sites."""
        self.keep(response, self._cookie, secret, max_age_s=COOKIE_MAX_AGE_S)

    def keep(
        self, response: web.Response | web.HTTPException, name: str, value: str, *, max_age_s: int
    ) -> None:
        """Set a cookie of the operators'; it goes to this site's own requests alone."""
        response.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path="/",
            httponly=True,
            secure=self._secure,
            samesite="Strict",
        )

    async def limit_attempts(self, request: web.Request, name: str, *, of: str = "sign-in") -> None:
        """Raise `TooManyRequests` when passwords of this name are tried too often.

        `of` names another kind of tries, which has buckets of its own.

        A browser in which this operator has signed in before has a bucket of its own. Strangers can
        use up the buckets of an address and of a name, and would otherwise shut the operator out.
        """
        device = self.device_of(request, name)
        if device is not None:
            await self._limit(f"{of}:device:{device}", self._attempts_per_minute)
            return
        # The address is limited first, so that one stranger uses up little of a name's bucket.
        await self._limit(f"{of}:address:{client_network(request)}", self._attempts_per_minute)
        await self._limit(f"{of}:name:{self.events.mark_of(name)}", 10 * self._attempts_per_minute)

    async def limit_browser(self, request: web.Request, *, of: str) -> None:
        """Raise `TooManyRequests` when tries of a kind that name no operator come too often.

        A browser in which some operator has signed in before has a bucket of its own.
        """
        opened = [self._devices.open(one) for one in sent(request, self._device_cookie)]
        device = next((one.partition(".")[0] for one in opened if one), "")
        bucket = f"device:{device}" if device else f"address:{client_network(request)}"
        await self._limit(f"{of}:{bucket}", self._attempts_per_minute)

    async def limit_session(self, operator: Operator, *, of: str) -> None:
        """Raise `TooManyRequests` when tries of a kind come too often from a session."""
        assert operator.session is not None, "a program has no session"
        bucket = f"{of}:session:{operator.session.fingerprint.hex()}"
        await self._limit(bucket, self._attempts_per_minute)

    def device_of(self, request: web.Request, name: str) -> str | None:
        """Return the id of a browser in which this operator has signed in before."""
        for signed in sent(request, self._device_cookie):
            device, _, known = (self._devices.open(signed) or "").partition(".")
            if device and known == name:
                return device
        return None

    async def _limit(self, bucket: str, per_minute: int) -> None:
        told = "Too many attempts to sign in; please wait a minute."
        await self._memory.limit(bucket, per_minute=per_minute, told=told)

    async def sign_out(self, request: web.Request, response: web.HTTPException) -> None:
        """End the sessions that a browser sent, and let it forget them."""
        for secret in sent(request, self._cookie):
            if (named := await self._operators.sign_out(secret)) is not None:
                await self.events.note("signed_out", named, request)
        response.del_cookie(self._cookie, secure=self._secure)


def _sign_in_before(request: web.Request) -> str:
    """Return the address of the sign-in, which leads back to what was asked for."""
    if request.path == SCREENS:
        return SIGN_IN
    return str(URL(SIGN_IN).with_query(to=request.path_qs))


def _before(refusal: Refusal, request: web.Request) -> str:
    """Return the page that is to be seen first: the one to confirm who one is, or the account."""
    if isinstance(refusal, SecondFactorNeeded):
        return ACCOUNT
    return str(URL(CONFIRM).with_query(to=request.path_qs))


def own_address(address: str) -> str:
    """Return an address if it is one of the operators' screens, or else that of their first."""
    parts = address.partition("?")[0].split("/")
    fits = len(address) <= ADDRESS_MAX and address.isprintable() and not {"", ".."} & {*parts[1:]}
    is_own = address.startswith(f"{SCREENS}/") and not address.startswith((SIGN_IN, CONFIRM))
    return address if fits and is_own else SCREENS


def sent(request: web.Request, name: str) -> list[str]:
    """Return the values of a cookie that a browser sent."""
    return values_of(request.headers.getall("Cookie", ()), name)

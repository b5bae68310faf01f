"""The operators' API for their own accounts: names, roles, sessions, passwords."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from inventory.kit.doors.described import described
from inventory.kit.doors.query import Whole
from inventory.kit.http import json_response, read_body, read_query
from inventory.kit.problem import BadRequest, TooManyRequests
from inventory.refusals import Taken
from waitroom.admin.accounts.actions import ActionStore
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.refusals import (
    LastAdmin,
    OwnAccount,
    PasswordGuessable,
    UnknownOperator,
    WrongPassword,
)
from waitroom.admin.accounts.sign_in import (
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    Account,
    Operator,
    OperatorStore,
)
from waitroom.admin.audit.listing import ActionPage, action_body
from waitroom.admin.screens import Screens

# What each role may do, as the screen says it.
ROLES_MAY = {
    "viewer": "May see everything in the rooms, and change nothing.",
    "operator": "May run the rooms: rules, lines, goods, stock, orders and refunds.",
    "seller": "May sell products of their own in the rooms that admit them, and see their orders.",
    "admin": "May do all that operators may, make and reset rooms, and manage people and webhooks.",
}
Role = Literal["viewer", "operator", "seller", "admin"]
Password = Annotated[str, Meta(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]


class NewOperator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=63)]
    role: Role
    password: Password


class OperatorChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of PATCH: any of these fields; a missing field stays unchanged."""

    role: Role | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    old: Annotated[str, Meta(max_length=PASSWORD_LENGTH_MAX)]
    new: Password


class AccountList(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts of all operators."""

    operators: list[Account]


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account that was made."""

    name: str
    role: Role
    active: bool


class AccountChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Whether anything differs from before."""

    changed: bool


class SessionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The number of sessions of an operator that were ended."""

    sessions_ended: int


_LIMIT = Whole(name="limit", text="Acts on a page.", default=50, low=1, high=200)
_CURSOR = Whole(
    name="cursor", text="The `next` of the page before.", default=0, low=1, high=2**63 - 1
)
_NEW = msgspec.json.Decoder(NewOperator)
_CHANGE = msgspec.json.Decoder(OperatorChange)
_PASSWORD = msgspec.json.Decoder(PasswordChange)


class PeopleAdmin:
    def __init__(
        self, guard: Guard, *, operators: OperatorStore, actions: ActionStore, screens: Screens
    ) -> None:
        self._guard = guard
        self._operators = operators
        self._actions = actions
        self._screens = screens

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get("/admin/people", as_role("admin", self.show_people)),
            web.get(
                "/admin/account",
                as_role("viewer", self.show_account, sellers=True, before_factor=True),
            ),
            web.get("/admin/operators", as_role("admin", self.list_operators)),
            web.post("/admin/operators", as_role("admin", self.add, fresh=True)),
            web.patch("/admin/operators/{name}", as_role("admin", self.change, fresh=True)),
            web.delete(
                "/admin/operators/{name}/sessions", as_role("admin", self.sign_out, fresh=True)
            ),
            web.get("/admin/actions", as_role("admin", self.list_actions)),
            web.post(
                "/admin/password",
                as_role("viewer", self.change_password, sellers=True, before_factor=True),
            ),
        ]

    async def show_people(self, request: web.Request, operator: Operator) -> web.Response:
        roles = [
            {"name": name, "title": name.capitalize(), "may": may}
            for name, may in ROLES_MAY.items()
        ]
        return await self._screens.render(operator, "people", roles=roles)

    async def show_account(self, request: web.Request, operator: Operator) -> web.Response:
        needed = self._guard.second_factor_required and not (
            operator.session and operator.session.has_factor
        )
        return await self._screens.render(operator, "account", factor_needed=needed)

    @described(answer=AccountList)
    async def list_operators(self, request: web.Request, operator: Operator) -> web.Response:
        """List the accounts of operators."""
        return json_response(AccountList(operators=await self._operators.accounts()))

    @described(body=NewOperator, answer=NewAccount, status=201, refusals=(Taken, PasswordGuessable))
    async def add(self, request: web.Request, operator: Operator) -> web.Response:
        """Make an account."""
        wish = await read_body(request, _NEW)
        await self._operators.add(
            wish.name, role=wish.role, password=wish.password, who=operator.name
        )
        await self._guard.note(
            "operator_added", operator, request, operator=wish.name, role=wish.role
        )
        return json_response(NewAccount(name=wish.name, role=wish.role, active=True), status=201)

    @described(
        body=OperatorChange,
        answer=AccountChanged,
        refusals=(UnknownOperator, OwnAccount, LastAdmin, PasswordGuessable),
    )
    async def change(self, request: web.Request, operator: Operator) -> web.Response:
        """Change an account: its role, its password, or whether it may sign in."""
        wish = await read_body(request, _CHANGE)
        said = msgspec.structs.asdict(wish)
        changes = {name: value for name, value in said.items() if value is not UNSET}
        if not changes:
            raise BadRequest("Say what is to change: role, active or password.")
        name = request.match_info["name"]
        changed = await self._operators.change(name, actor=operator, **changes)
        if changed:
            shown = {**changes, "password": "new"} if "password" in changes else changes
            await self._guard.note("operator_changed", operator, request, operator=name, **shown)
        return json_response(AccountChanged(changed=changed))

    @described(answer=SessionsEnded, refusals=(UnknownOperator,))
    async def sign_out(self, request: web.Request, operator: Operator) -> web.Response:
        """End all sessions of an operator."""
        name = request.match_info["name"]
        ended = await self._operators.sign_out_everywhere(name, who=operator.name)
        await self._guard.note("sessions_ended", operator, request, operator=name, sessions=ended)
        return json_response(SessionsEnded(sessions_ended=ended))

    @described(query=(_LIMIT, _CURSOR), answer=ActionPage)
    async def list_actions(self, request: web.Request, operator: Operator) -> web.Response:
        """List the changes of accounts, the newest first."""
        query = read_query(request)
        limit = _LIMIT.of(query)
        before = _CURSOR.of(query) or None
        actions = await self._actions.of_accounts(before=before, limit=limit)
        following = actions[-1].action_id if len(actions) == limit else None
        bodies = [action_body(action) for action in actions]
        return json_response(ActionPage(actions=bodies, next=str(following) if following else None))

    @described(
        body=PasswordChange,
        status=204,
        refusals=(WrongPassword, TooManyRequests, PasswordGuessable),
    )
    async def change_password(self, request: web.Request, operator: Operator) -> web.Response:
        """Change one's own password. All other sessions of the account end."""
        wish = await read_body(request, _PASSWORD)
        # A stranger at an unlocked screen must not be able to guess the password there.
        await self._guard.limit_attempts(request, operator.name)
        try:
            secret = await self._operators.change_password(operator, old=wish.old, new=wish.new)
        except WrongPassword:
            await self._guard.note("sign_in_failed", operator, request, at="password")
            raise
        await self._guard.note("password_changed", operator, request)
        response = web.Response(status=204)
        self._guard.remember(response, secret)
        return response

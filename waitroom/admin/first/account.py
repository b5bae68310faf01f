"""The account of the first admin, while there is no operator at all."""

from aiohttp import web

from inventory.kit.doors.query import Text
from inventory.kit.http import read_form, read_query
from inventory.kit.limits.classes import SIGN_INS, limited_as
from inventory.kit.pages import Pages
from inventory.kit.problem import BadRequest, TooManyRequests
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.refusals import WrongCode
from waitroom.admin.accounts.sign_in import OperatorStore
from waitroom.admin.first.answers import Form, Problems

# The bucket of attempts for all who try codes.
ATTEMPTS = "first account"
CODE_LENGTH_MAX = 100

_CODE = Text(name="code", text="The code that the service printed.", length_max=CODE_LENGTH_MAX)


class FirstAccount:
    def __init__(self, guard: Guard, *, operators: OperatorStore, pages: Pages) -> None:
        self._guard = guard
        self._operators = operators
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/admin/first", self.show), web.post("/admin/first", self.make)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Ask for the first account while there is none, and else for a sale."""
        if await self._operators.any():
            raise web.HTTPSeeOther("/admin/first/room")
        return self._page({"code": _CODE.of(read_query(request))}, Problems())

    @limited_as(SIGN_INS)
    async def make(self, request: web.Request) -> web.StreamResponse:
        """Make the first admin's account, and sign them in."""
        form = await read_form(request)
        name, password = form.get("name", "").strip(), form.get("password", "")
        kept = {"code": form.get("code", "")[:CODE_LENGTH_MAX], "name": name[:100]}
        problems = Problems()
        if password != form.get("again", ""):
            problems.at["again"] = "This is not the same password."
            return self._page(kept, problems, status=400)
        try:
            await self._guard.limit_attempts(request, ATTEMPTS)
            await self._operators.add_first(name, password=password, code=kept["code"])
        except WrongCode as refusal:
            problems.at["code"] = refusal.detail
            await self._guard.events.note("first_code_refused", "", request)
        except TooManyRequests as refusal:
            return self._page(kept, problems, refused=refusal.detail, status=refusal.status)
        except BadRequest as refusal:
            problems.at[str(refusal.fields.get("field", "name"))] = refusal.detail
        if problems:
            return self._page(kept, problems, status=400)
        await self._guard.events.note("operator_added", name, request, role="admin")
        await self._guard.events.note("signed_in", name, request)
        response = web.HTTPSeeOther("/admin/first/room")
        self._guard.remember(response, await self._operators.sign_in(name, password))
        raise response

    def _page(
        self, form: Form, problems: Problems, *, refused: str = "", status: int = 200
    ) -> web.Response:
        context = {"form": dict(form), "problems": problems.at, "refused": refused}
        return self._pages.render(
            "admin/first_account.html", context, title="Set up", status=status
        )

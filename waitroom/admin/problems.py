"""Refusals below `/admin`, on pages for operators: what happened, and what to do next.

The operator stands in the request once the guard has found the session. Below an address that leads
nowhere no guard stands, so such a page names no operator and leads to the rooms, which ask for the
sign-in where it is needed.
"""

from urllib.parse import urlencode

from aiohttp import web

from inventory.kit.http import ProblemPage
from inventory.kit.pages import Pages
from inventory.kit.problem import Forbidden, Refusal
from waitroom.admin.accounts.guard import ADMINS, OPERATOR, SIGN_IN
from waitroom.admin.screens import BEYOND, link_bodies

_BELOW = "/admin"


def problem_page(pages: Pages) -> ProblemPage:
    """Return the page of a refusal: in the operators' frame below `/admin`, else the shoppers'."""

    def show(request: web.Request, refusal: Refusal, back: str) -> web.Response:
        if request.path != _BELOW and not request.path.startswith(f"{_BELOW}/"):
            return pages.problem(request, refusal, back)
        return _for_operators(pages, request, refusal, back)

    return show


def _for_operators(pages: Pages, request: web.Request, refusal: Refusal, back: str) -> web.Response:
    operator = request.get(OPERATOR)
    title = _title(refusal)
    seen = request.path_qs if request.method == "GET" else back or _BELOW
    context = {
        "operator": {"name": "", "role": ""},
        "beyond": [],
        "screen": {"name": "problem", "title": title},
        "room": None,
        "rooms": [],
        "demo": False,
        "status": refusal.status,
        "code": refusal.code,
        "detail": "" if refusal.detail == title else refusal.detail,
        "back": back,
        "asked_room": request.match_info.get("room") if refusal.status == 404 else None,
        "admins": request.get(ADMINS, []),
        "sign_in": f"{SIGN_IN}?{urlencode({'to': seen})}",
        "again": request.method == "GET" and "Retry-After" in refusal.headers,
    }
    if operator is not None:
        context["operator"] = {"name": operator.name, "role": operator.role}
        context["beyond"] = link_bodies(BEYOND, operator)
    return pages.render("admin/problem.html", context, title=title, status=refusal.status)


def _title(refusal: Refusal) -> str:
    """Return a heading. The refusals of HTTP itself have English of their own, such as "Gone."."""
    if refusal.status == 404:
        return "There is no such page here"
    if isinstance(refusal, Forbidden):
        return "Your role does not allow this"
    return refusal.title.rstrip(".")

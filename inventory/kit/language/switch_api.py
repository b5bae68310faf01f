"""The switch of languages that stands on every page; it works without JavaScript."""

from urllib.parse import urlsplit

from aiohttp import web

from inventory.kit.http import read_form
from inventory.kit.language.asked import COOKIE
from inventory.kit.language.catalogues import tags
from inventory.kit.problem import BadRequest

KEPT_S = 365 * 24 * 3600
TARGET_LENGTH_MAX = 2000


class LanguageSwitch:
    def __init__(self, *, secure: bool) -> None:
        self._secure = secure

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/language", self.choose)]

    async def choose(self, request: web.Request) -> web.Response:
        """Keep the choice in this browser, and lead back to the page."""
        form = await read_form(request)
        chosen = form.get("language", "")
        if chosen not in tags():
            raise BadRequest("There is no such language here.")
        response = web.HTTPSeeOther(_target(form.get("to", "")))
        keep_language(response, chosen, secure=self._secure)
        raise response


def keep_language(response: web.StreamResponse, tag: str, *, secure: bool) -> None:
    """Let the browser keep a language for all pages of this service."""
    response.set_cookie(COOKIE, tag, max_age=KEPT_S, secure=secure, httponly=True, samesite="Lax")


def _target(text: str) -> str:
    """Return the path to lead back to; anything that could lead elsewhere becomes the front page.

    A line break or a backslash is no part of an address that we wrote.
    """
    plain = text.isascii() and text.isprintable() and len(text) <= TARGET_LENGTH_MAX
    if not plain or "\\" in text or not text.startswith("/"):
        return "/"
    parts = urlsplit(text)
    ours = not parts.scheme and not parts.netloc and not parts.path.startswith("//")
    return text if ours else "/"

"""The page for a browser whose form was not passed on.

A proxy shows it at the address of its site, where nothing of ours can be asked for. So its style
stands in it, and its own policy names the style by its hash.
"""

import base64
from hashlib import sha256

from aiohttp import web

from inventory.kit.language.asked import language_of
from inventory.kit.pages import Pages, static_folder
from inventory.kit.problem import Refusal


class HeldBackPage:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._style = (static_folder() / "away" / "away.css").read_text()
        hashed = base64.b64encode(sha256(self._style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        )

    def answer(self, request: web.Request, refusal: Refusal, place: str) -> web.Response:
        """Return the page, with a link to the room at `place`."""
        response = self._pages.render(
            "held_back.html",
            {"style": self._style, "place": place},
            title=language_of(request).say(refusal.title),
            status=refusal.status,
            request=request,
        )
        response.headers["Content-Security-Policy"] = self._policy
        return response

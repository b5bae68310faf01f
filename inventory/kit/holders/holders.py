"""The secrets by which a request shows who holds its tokens: a browser's cookies, an app's key.

A page gives each browser an id in a cookie. With the first token the id is kept in a second cookie
as well, which no page sets: two pages that load at once each give an id, and the later one must not
part the browser from a token that the earlier id has got meanwhile.

An app that keeps no cookies may send a secret of its own in a header.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from aiohttp import web
from multidict import istr

from inventory.kit.doors.cookies import COOKIE, SAME_NAME_MAX
from inventory.kit.doors.described import CLIENT_KEY
from inventory.kit.holders.marks import Shows, mark_of_app, mark_of_browser
from inventory.kit.problem import ClientKeyWeak

VISITOR_COOKIE = "waitroom_visitor"
BROWSER_COOKIE = "waitroom_browser"
_CLIENT_KEY, _ORIGIN, _SITE = istr(CLIENT_KEY.name), istr("Origin"), istr("Sec-Fetch-Site")
_ID_BYTES = 16
_ID = re.compile(rf"([0-9a-f]{{{2 * _ID_BYTES}}})[ \t]*(?:;|\Z)")
_KEY = re.compile("[0-9a-f]{32,128}")
# A random key of 32 hex digits has fewer different ones once in 10^9 tries.
_DIFFERENT_MIN = 6


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """One signed right in two spellings, each bound to the one that gets it.

    `told` stands in the answer's body, `kept` in a cookie. `browser` is the id that the browser has
    to keep beside it, "" where the cookie is bound to none.
    """

    told: str
    kept: str
    browser: str


class Holders:
    """Reads the holder's secrets from requests. `secure` is for sites on https."""

    def __init__(self, *, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self.visitor_cookie = prefix + VISITOR_COOKIE
        self.browser_cookie = prefix + BROWSER_COOKIE

    def browser(self, request: web.Request) -> str:
        """Return the browser's id, "" for none.

        It has to be one that this service could have made; a client's own guess is no secret.
        """
        lines = request.headers.getall(COOKIE, ())
        if not lines:
            return ""
        found = _ids_in(lines, self.browser_cookie) or _ids_in(lines, self.visitor_cookie)
        return found[0] if found else ""

    def shows(self, request: web.Request) -> Shows:
        """Return a function that says whether this request shows the secret behind a mark.

        It reads nothing before a token that is bound asks.
        """
        return partial(self._shows, request)

    def _shows(self, request: web.Request, mark: str) -> bool:
        key = request.headers.get(_CLIENT_KEY, "").lower()
        # Bytes that are no text could not be hashed.
        if key and key.isascii() and mark_of_app(key) == mark:
            return True
        lines = request.headers.getall(COOKIE, ())
        for name in (self.browser_cookie, self.visitor_cookie):
            for one in _ids_in(lines, name):
                if mark_of_browser(one) == mark:
                    return True
        return False

    @staticmethod
    def app_key(request: web.Request) -> str:
        """Return the key of an app, "" for none; raises `ClientKeyWeak`."""
        key = request.headers.get(_CLIENT_KEY, "").lower()
        if key and (_KEY.fullmatch(key) is None or len(set(key)) < _DIFFERENT_MIN):
            raise ClientKeyWeak
        return key

    def given(
        self, request: web.Request, sign: Callable[[str], str], *, to_browser: bool = False
    ) -> Given:
        """Return a right as the sender of a request gets it; `sign` signs it with a mark.

        The cookie is bound to the browser, and to a new id if a page of a browser asks that has
        lost its own; with `to_browser` a browser is known to ask. The body is bound to an app's
        key, else to the id that the browser has sent. Raises `ClientKeyWeak`.
        """
        key, sent = self.app_key(request), self.browser(request)
        browser = sent or (new_id() if to_browser or by_page(request) else "")
        told_to = mark_of_app(key) if key else mark_of_browser(sent) if sent else ""
        kept_by = mark_of_browser(browser) if browser else told_to
        told = sign(told_to)
        kept = told if kept_by == told_to else sign(kept_by)
        return Given(told=told, kept=kept, browser=browser)


def _ids_in(lines: Sequence[str], name: str) -> list[str]:
    """Return the ids in the cookies of this name, the first few.

    A token that is bound is opened with each look at a place, and to read every cookie for it would
    cost four times as much.
    """
    found: list[str] = []
    start = f"{name}="
    for line in lines:
        at = line.find(start)
        while at >= 0 and len(found) < SAME_NAME_MAX:
            value = at + len(start)
            if (at == 0 or line[at - 1] in "; \t") and (one := _ID.match(line, value)):
                found.append(one[1])
            at = line.find(start, value)
    return found


def new_id() -> str:
    """Return a new browser's id."""
    return secrets.token_hex(_ID_BYTES)


def by_page(request: web.Request) -> bool:
    """Say whether a page in a browser has sent a request: programs say nothing of an origin."""
    return _ORIGIN in request.headers or _SITE in request.headers

"""The language of a request."""

from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web

from inventory.kit.doors.cookies import values_of
from inventory.kit.language.catalogues import ALIASES, SOURCE, language, tags
from inventory.kit.language.choice import prefer
from inventory.kit.language.language import Language

# None of the cookies that begin with `waitroom_`, which hold credentials.
COOKIE = "room_language"
# The language that the room of a request falls back to; the part that finds the room sets it.
ROOM_LANGUAGE = web.RequestKey("room_language", str)
HEADER_LENGTH_MAX = 500
HEADERS_KEPT_MAX = 256


def language_of(request: web.Request) -> Language:
    """Return the language that a shopper chose, or the browser prefers, or the room has."""
    cookies = request.headers.getall("Cookie", ())
    accepted = ",".join(request.headers.getall("Accept-Language", ()))
    return language_by(cookies, accepted, request.get(ROOM_LANGUAGE))


def language_by(cookies: Sequence[str], accepted: str, otherwise: str | None = None) -> Language:
    """Return the language by the values of the headers `Cookie` and `Accept-Language`."""
    for chosen in values_of(cookies, COOKIE):
        if chosen in tags():
            return language(chosen)
    return language(_preferred(accepted[:HEADER_LENGTH_MAX]) or otherwise or SOURCE)


# Browsers of a crowd send the same few headers.
@lru_cache(maxsize=HEADERS_KEPT_MAX)
def _preferred(header: str) -> str | None:
    return prefer(header, tags(), ALIASES)

"""The answers to requests with which a busy process does not begin, made before they are needed.

A refusal has to cost next to nothing, or a process that refuses a crowd serves nobody. So it is
written straight to the socket, and the request is looked at no further than tells whether the next
one on its connection can be told from it.
"""

from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from html import escape
from random import Random

from multidict import CIMultiDict

from inventory.kit.http import PROBLEM, encode
from inventory.kit.language.asked import language_by
from inventory.kit.language.catalogues import language
from inventory.kit.language.language import phrase
from inventory.kit.pages import PAGE
from inventory.kit.problem import Busy
from waitroom.run.listening.headers import POLICY, SafeHeaders

# Shoppers who were refused in one moment come back over these seconds, and not together.
AGAIN_AFTER_S = range(2, 9)
# For each language and each of these seconds there is one in JSON and one as a page.
KEPT_MAX = 1024

# Guessing these tells nobody anything.
_dice = Random()  # noqa: S311
_END = b"\r\n\r\n"
_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:30rem;padding:0 1rem}"
)
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)
_PAGE = """<!doctype html>
<html lang="{tag}" dir="{direction}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<h1>{title}</h1>
<p>{kept}</p>
</html>
"""
_KEPT = phrase("Your place in line is kept. Please wait a moment and load this page again.")


def raw_answer(status: str, headers: Mapping[str, str], body: bytes, *, ends: bool) -> bytes:
    """Return an answer as it goes over the wire, for a request that aiohttp has not read."""
    lines = (f"{name}: {value}\r\n".encode() for name, value in headers.items())
    rest = b"Connection: close\r\n" if ends else b""
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"".join((f"HTTP/1.1 {status}\r\n".encode(), *lines, rest, length, body))


class BusyAnswers:
    """Answers `busy` with 503, in the client's language, as JSON or as a page."""

    def __init__(self, headers: SafeHeaders) -> None:
        self._headers = headers
        self._made = lru_cache(maxsize=KEPT_MAX)(self._make)

    def again_after_s(self) -> int:
        """Return the seconds for the next answer."""
        return _dice.choice(AGAIN_AFTER_S)

    def answer(self, request: bytes, again_after_s: int, *, ends: bool) -> tuple[bytes, bool]:
        """Return the answer to what has come of a request, and whether to hang up behind it."""
        lower = request.lower()
        tag = language_by(
            [_value(request, lower, b"\ncookie:")], _value(request, lower, b"\naccept-language:")
        ).tag
        ends = ends or not _is_plain(lower)
        made = self._made(tag, again_after_s, b"text/html" in lower, ends)
        # A HEAD has no body.
        return made.partition(_END)[0] + _END if lower.startswith(b"head ") else made, ends

    def _make(self, tag: str, again_after_s: int, is_page: bool, ends: bool) -> bytes:  # noqa: FBT001 - keys of a cache
        refusal, told_in = Busy(retry_after_s=again_after_s), language(tag)
        if is_page:
            # A page that was opened tries again by itself; a browser does not send a form again.
            headers = CIMultiDict({**PAGE, POLICY: _POLICY, "Refresh": str(again_after_s)})
            body = _PAGE.format(
                tag=tag,
                direction=told_in.direction,
                style=_STYLE,
                title=escape(told_in.say(Busy.title)),
                kept=escape(told_in.say(_KEPT)),
            ).encode()
        else:
            headers, body = CIMultiDict(PROBLEM), encode(refusal.body(told_in))
        self._headers.complete(headers)
        headers.update(refusal.headers)
        return raw_answer("503 Service Unavailable", headers, body, ends=ends)


def _value(request: bytes, lower: bytes, name: bytes) -> str:
    """Return the value of the first header of this name, "" for none."""
    at = lower.find(name)
    if at < 0:
        return ""
    end = lower.find(b"\r", at)
    return request[at + len(name) : end if end >= 0 else None].decode("latin-1").strip()


def _is_plain(lower: bytes) -> bool:
    """Say whether these bytes are one request without a body, and nothing else.

    Where this is in doubt, what comes behind them might be taken for a request and be none.
    """
    return (
        lower.startswith((b"get ", b"post "))
        and lower.endswith(_END)
        and lower.count(_END) == 1
        and b" http/1.1\r\n" in lower
        and b"transfer-encoding" not in lower
        and lower.count(b"content-length") == lower.count(b"\r\ncontent-length: 0\r\n")
        and lower.count(b"connection:") == lower.count(b"\r\nconnection: keep-alive\r\n")
    )

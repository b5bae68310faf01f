"""Reading public pages over HTTP for the command line: bounded in time, size and where it goes."""

import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

ANSWER_BYTES_MAX = 64 * 2**20
ANSWER_TIMEOUT_S = 60.0
SILENCE_TIMEOUT_S = 15.0
_PIECE_BYTES = 64 * 1024
_DETAIL_CHARACTERS_MAX = 300


class SourceError(Exception):
    """A log, a head or a receipt could not be read; the message is one line for the user."""


class NotThere(SourceError):
    """The server has no such page."""


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follow redirects within one host only, and never from https to http.

    The log of another host would be checked in place of the shop's own.
    """

    def redirect_request(  # noqa: PLR0917 - the library calls it so
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        to_tls = (old.scheme, new.scheme) == ("http", "https") and new.port in {None, 443}
        same = (old.scheme, old.netloc) == (new.scheme, new.netloc)
        if not same and not (to_tls and old.hostname == new.hostname):
            # The library closes the answer only when it may go on.
            fp.close()
            raise SourceError(f"{old.netloc} redirects to another host ({new.netloc})")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # The library's default opener also opens files and FTP.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _SameHost(),
    ):
        opener.add_handler(handler)
    return opener


class Fetcher:
    """Get JSON from http and https addresses."""

    def __init__(self) -> None:
        self._opener = _opener()

    def get(self, url: str) -> bytes:
        """Return the body of a page; raises `SourceError`, or `NotThere` for a missing page."""
        if urlsplit(url).scheme not in {"http", "https"}:
            raise SourceError(f"{url} is not an http or https address")
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            url, headers={"Accept": "application/json", "User-Agent": "waitroom-verify"}
        )
        try:
            with self._opener.open(request, timeout=SILENCE_TIMEOUT_S) as answer:
                return _read(answer, url)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error, url) from error
        except urllib.error.URLError as error:
            raise SourceError(f"cannot reach {url}: {error.reason}") from error
        except (OSError, ValueError, HTTPException) as error:
            raise SourceError(f"cannot read {url}: {error or type(error).__name__}") from error


def _read(answer: Any, url: str) -> bytes:
    """Read an answer to its end, within bounds on its size and on the time for all its pieces."""
    pieces, size = [], 0
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while piece := answer.read1(_PIECE_BYTES):
        size += len(piece)
        if size > ANSWER_BYTES_MAX:
            raise SourceError(f"{url} answers with more than {ANSWER_BYTES_MAX // 2**20} MiB")
        if time.monotonic() > deadline:
            raise SourceError(f"{url} takes longer than {ANSWER_TIMEOUT_S:.0f} s to answer")
        pieces.append(piece)
    if answer.length:
        raise SourceError(f"{url} broke off its answer")
    return b"".join(pieces)


class _Problem(msgspec.Struct, frozen=True):
    detail: str = ""
    title: str = ""


def _refused(error: urllib.error.HTTPError, url: str) -> SourceError:
    """Return the server's refusal in one line, in the problem's own words if it has some."""
    try:
        problem = msgspec.json.decode(error.read(_PIECE_BYTES), type=_Problem)
        words = problem.detail or problem.title
    except (msgspec.DecodeError, OSError, HTTPException, UnicodeError):
        words = ""
    said = (words or str(error.reason))[:_DETAIL_CHARACTERS_MAX]
    said = "".join(sign if sign.isprintable() else " " for sign in said)
    kind = NotThere if error.code == 404 else SourceError
    return kind(f"{url} answers {error.code}: {said}")

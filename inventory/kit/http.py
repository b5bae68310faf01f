"""HTTP at the rim: bodies in, JSON and problem+json out, keys and tokens of requests."""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import msgspec
import structlog
from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from multidict import CIMultiDict
from prometheus_client import Histogram

from inventory.kit.database import ENGINE_ERRORS
from inventory.kit.problem import (
    BadRequest,
    CrossSite,
    EngineDown,
    IdempotencyKeyMissing,
    Refusal,
    Unprocessable,
)
from inventory.kit.pulse import pulse_of

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body")
Read = TypeVar("Read")

BODY_BYTES_MAX = 64 * 1024
BODY_WAIT_S = 10.0
KEY_LENGTH_MAX = 128
DIGITS_MAX = 19
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Answers are for one shopper unless a handler says otherwise.
PRIVATE = CIMultiDict(
    {
        "Cache-Control": "no-store",
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "Server": "waitroom",
    }
)
PROBLEM = CIMultiDict({**PRIVATE, "Content-Type": "application/problem+json"})

encode = msgspec.json.Encoder().encode

SECONDS = Histogram(
    "waitroom_request_seconds",
    "Time from the request's head to the answer, by route and status.",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_children: dict[tuple[str, int], Histogram] = {}

PROBLEM_PAGE: "web.AppKey[Callable[[Refusal], web.Response]]" = web.AppKey("problem_page")


async def send_file(
    request: web.Request, pieces: AsyncIterable[bytes], *, name: str, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send a file a piece at a time, to be saved by this name; to a HEAD its head alone."""
    response = web.StreamResponse(headers=headers)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        async for piece in pieces:
            await response.write(piece)
    except Exception as error:  # noqa: BLE001 - whatever it was, half a file is no answer
        log.warning("export_broken_off", file=name, error=repr(error))
        # The connection ends without the last chunk, so the file cannot be taken for a whole one.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def json_response(
    value: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    response = web.Response(body=encode(value), status=status, headers=PRIVATE)
    if headers:
        response.headers.update(headers)
    return response


async def read_body(request: web.Request, decoder: "msgspec.json.Decoder[Body]") -> Body:
    """Decode a JSON body; raises `BadRequest` if it is not JSON, `Unprocessable` if unfit."""
    raw = await _in_time(request, request.read())
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"{error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The request's body is no JSON: {error}.") from error


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form; raises `BadRequest` for one that does not arrive."""
    form = await _in_time(request, request.post())
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _in_time(request: web.Request, reading: Awaitable[Read]) -> Read:
    """Give a body a bounded time to arrive; one that came with the head needs no clock."""
    if request.content.is_eof():
        return await reading
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            return await reading
    except TimeoutError as error:
        raise BadRequest("The request's body did not arrive in time.") from error


def idempotency_key(request: web.Request, *, required: bool = True) -> str | None:
    """Return the Idempotency-Key header; raises when it is missing or unusable."""
    key = request.headers.get("Idempotency-Key")
    if key is None or not key.strip():
        if required:
            raise IdempotencyKeyMissing
        return None
    if len(key) > KEY_LENGTH_MAX or not key.isprintable():
        raise BadRequest(f"An Idempotency-Key is printable and has at most {KEY_LENGTH_MAX} signs.")
    return key


def bearer(request: web.Request) -> str | None:
    """Return the token of `Authorization: Bearer …`, if there is one."""
    header = request.headers.get("Authorization")
    if header is None or not header.startswith("Bearer "):
        return None
    return header[7:].strip() or None


def wants_html(request: web.Request) -> bool:
    """Say whether a browser is asking for a page; programs get JSON."""
    return "text/html" in request.headers.get("Accept", "")


def query_int(request: web.Request, name: str, *, default: int, low: int, high: int) -> int:
    """Return a whole number from the query string, refused when out of its bounds."""
    text = request.query.get(name)
    if text is None:
        return default
    digits = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    if not digits or not low <= int(text) <= high:
        raise BadRequest(f"{name} must be a whole number from {low} to {high}.")
    return int(text)


def refuse_cross_site(request: web.Request) -> None:
    """Raise `CrossSite` when a browser says that another site sent this request.

    Cookies are SameSite=Lax besides; programs send neither header and authorise themselves.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise CrossSite
        return
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise CrossSite


def route_of(match: AbstractMatchInfo) -> str:
    """Return the name of the route that serves a request."""
    # A path that no route serves has no name of its own: strangers must not fill the table.
    resource = getattr(getattr(match, "route", None), "resource", None)
    return resource.canonical if resource is not None else "none"


def observe(route: str, status: int, seconds: float) -> None:
    """Count one request and its time under the route that served it."""
    child = _children.get((route, status))
    if child is None:
        child = _children[route, status] = SECONDS.labels(route, str(status))
    child.observe(seconds)


@web.middleware
async def rim(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals and failures into answers, refuse cross-site writes, count and time."""
    started, status = time.perf_counter(), 0
    route = route_of(request.match_info)
    pulse = pulse_of(route)
    number = 0 if pulse is None else pulse.begin(route, started)
    try:
        if request.method not in SAFE_METHODS:
            refuse_cross_site(request)
        response = await handler(request)
        status = response.status
    except Refusal as refusal:
        response, status = _refused(request, refusal), refusal.status
    except web.HTTPException as error:
        status = error.status
        if status < 400:
            raise
        response = _refused(request, _HttpRefusal(error))
    except Exception as error:  # noqa: BLE001 - the rim is where failures become answers
        failure = _failure_of(request, error)
        response, status = _refused(request, failure), failure.status
    finally:
        # A client that has hung up meanwhile leaves no status.
        if pulse is not None:
            pulse.end(number, status, time.perf_counter())
    observe(route, response.status, time.perf_counter() - started)
    return response


def _failure_of(request: web.Request, error: Exception) -> Refusal:
    if isinstance(error, asyncpg.DataError):
        # A NUL in a text, a number beyond any column: the tables themselves refuse it.
        log.warning("value_refused", path=request.path, error=repr(error))
        return Unprocessable("A value in the request cannot be stored.")
    if isinstance(error, ENGINE_ERRORS):
        log.warning("engine_away", path=request.path, error=repr(error))
        return EngineDown()
    log.error("request_failed", method=request.method, path=request.path, exc_info=error)
    return _Failed()


class _Failed(Refusal):
    code, status = "internal_error", 500
    title = "Something went wrong on our side. Nothing was lost; please try again."


class _HttpRefusal(Refusal):
    """One of aiohttp's own refusals (no route, wrong method, body too large) in our form."""

    def __init__(self, error: web.HTTPException) -> None:
        self.status = error.status
        self.title = f"{error.reason}."
        codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
        self.code = codes.get(error.status, "refused")
        super().__init__(headers={k: v for k, v in error.headers.items() if k == "Allow"})


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    page = request.config_dict.get(PROBLEM_PAGE)
    if page is not None and wants_html(request):
        response = page(refusal)
        if request.method == "GET" and "Retry-After" in refusal.headers:
            # The page tries again by itself, also without JavaScript.
            response.headers["Refresh"] = refusal.headers["Retry-After"]
    else:
        response = web.Response(body=encode(refusal.body()), status=refusal.status, headers=PROBLEM)
    response.headers.update(refusal.headers)
    return response

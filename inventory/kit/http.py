"""HTTP at the rim: bodies in, JSON and problem+json out, keys and tokens of requests."""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import asyncpg
import msgspec
import structlog
from aiohttp import ClientPayloadError, web
from aiohttp.abc import AbstractMatchInfo
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError
from multidict import CIMultiDict, istr
from prometheus_client import Histogram

from inventory.kit.database import ENGINE_ERRORS, work_for
from inventory.kit.doors.accept import prefers_html, takes_gzip
from inventory.kit.doors.client import api_key
from inventory.kit.doors.decoding import field_of, words_of
from inventory.kit.doors.origins import Origin, origin_of, parse_origin
from inventory.kit.doors.query import QueryString, fields_of
from inventory.kit.language.asked import language_of
from inventory.kit.language.language import phrase
from inventory.kit.problem import (
    BadRequest,
    CrossSite,
    EngineDown,
    Failed,
    IdempotencyKeyMissing,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    Unprocessable,
    UnsupportedMediaType,
)
from inventory.kit.pulse import pulse_of

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body")

BODY_BYTES_MAX = 64 * 1024
BODY_WAIT_S = 10.0
KEY_LENGTH_MAX = 128
FORM = "application/x-www-form-urlencoded"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
NOT_WHOLE = (HttpProcessingError, ClientPayloadError, RequestPayloadError)
_UNREADABLE = "The request body cannot be read."

# Answers are for one shopper unless a handler says otherwise.
PRIVATE = CIMultiDict(
    {
        "Cache-Control": "no-store",
        "Content-Type": "application/json",
    }
)
PROBLEM = CIMultiDict({**PRIVATE, "Content-Type": "application/problem+json"})

# Found without a look at their case.
_KEY, _SITE, _ORIGIN = istr("Idempotency-Key"), istr("Sec-Fetch-Site"), istr("Origin")
_NO_QUERY = QueryString("")

encode = msgspec.json.Encoder().encode

SECONDS = Histogram(
    "waitroom_request_seconds",
    "Time from the request's head to the answer, by route and status.",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_children: dict[tuple[str, int], Histogram] = {}

# Hears of changes that were refused because another site's page sent them.
CrossSiteTold = Callable[[web.Request], Awaitable[None]]
CROSS_SITE_TOLD: "web.AppKey[CrossSiteTold]" = web.AppKey("cross_site_told")

# The address of the service as browsers know it, where that is set.
OWN_ORIGIN: "web.AppKey[Origin | None]" = web.AppKey("own_origin")
# Routes that change nothing by any method: a proxy asks there by that of the request in question.
ASKED_ONLY: "web.AppKey[frozenset[str]]" = web.AppKey("asked_only")
ProblemPage = Callable[[web.Request, Refusal, str], web.Response]
PROBLEM_PAGE: "web.AppKey[ProblemPage]" = web.AppKey("problem_page")


class Process(Protocol):
    """The process that serves an application."""

    # True while it answers what still comes, and then ends.
    draining: bool


PROCESS: "web.AppKey[Process]" = web.AppKey("process")


async def send_file(
    request: web.Request, pieces: AsyncIterable[bytes], *, name: str, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send a file a piece at a time, to be saved by this name; to a HEAD its head alone."""
    response = web.StreamResponse(headers=headers)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return await send_pieces(request, response, pieces, name=name)


async def send_pieces(
    request: web.Request,
    response: web.StreamResponse,
    pieces: AsyncIterable[bytes],
    *,
    name: str,
) -> web.StreamResponse:
    """Send a long answer a piece at a time.

    An error after the head has gone out ends the connection: nothing else could tell the reader
    that the rest is missing, and a second answer would stand in the middle of the first.
    """
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


def read_query(request: web.Request) -> QueryString:
    """Return the parameters of a request's address."""
    text = request.rel_url.raw_query_string
    return QueryString(text) if text else _NO_QUERY


async def read_body(request: web.Request, decoder: "msgspec.json.Decoder[Body]") -> Body:
    """Decode a JSON body; raises `BadRequest` if it is not JSON, `Unprocessable` if unfit."""
    raw = await read_raw(request)
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"{words_of(error)}.", field=field_of(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The request body is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise BadRequest("The request body is nested too deeply.") from error


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, the first of each name; none for an empty body.

    Raises `UnsupportedMediaType` for a body in another form than pages send, and `BadRequest` for
    one that cannot be read.
    """
    raw = await read_raw(request)
    if not raw:
        return {}
    charset = (request.charset or "utf-8").strip().lower()
    if request.content_type != FORM or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"Please send the form as {FORM}, in UTF-8.")
    try:
        fields = fields_of(raw.decode("ascii"), errors="strict")
    except ValueError as error:
        raise BadRequest("The form cannot be read.") from error
    return dict(reversed(fields))


async def read_raw(request: web.Request) -> bytes:
    """Return a body's bytes as they came.

    Raises `BadRequest` for one that does not arrive whole or in time.
    """
    try:
        if request.content.is_eof():
            # It came with the head, and needs no clock.
            return await request.read()
        async with asyncio.timeout(BODY_WAIT_S):
            return await request.read()
    except TimeoutError as error:
        raise BadRequest(phrase("The request body did not arrive in time.")) from error
    except NOT_WHOLE as error:
        raise BadRequest(_UNREADABLE) from error


@contextmanager
def arriving() -> Iterator[None]:
    """Raise `BadRequest` for a body that is cut off or not packed as its Content-Encoding says."""
    try:
        yield
    except NOT_WHOLE as error:
        raise BadRequest(_UNREADABLE) from error


def idempotency_key(request: web.Request, *, required: bool = True) -> str | None:
    """Return the Idempotency-Key header; raises when it is missing or unusable."""
    key = request.headers.get(_KEY)
    if key is None or not key.strip():
        if required:
            raise IdempotencyKeyMissing
        return None
    if len(key) > KEY_LENGTH_MAX or not key.isprintable():
        raise BadRequest(f"An Idempotency-Key is printable and has at most {KEY_LENGTH_MAX} signs.")
    return key


def wants_html(request: web.Request) -> bool:
    """Say whether a browser is asking for a page; programs get JSON."""
    return prefers_html(",".join(request.headers.getall("Accept", ())))


def refuse_cross_site(request: web.Request, route: str) -> None:
    """Raise `CrossSite` when a browser says that another site sent this change.

    Browsers leave `Sec-Fetch-Site` out over plain http; then the Origin header decides. Cookies are
    SameSite=Lax besides; programs send neither header and authorise themselves. Raises `BadRequest`
    for an Origin header that cannot be read.
    """
    site, origin = request.headers.get(_SITE), request.headers.get(_ORIGIN)
    says_nothing = site is None and origin is None
    if says_nothing or request.method in SAFE_METHODS or site in {"same-origin", "none"}:
        return
    # No browser sends a key by itself, so no other site can borrow it.
    if route in request.config_dict.get(ASKED_ONLY, ()) or api_key(request) is not None:
        return
    if site is not None or (origin is not None and not _is_ours(request, _sender(request, origin))):
        raise CrossSite


def _sender(request: web.Request, header: str) -> Origin | None:
    """Return the origin that sent a request, None for one that cannot be told."""
    if header.strip().lower() == "null":
        # A browser that hides the origin of a form may still say which page it stood on.
        return origin_of(request.headers.get("Referer", ""))
    try:
        return parse_origin(header)
    except ValueError as error:
        if "://" in header and not header.lower().startswith(("http://", "https://")):
            # The origin of an app or of a browser's extension.
            return None
        raise BadRequest(f"The Origin header cannot be read: {error}.") from error


def _is_ours(request: web.Request, sender: Origin | None) -> bool:
    if sender is None:
        return False
    return sender == request.config_dict.get(OWN_ORIGIN) or sender.is_at(request.host)


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


def answers_under(*prefixes: str) -> int:
    """Return how many requests this process has answered on the routes below these paths."""
    samples = (sample for metric in SECONDS.collect() for sample in metric.samples)
    return sum(
        int(sample.value)
        for sample in samples
        if sample.name.endswith("_count") and sample.labels["route"].startswith(prefixes)
    )


@web.middleware
async def rim(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals and failures into answers, refuse cross-site writes, count and time."""
    started, status = time.perf_counter(), 0
    # All requests of one connection share a task, and the last one may have been of some room.
    work_for("")
    route = route_of(request.match_info)
    pulse = pulse_of(route)
    number = 0 if pulse is None else pulse.begin(request.method, route, started)
    try:
        refuse_cross_site(request, route)
        response = await handler(request)
        status = response.status
    except CrossSite as refusal:
        response, status = _refused(request, refusal), refusal.status
        if (told := request.config_dict.get(CROSS_SITE_TOLD)) is not None:
            await told(request)
    except Refusal as refusal:
        response, status = _refused(request, refusal), refusal.status
    except web.HTTPException as error:
        status = error.status
        if status < 400:
            _close_if_due(request, error)
            raise
        response = _refused(request, _HttpRefusal(error))
    except Exception as error:  # noqa: BLE001 - the rim is where failures become answers
        failure = _failure_of(request, error)
        response, status = _refused(request, failure), failure.status
    finally:
        # A client that has hung up meanwhile leaves no status.
        if pulse is not None:
            pulse.end(number, status, time.perf_counter())
    _close_if_due(request, response)
    _pack_page(request, response)
    observe(route, response.status, time.perf_counter() - started)
    return response


def _close_if_due(request: web.Request, response: web.StreamResponse) -> None:
    """End the connection with this answer if no other request can be answered on it.

    Either the process is about to end, or a packed body was not read to its end: the server reads
    on behind the answer and hangs up where the body is not packed as it says. A client that was not
    told would send its next request into that.
    """
    process = request.app.get(PROCESS)
    if (process is not None and process.draining) or (
        "Content-Encoding" in request.headers and not request.content.is_eof()
    ):
        response.force_close()


def _pack_page(request: web.Request, response: web.StreamResponse) -> None:
    """Pack a page for a client that can read it.

    No page puts a secret beside words that a stranger chose, so its length tells nothing.
    """
    if response.headers.get("Content-Type", "").startswith("text/html") and takes_gzip(
        ",".join(request.headers.getall("Accept-Encoding", ()))
    ):
        response.enable_compression(web.ContentCoding.gzip)


def _failure_of(request: web.Request, error: Exception) -> Refusal:
    if isinstance(error, asyncpg.DataError):
        # A NUL in a text, a number beyond any column: the tables themselves refuse it.
        log.warning("value_refused", path=request.path, error=repr(error))
        return Unprocessable("A value in the request cannot be stored.")
    if isinstance(error, (*ENGINE_ERRORS, asyncpg.DeadlockDetectedError)):
        log.warning("engine_away", path=request.path, error=error)
        return EngineDown()
    log.error("request_failed", method=request.method, path=request.path, exc_info=error)
    return Failed()


_HTTP_REFUSALS = {kind.status: kind for kind in (NotFound, MethodNotAllowed, TooLarge)}


class _HttpRefusal(Refusal):
    """One of aiohttp's own refusals (no route, wrong method, body too large) in our form."""

    def __init__(self, error: web.HTTPException) -> None:
        kind = _HTTP_REFUSALS.get(error.status)
        self.status = error.status
        self.title = f"{error.reason}." if kind is None else kind.title
        self.code = Refusal.code if kind is None else kind.code
        super().__init__(headers={k: v for k, v in error.headers.items() if k == "Allow"})


def _page_before(request: web.Request) -> str:
    """Return the path of the page on which a form stood, "" for a page that was opened."""
    referer = request.headers.get("Referer", "")
    if request.method in SAFE_METHODS or not _is_ours(request, origin_of(referer)):
        return ""
    # Two slashes at the beginning would lead to another site.
    return "/" + urlsplit(referer).path.lstrip("/\\")


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    page = request.config_dict.get(PROBLEM_PAGE)
    if page is not None and wants_html(request):
        response = page(request, refusal, _page_before(request))
        if request.method == "GET" and "Retry-After" in refusal.headers:
            # The page tries again by itself, also without JavaScript.
            response.headers["Refresh"] = refusal.headers["Retry-After"]
    else:
        body = encode(refusal.body(language_of(request)))
        response = web.Response(body=body, status=refusal.status, headers=PROBLEM)
    response.headers.update(refusal.headers)
    return response

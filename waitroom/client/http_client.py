"""One service over HTTP: requests with their repeats, and answers as typed values."""

import asyncio
import random
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from waitroom.client.problem import NoAnswer, problem_of

Value = TypeVar("Value")

CONNECTIONS_MAX = 64
CONNECT_WAIT_S = 10.0
ANSWER_WAIT_S = 30.0
# Together about half a minute, unless Retry-After says more.
ATTEMPTS_MAX = 8
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.25, 8.0
RETRY_AFTER_MAX_S = 30.0
RETRIED = frozenset({429, 502, 503, 504})
# These may be sent twice: the second changes nothing more.
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


class HttpClient:
    """The connections to one service. Use as an async context manager.

    `attempts` is how often a request is sent at most, if it may be repeated.
    """

    def __init__(self, url: str, *, attempts: int = ATTEMPTS_MAX) -> None:
        self._base = URL(url.rstrip("/") + "/")
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_WAIT_S, sock_read=ANSWER_WAIT_S
            ),
            headers={"Accept": "application/json", "User-Agent": "waitroom-client"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        kind: type[Value],
        *,
        bearer: str = "",
        key: str = "",
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Value:
        """Send a request and return its answer as a value of this type.

        `key` is an Idempotency-Key; a request that has one may be repeated. Raises `Problem` for a
        refusal and `NoAnswer` for a service that stays away.
        """
        headers = {"Idempotency-Key": key} if key else {}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        raw = None if body is None else msgspec.json.encode(body)
        if raw is not None:
            headers["Content-Type"] = "application/json"
        url = self._base.join(URL(path.lstrip("/"), encoded=True)).update_query(query or {})
        attempts = self._attempts if method in REPEATABLE or key else 1
        answer = await self._repeated(method, url, attempts=attempts, headers=headers, raw=raw)
        return msgspec.json.decode(answer or b"null", type=kind)

    async def _repeated(
        self, method: str, url: URL, *, attempts: int, headers: dict[str, str], raw: bytes | None
    ) -> bytes:
        """Send a request until it is decided, and return the answer's body."""
        assert self._session is not None, "it is used as an async context manager"
        for attempt in range(1, attempts + 1):
            after_s = None
            try:
                async with self._session.request(
                    method, url, headers=headers, data=raw, allow_redirects=False
                ) as answer:
                    body = await answer.read()
                    if answer.status < 300:
                        return body
                    after_s = _retry_after_s(answer.headers.get("Retry-After", ""))
                    if answer.status not in RETRIED or attempt == attempts:
                        raise problem_of(answer.status, body, retry_after_s=after_s)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if attempt == attempts:
                    words = str(error) or type(error).__name__
                    raise NoAnswer(f"{method} {url.origin()}{url.path}: {words}") from error
            await asyncio.sleep(_pause_s(attempt, after_s))
        raise AssertionError("the last attempt returns or raises")


def _pause_s(attempt: int, after_s: float | None) -> float:
    """Return the pause before the next attempt: what the service asks for, or a growing one."""
    if after_s is not None:
        return min(after_s, RETRY_AFTER_MAX_S)
    longest = min(BACKOFF_FIRST_S * 2.0 ** (attempt - 1), BACKOFF_MAX_S)
    # Callers that failed together do not come back together.
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def _retry_after_s(header: str) -> float | None:
    return float(header) if header.isascii() and header.isdigit() and len(header) <= 6 else None

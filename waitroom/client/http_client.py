"""One service over HTTP: requests with their repeats, and answers as typed values."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
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
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.25, 5.0
RETRY_AFTER_MAX_S = 30.0
# The service is busy or away for now; the same request may be granted later.
RETRIED = frozenset({429, 502, 503, 504})
# A conflict that passes by itself, such as a payment that comes too soon, says when.
CONFLICT = 409
# These may be sent twice: the second changes nothing more.
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it came. `retry_after_s` is 0 where the service asks for no pause."""

    status: int
    raw: bytes
    etag: str = ""
    retry_after_s: float = 0.0

    @property
    def good(self) -> bool:
        return self.status < 400

    @property
    def passes(self) -> bool:
        """Say whether the same request may be granted later."""
        return self.status in RETRIED or (self.status == CONFLICT and self.retry_after_s > 0)


class HttpClient:
    """The connections to one service. Use as an async context manager.

    `attempts` is how often a request is sent at most, if it may be repeated.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "waitroom-client",
        attempts: int = ATTEMPTS_MAX,
        connections: int = CONNECTIONS_MAX,
    ) -> None:
        self._base = URL(url.rstrip("/") + "/")
        self._name = name
        self._attempts = attempts
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            # No total: waiting for a free connection is the caller's own affair.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_WAIT_S, sock_read=ANSWER_WAIT_S
            ),
            headers={"Accept": "application/json", "User-Agent": self._name},
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

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Send one request once; raises what aiohttp raises."""
        assert self._session is not None, "it is used as an async context manager"
        # Redirects are none of the API's, and would lead a program to strangers.
        async with self._session.request(
            method,
            # The service may stand below a path of another site.
            self._base.join(URL(path.removeprefix("/"))),
            headers=headers,
            data=raw,
            allow_redirects=False,
        ) as response:
            return Answer(
                status=response.status,
                raw=await response.read(),
                etag=response.headers.get("ETag", ""),
                retry_after_s=_seconds(response.headers.get("Retry-After", "")),
            )

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
        client_key: str = "",
    ) -> Value:
        """Send a request and return its answer as a value of this type.

        `key` is an Idempotency-Key; a request that has one may be repeated. `client_key` is the
        secret of an app that its tokens are bound to. Raises `Problem` for a
        refusal and `NoAnswer` for a service that stays away.
        """
        if query:
            path = str(URL(path).with_query(query))
        headers = headers_of(bearer=bearer, key=key, client_key=client_key)
        attempts = self._attempts if method in REPEATABLE or key else 1
        answer = await self._decided(method, path, headers=headers, attempts=attempts, body=body)
        if not answer.good:
            raise problem_of(answer.status, answer.raw, retry_after_s=answer.retry_after_s or None)
        return msgspec.json.decode(answer.raw or b"null", type=kind)

    async def _decided(
        self, method: str, path: str, *, headers: dict[str, str], attempts: int, body: object
    ) -> Answer:
        """Send a request until it is decided, or as often as it may be sent."""
        raw = None if body is None else msgspec.json.encode(body)
        for attempt in range(attempts):
            last = attempt == attempts - 1
            answer = None
            try:
                answer = await self.send(method, path, headers=headers, raw=raw)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if last:
                    words = str(error) or type(error).__name__
                    raise NoAnswer(f"{method} {path}: {words}") from error
            if answer is not None and (last or not answer.passes):
                return answer
            await asyncio.sleep(pause_s(attempt, answer))
        raise AssertionError("the last attempt returns or raises")


def headers_of(
    *, bearer: str = "", key: str = "", etag: str = "", client_key: str = ""
) -> dict[str, str]:
    """Return the headers for a token, an Idempotency-Key, a known ETag and the key of an app."""
    named = {
        "Authorization": bearer and f"Bearer {bearer}",
        "Idempotency-Key": key,
        "If-None-Match": etag,
        "Waitroom-Client-Key": client_key,
    }
    return {name: value for name, value in named.items() if value}


def pause_s(attempt: int, answer: Answer | None) -> float:
    """Return the pause after an attempt, which counts from 0: a growing one, or as it was told."""
    backoff_s = min(BACKOFF_FIRST_S * 2.0**attempt, BACKOFF_MAX_S)
    told_s = min(answer.retry_after_s, RETRY_AFTER_MAX_S) if answer else 0.0
    # Later by up to a fifth and never earlier, so that all do not come back at once.
    return max(backoff_s, told_s) * (1 + random.random() / 5)  # noqa: S311 - no secret


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0.0

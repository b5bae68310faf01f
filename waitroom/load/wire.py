"""The crowd's HTTP: one client for all; what a browser would repeat is repeated."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from yarl import URL

from waitroom.load.bodies import ProblemBody
from waitroom.load.journey import Journey

# Shoppers share these connections, and wait for a free one as at a busy proxy.
CONNECTIONS_MAX = 256
CONNECT_WAIT_S = 10.0
ANSWER_WAIT_S = 30.0
# Together about a minute: a failover is over by then.
ATTEMPTS_MAX = 16
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.25, 5.0
RETRY_AFTER_MAX_S = 30.0
RETRIED = frozenset({429, 502, 503, 504})

# Refusals that are part of a sale; any other is a surprise.
EXPECTED_CODES = frozenset(
    {
        "not_open",
        "room_ended",
        "sold_out",
        "missed",
        "ticket_over",
        "out_of_stock",
        "limit_reached",
        "payment_declined",
        "hold_expired",
        "session_over",
    }
)


_PROBLEM = msgspec.json.Decoder(ProblemBody)


class NoAnswer(Exception):
    """The service could not be reached, however often it was tried."""


class UnknownRoom(Exception):
    """The room does not exist, or no room is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    raw: bytes
    etag: str = ""
    retry_after_s: float = 0.0

    @property
    def good(self) -> bool:
        return self.status < 400

    def problem(self) -> ProblemBody:
        try:
            return _PROBLEM.decode(self.raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ProblemBody(code=f"http_{self.status}")


@dataclass(slots=True)
class Tally:
    """Counts of all requests: `refusals` belong to a sale, `errors` do not."""

    requests: int = 0
    polls: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


class Wire:
    """Send requests and count them. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._base = URL(url.rstrip("/") + "/")
        self.tally = Tally()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, force_close=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            # No total: waiting for a free connection is our own affair.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_WAIT_S, sock_read=ANSWER_WAIT_S
            ),
            headers={"Accept": "application/json", "User-Agent": "waitroom-load"},
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
        *,
        journey: Journey,
        bearer: str = "",
        key: str = "",
        etag: str = "",
        body: Any = None,
    ) -> Answer:
        """Return the answer, the last one if all were busy; raises `NoAnswer`.

        No answer and "busy" are met with the same request under the same key, after what
        Retry-After says or a growing pause.
        """
        names = {"Authorization": bearer and f"Bearer {bearer}", "If-None-Match": etag}
        headers = {name: value for name, value in names.items() if value}
        if key:
            headers["Idempotency-Key"] = key
        raw = None if body is None else msgspec.json.encode(body)
        answer = None
        for attempt in range(ATTEMPTS_MAX):
            try:
                answer = await self.once(method, path, headers=headers, raw=raw)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.surprise(journey, 0, type(error).__name__)
            else:
                self._note(journey, answer)
                if answer.status not in RETRIED:
                    return answer
            if attempt < ATTEMPTS_MAX - 1:
                await asyncio.sleep(_pause_s(attempt, answer))
        if answer is None:
            raise NoAnswer(f"{method} {path}")
        return answer

    async def once(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Send one request once; raises what aiohttp raises."""
        assert self._session is not None
        self.tally.requests += 1
        # Redirects are none of the API's, and would lead a crowd to strangers.
        async with self._session.request(
            method,
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

    def _note(self, journey: Journey, answer: Answer) -> None:
        if answer.good:
            return
        code = answer.problem().code
        if code in EXPECTED_CODES:
            self.tally.refusals[code] += 1
        else:
            self.surprise(journey, answer.status, code)

    def surprise(self, journey: Journey, status: int, code: str) -> None:
        self.tally.errors[code] += 1
        journey.surprised(status, code)


def _pause_s(attempt: int, answer: Answer | None) -> float:
    backoff_s = min(BACKOFF_FIRST_S * 2.0**attempt, BACKOFF_MAX_S)
    told_s = min(answer.retry_after_s, RETRY_AFTER_MAX_S) if answer else 0.0
    # Later by up to a fifth and never earlier, so that all do not come back at once.
    return max(backoff_s, told_s) * (1 + random.random() / 5)  # noqa: S311


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 0.0

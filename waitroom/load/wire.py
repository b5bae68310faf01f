"""The crowd's HTTP: one client for all; what a browser would repeat is repeated."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from waitroom.client.http_client import Answer, HttpClient, headers_of, pause_s
from waitroom.client.problem import NoAnswer
from waitroom.load.bodies import ProblemBody
from waitroom.load.journey import Journey

# Shoppers share these connections, and wait for a free one as at a busy proxy.
CONNECTIONS_MAX = 256
# Together about a minute: a failover is over by then.
ATTEMPTS_MAX = 16

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


# The addresses for benchmarks (RFC 2544), which no one has on the internet.
_ADDRESSES = IPv4Network("198.18.0.0/15")


class UnknownRoom(Exception):
    """The room does not exist, or no room is open."""


def problem_of(answer: Answer) -> ProblemBody:
    """Return the part of a refusal that a shopper acts on; a proxy's page has only a status."""
    try:
        return _PROBLEM.decode(answer.raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ProblemBody(code=f"http_{answer.status}")


def address_of(journey: Journey) -> dict[str, str]:
    """Return the header that gives a shopper an address of their own.

    A service that trusts this machine as a proxy then counts the crowd by shopper. To any other it
    says nothing, and the whole crowd is one client.
    """
    return {"X-Forwarded-For": str(_ADDRESSES[journey.shopper % _ADDRESSES.num_addresses])}


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
        self._http = HttpClient(url, name="waitroom-load", connections=CONNECTIONS_MAX)
        self.tally = Tally()

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

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
        headers = {**headers_of(bearer=bearer, key=key, etag=etag), **address_of(journey)}
        raw = None if body is None else msgspec.json.encode(body)
        answer = None
        for attempt in range(ATTEMPTS_MAX):
            try:
                answer = await self.once(method, path, headers=headers, raw=raw)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.surprise(journey, 0, type(error).__name__)
            else:
                self._note(journey, answer)
                if not answer.passes:
                    return answer
            if attempt < ATTEMPTS_MAX - 1:
                await asyncio.sleep(pause_s(attempt, answer))
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
        self.tally.requests += 1
        return await self._http.send(method, path, headers=headers, raw=raw)

    def _note(self, journey: Journey, answer: Answer) -> None:
        if answer.good:
            return
        code = problem_of(answer).code
        if code in EXPECTED_CODES:
            self.tally.refusals[code] += 1
        else:
            self.surprise(journey, answer.status, code)

    def surprise(self, journey: Journey, status: int, code: str) -> None:
        self.tally.errors[code] += 1
        journey.surprised(status, code)

"""One shopper's HTTP: requests that are repeated until there is an answer, and every answer kept.

It does what a good page does: it waits fifteen seconds for an answer, takes 429 and 5xx for "not
now", waits as long as Retry-After says, and repeats under the same key.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self
from uuid import UUID

import aiohttp

from chaos.told import PASSING, Story, Told, mark

ANSWER_WITHIN_S = 15.0
PAUSE_FIRST_S, PAUSE_MAX_S, TOLD_PAUSE_MAX_S = 0.25, 4.0, 25.0
# Networks for benchmarks (RFC 2544): each shopper names an address of their own, as a proxy would.
NETWORK = "198.18.{}.{}"
TOLD_FIELDS = (
    *("line", "number", "place", "version", "status", "seconds_left"),
    *("hold_id", "order_id", "state"),
)


@dataclass(slots=True)
class Clock:
    """Seconds since the run began."""

    began_at: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return time.monotonic() - self.began_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer that ended a step; `first_at` is when the step's first try was sent.

    `told` is what the record keeps of it.
    """

    status: int
    body: dict[str, Any]
    first_at: float
    at: float
    told: Told
    etag: str = ""

    @property
    def good(self) -> bool:
        return self.told.good

    @property
    def code(self) -> str:
        return self.told.code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """The reply to one try; status 0 is none. `pause_s` is 0 where it asks for no pause."""

    status: int
    body: dict[str, Any]
    etag: str = ""
    pause_s: float = 0.0


class Ended(Exception):
    """The run is over, and this step was not worth waiting for."""


class Client:
    """The connections of one shopper. Use as an async context manager."""

    steps = itertools.count(1)

    def __init__(self, url: str, story: Story, clock: Clock, shopper: int, dice: Random) -> None:
        self._url = url
        self._story = story
        self._clock = clock
        self._dice = dice
        self._http: aiohttp.ClientSession | None = None
        self.shopper = shopper
        # Set when the run is over: only what has to be decided is still repeated.
        self.over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()

    def _open(self) -> None:
        address = NETWORK.format(*divmod(self.shopper, 250))
        self._http = aiohttp.ClientSession(
            self._url,
            connector=aiohttp.TCPConnector(limit=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
            headers={"X-Forwarded-For": address, "Accept": "application/json"},
        )

    async def reopen(self) -> None:
        """Close all connections, as a browser that is closed, and open new ones."""
        await self.__aexit__()
        self._open()

    def new_key(self) -> str:
        return str(UUID(int=self._dice.getrandbits(128), version=4))

    async def ask(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        token: str = "",
        key: str = "",
        body: Any = None,
        etag: str = "",
        due_at: float | None = None,
        decided: bool = False,
    ) -> Answer:
        """Repeat a request until it is answered; raises `Ended` when the run is over before.

        With `decided` it is repeated also after that: money may be in it.
        """
        headers = _headers(token=token, key=key, etag=etag)
        step, first_at = next(self.steps), self._clock.now()
        for attempt in itertools.count():
            sent_at = self._clock.now()
            reply = await self._once(method, path, headers, body)
            told = Told(
                shopper=self.shopper,
                step=step,
                kind=kind,
                key=key and mark(key),
                due_at=sent_at if due_at is None or attempt else due_at,
                sent_at=sent_at,
                at=self._clock.now(),
                status=reply.status,
                code=str(reply.body.get("code", "")),
                said=_said(reply.body),
            )
            self._story.answers.append(told)
            if reply.status and reply.status not in PASSING and not reply.pause_s:
                return Answer(
                    status=reply.status,
                    body=reply.body,
                    first_at=first_at,
                    at=told.at,
                    told=told,
                    etag=reply.etag,
                )
            if self.over.is_set() and not decided:
                raise Ended(kind)
            growing_s = min(PAUSE_FIRST_S * 1.5**attempt, PAUSE_MAX_S)
            pause_s = max(min(reply.pause_s, TOLD_PAUSE_MAX_S), growing_s)
            await (asyncio.sleep(pause_s) if decided else self.rest(pause_s))
        raise AssertionError("the loop ends by itself")

    async def rest(self, seconds: float) -> None:
        """Sleep, or until the run is over."""
        try:
            await asyncio.wait_for(self.over.wait(), max(seconds, 0))
        except TimeoutError:
            return

    async def _once(self, method: str, path: str, headers: dict[str, str], body: Any) -> _Reply:
        assert self._http is not None
        try:
            async with self._http.request(method, path, json=body, headers=headers) as response:
                said: Any = None
                if "json" in response.content_type:
                    said = await response.json(content_type=None)
                else:
                    await response.read()
                told_s = response.headers.get("Retry-After", "")
                return _Reply(
                    status=response.status,
                    body=said if isinstance(said, dict) else {},
                    etag=response.headers.get("ETag", ""),
                    pause_s=float(told_s) if told_s.isdigit() else 0.0,
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _Reply(status=0, body={"code": type(error).__name__})


def _headers(*, token: str, key: str, etag: str) -> dict[str, str]:
    named = {
        "Authorization": token and f"Bearer {token}",
        "Idempotency-Key": key,
        "If-None-Match": etag,
    }
    return {name: value for name, value in named.items() if value}


def _said(body: dict[str, Any]) -> dict[str, Any]:
    """Return what the record keeps of a body."""
    kept = {name: body[name] for name in TOLD_FIELDS if body.get(name) is not None}
    for secret in ("ticket", "session"):
        if isinstance(body.get(secret), str):
            kept[secret] = mark(body[secret])
    if isinstance(body.get("items"), list):
        kept["units"] = sum(item.get("quantity", 0) for item in body["items"])
    return kept

"""The outside check that a shopper is human: Turnstile, hCaptcha, and others of their form.

The page shows the provider's widget, which gives a token. The provider is asked over HTTP whether
the token is good: a POST of a form with `secret` and `response`, answered by JSON with `success`.
"""

import asyncio
import time
from enum import Enum
from http import HTTPStatus

import aiohttp
import msgspec
import structlog

from waitroom.desk.proving.provider import Provider
from waitroom.desk.proving.refusals import CheckNeeded

log = structlog.get_logger()

VERIFY_WAIT_S = 5.0
# After a failure the provider counts as away for this long, so that an outage costs one time-out
# and not one for each join.
AWAY_S = 5.0
ANSWER_BYTES_MAX = 16 * 1024
TOKEN_LENGTH_MAX = 4096
# Questions under way at once. One more gets no answer.
QUESTIONS_MAX = 64


class Verdict(Enum):
    HUMAN = "human"
    REFUSED = "refused"
    AWAY = "away"


class _Said(msgspec.Struct, frozen=True):
    """The part of a provider's answer that counts."""

    success: bool
    error_codes: list[str] = msgspec.field(name="error-codes", default_factory=list)


_SAID = msgspec.json.Decoder(_Said)
# These are mistakes of ours, and no word on the shopper.
_OURS = frozenset({"missing-input-secret", "invalid-input-secret", "internal-error"})


class HumanCheck:
    """Asks a provider about tokens, within bounds."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._session: aiohttp.ClientSession | None = None
        self._questions = asyncio.Semaphore(QUESTIONS_MAX)
        self._away_until = float("-inf")

    def needed(self, detail: str = "") -> CheckNeeded:
        """Return the refusal that asks for a token of this provider."""
        known = self.provider
        return CheckNeeded(detail, script=known.script_url, site_key=known.site_key)

    async def verdict(self, token: str) -> Verdict:
        """Return what the provider says of a token; it is away where it says nothing in time."""
        if len(token) > TOKEN_LENGTH_MAX:
            return Verdict.REFUSED
        # A flood of tokens makes the provider no less there for the questions under way.
        if time.monotonic() < self._away_until or self._questions.locked():
            return Verdict.AWAY
        try:
            async with self._questions, asyncio.timeout(VERIFY_WAIT_S):
                said = await self._ask(token)
        except (aiohttp.ClientError, msgspec.DecodeError, TimeoutError, OSError) as error:
            # The error itself may quote what was sent.
            return self._away(type(error).__name__)
        if said.success:
            return Verdict.HUMAN
        if _OURS.intersection(said.error_codes):
            return self._away(", ".join(said.error_codes))
        return Verdict.REFUSED

    def _away(self, why: str) -> Verdict:
        log.warning("check_away", error=why)
        self._away_until = time.monotonic() + AWAY_S
        return Verdict.AWAY

    async def _ask(self, token: str) -> _Said:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        form = {
            "secret": self.provider.secret,
            "response": token,
            "sitekey": self.provider.site_key,
        }
        async with self._session.post(
            self.provider.verify_url, data=form, allow_redirects=False
        ) as response:
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                response.raise_for_status()
            # A token that cannot be read may be answered by 400, and is no outage.
            return _SAID.decode(await _body_of(response))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole answer, in however many pieces it arrives, up to the bound."""
    try:
        return await response.content.readexactly(ANSWER_BYTES_MAX)
    except asyncio.IncompleteReadError as whole:
        return whole.partial

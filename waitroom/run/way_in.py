"""The way on which shoppers come, looked at from inside: whether the public address leads to us."""

import asyncio
import time
from dataclasses import dataclass

import aiohttp
import structlog

from inventory.kit.http import answers_under

log = structlog.get_logger()

PROBE_EVERY_S = 2.0
PROBE_MAX_S = 3.0
CUT_OFF_AFTER_S = 10.0
# The routes of shoppers. What a balancer or a monitor asks is no sign of one.
SHOPPERS_ROUTES = ("/rooms", "/checkout")
# What a proxy answers when nothing behind it does.
NOBODY_BEHIND = (502, 503, 504)


@dataclass(slots=True)
class WayIn:
    """Whether shoppers are cut off from this worker. It reads no clock.

    That no shopper asks proves nothing: a crowd falls silent when everything is sold, and one
    client can pose as a crowd and fall silent to stop the clock. So it takes both: the public
    address, which has led to us before, leads to nobody for a while, and no shopper has come
    meanwhile. A single request of a shopper proves that the way is open. No shopper can close it.
    """

    after_s: float = CUT_OFF_AFTER_S
    _led_to_us: bool = False
    # The last moment at which nothing said that the way is closed; None before the first.
    _open_at: float | None = None
    _answered: int = -1

    def probed(self, *, led_to_us: bool | None, answered: int, now: float) -> None:
        """Note a probe: None is an answer that may be anybody's.

        `answered` is how many answers shoppers had from us; it is looked at if nobody is behind.
        """
        self._led_to_us = self._led_to_us or led_to_us is True
        if led_to_us is not False or not self._led_to_us or answered != self._answered:
            self._open_at = now
        self._answered = answered

    def is_cut_off(self, now: float) -> bool:
        return self._open_at is not None and now - self._open_at > self.after_s


class Probe:
    """Asks the public address for this service's health, as a shopper's browser would come."""

    def __init__(self, public_url: str, way_in: WayIn) -> None:
        self._url = f"{public_url}/healthz" if public_url else ""
        self._way_in = way_in

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until `stopping` is set; without a public address there is nothing to ask."""
        if not self._url:
            return
        probing = asyncio.create_task(self._keep_asking())
        told = asyncio.create_task(stopping.wait())
        # A name that cannot be looked up would hold up the end of the process.
        await asyncio.wait((probing, told), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not probing.cancel():
            probing.result()
        await asyncio.wait([probing])

    async def _keep_asking(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PROBE_MAX_S)
        was_cut_off = False
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                led_to_us = await self._ask(http)
                now = time.monotonic()
                answered = answers_under(*SHOPPERS_ROUTES) if led_to_us is False else -1
                self._way_in.probed(led_to_us=led_to_us, answered=answered, now=now)
                cut_off = self._way_in.is_cut_off(now)
                if cut_off != was_cut_off:
                    log.warning("shoppers_cut_off" if cut_off else "shoppers_come", url=self._url)
                was_cut_off = cut_off
                await asyncio.sleep(PROBE_EVERY_S)

    async def _ask(self, http: aiohttp.ClientSession) -> bool | None:
        try:
            # A new connection each time, since a shopper has to open one too.
            headers = {"Connection": "close"}
            async with http.get(self._url, headers=headers, allow_redirects=False) as answer:
                if answer.status in NOBODY_BEHIND:
                    return False
                return True if answer.status == 200 else None
        except (aiohttp.ClientError, OSError, ValueError):
            return False

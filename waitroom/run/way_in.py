"""The way on which shoppers come, looked at from inside: whether the public address leads to us."""

import asyncio
from dataclasses import dataclass

import aiohttp
import structlog

from inventory.kit.http import answers_under

log = structlog.get_logger()

PROBE_EVERY_S = 1.0
PROBE_MAX_S = 2.0
# The routes of shoppers. What a balancer or a monitor asks is no sign of one.
SHOPPERS_ROUTES = ("/rooms", "/checkout")
# What a proxy answers when nothing behind it does.
NOBODY_BEHIND = (502, 503, 504)


@dataclass(slots=True)
class WayIn:
    """Whether shoppers are cut off from this worker.

    That no shopper asks proves nothing: a crowd falls silent when everything is sold, and one
    client can pose as a crowd and fall silent to stop the clock. So it takes both: the public
    address, which has led to us before, leads to nobody, and no shopper has come since the last
    probe. A single request of a shopper proves that the way is open. No shopper can close it.

    One probe is enough. The clock goes on for three seconds after the last report, so a way that is
    closed for a moment stops nothing, and a call loses few seconds to one that stays closed.
    """

    is_cut_off: bool = False
    _led_to_us: bool = False
    _answered: int = -1

    def probed(self, *, led_to_us: bool | None, answered: int) -> None:
        """Note a probe: None is an answer that may be anybody's.

        `answered` is how many answers shoppers had from us.
        """
        self._led_to_us = self._led_to_us or led_to_us is True
        nobody_came = answered == self._answered
        self.is_cut_off = led_to_us is False and self._led_to_us and nobody_came
        self._answered = answered


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
                self._way_in.probed(led_to_us=led_to_us, answered=answers_under(*SHOPPERS_ROUTES))
                cut_off = self._way_in.is_cut_off
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

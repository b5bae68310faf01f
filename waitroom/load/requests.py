"""A shopper's requests: with the shopper's name on them, and clicked twice where fingers shake."""

import asyncio
from typing import Any

import msgspec

from waitroom.client.http_client import Answer
from waitroom.load.journey import Journey
from waitroom.load.wire import Wire, address_of


class Requests:
    """One shopper's way to the wire; surprises go into the shopper's journey."""

    def __init__(self, wire: Wire, journey: Journey, *, clicks: int = 1) -> None:
        self._wire = wire
        self._clicks = clicks
        self.journey = journey

    async def ask(
        self, method: str, path: str, *, bearer: str = "", key: str = "", body: Any = None
    ) -> Answer:
        return await self._wire.ask(
            method, path, journey=self.journey, bearer=bearer, key=key, body=body
        )

    async def poll(self, path: str, *, etag: str) -> Answer:
        self._wire.tally.polls += 1
        return await self._wire.ask("GET", path, journey=self.journey, etag=etag)

    async def clicked(
        self,
        method: str,
        path: str,
        *,
        same: str,
        bearer: str = "",
        key: str = "",
        body: Any = None,
    ) -> Answer:
        """Send what a button sends; a double click sends it twice at once, under the same key.

        Answers that grant something must agree in the field `same`; if not, that is a surprise
        called `two_…s`. Returns the answer that grants most.
        """
        answers = await asyncio.gather(
            *(
                self.ask(method, path, bearer=bearer, key=key, body=body)
                for _ in range(self._clicks)
            )
        )
        granted = sorted((found for found in answers if found.good), key=_settled_first)
        if len({msgspec.json.decode(found.raw).get(same) for found in granted}) > 1:
            self._wire.surprise(self.journey, 0, f"two_{same}s")
        return granted[0] if granted else answers[0]

    async def leave_line(self, path: str) -> None:
        await self.ask("DELETE", f"{path}/tickets/me", bearer=self.journey.ticket)

    async def leave_session(self) -> None:
        await self.ask("DELETE", "/checkout/session", bearer=self.journey.session)

    async def once(self, method: str, path: str, bearer: str) -> None:
        """Send without repeating and without reading; raises what aiohttp raises."""
        headers = {"Authorization": f"Bearer {bearer}", **address_of(self.journey)}
        await self._wire.once(method, path, headers=headers)


def _settled_first(answer: Answer) -> bool:
    """Sort what is still being decided behind what is decided."""
    return answer.status == 202

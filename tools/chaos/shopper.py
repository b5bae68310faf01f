"""One shopper's walk: join, wait, claim, hold, pay; with the ways in which people differ.

A shopper is obedient: they ask when they were told to, come when they are called, and act well
before their time is over. Those who do not are named in the story as careless.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from chaos.client import Answer, Client, Clock, Ended
from chaos.told import (
    CLAIM,
    HOLD,
    JOIN,
    LEAVE,
    ORDER,
    PAY,
    STANDING,
    STATE,
    Deadline,
    Story,
)

SKUS = ("mug", "vase")
POLL_LEAST_S, ORDER_POLL_S = 0.3, 0.5
# Who lingers still acts so long before the deadline.
EARLY_S = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How one shopper behaves; every share is of all shoppers."""

    double_clicks: bool
    never_comes: bool
    comes_late: bool
    leaves_line: bool
    goes_away_for_s: float
    lingers: bool
    abandons: bool
    polite: bool
    wants: int
    taste: int
    card_declined: bool
    card: str
    bad_card: str

    @classmethod
    def draw(cls, dice: Random, *, cards: Sequence[str], bad_card: str) -> "Temper":
        """Draw everything, needed or not, so that a seed means the same shopper for each fault."""
        come = dice.random()
        return cls(
            double_clicks=dice.random() < 0.3,
            never_comes=come < 0.06,
            comes_late=0.06 <= come < 0.09,
            leaves_line=0.09 <= come < 0.13,
            goes_away_for_s=dice.uniform(1, 4) if dice.random() < 0.1 else 0.0,
            lingers=dice.random() < 0.25,
            abandons=dice.random() < 0.1,
            polite=dice.random() < 0.5,
            wants=2 if dice.random() < 0.2 else 1,
            taste=dice.randrange(len(SKUS)),
            card_declined=dice.random() < 0.1,
            card=cards[dice.randrange(len(cards))],
            bad_card=bad_card,
        )


class Gone(Exception):
    """The shopper's walk is over."""


class Shopper:
    """Walks once through the room `drop`."""

    def __init__(self, client: Client, temper: Temper, story: Story, clock: Clock) -> None:
        self.client = client
        self.temper = temper
        self._story = story
        self._clock = clock
        self._dice = Random(client.shopper)
        self._ticket = self._session = ""
        self._line, self._number = "", 0
        self._version, self._etag, self._poll_s = 0, "", POLL_LEAST_S
        self._late_once = temper.comes_late
        if temper.never_comes or temper.comes_late:
            story.careless.add(client.shopper)

    async def run(self) -> None:
        async with self.client:
            try:
                await self._join()
                await self._wait_and_claim()
                await self._shop()
            except (Gone, Ended):
                return

    async def _clicked(self, kind: str, method: str, path: str, **more: Any) -> Answer:
        """Send what a button sends, twice at once where the finger shakes."""
        clicks = 2 if self.temper.double_clicks else 1
        asked = (self.client.ask(kind, method, path, **more) for _ in range(clicks))
        answers = await asyncio.gather(*asked)
        return min(answers, key=lambda answer: (not answer.good, answer.status == 202))

    async def _join(self) -> None:
        key = self.client.new_key()
        answer = await self._clicked(JOIN, "POST", "/rooms/drop/tickets", key=key)
        if not answer.good:
            raise Gone
        self._ticket = answer.body["ticket"]
        self._line, self._number = answer.body["line"], answer.body["number"]
        self._version, self._poll_s = answer.body["version"], answer.body["poll_s"]
        if self.temper.goes_away_for_s:
            # Away for less than they were told to wait, so nothing is missed.
            await self.client.reopen()
            away_s = min(self.temper.goes_away_for_s, self._poll_s)
            await self.client.rest(away_s)
            self._poll_s = 0.0

    async def _wait_and_claim(self) -> None:
        due_at = self._clock.now() + self._poll_s
        while not self._session:
            await self.client.rest(due_at - self._clock.now())
            if self.client.over.is_set():
                raise Gone
            if not await self._document_says_wait(due_at):
                await self._stand(due_at)
            if self.temper.leaves_line and self._dice.random() < 0.1:
                await self.client.ask(LEAVE, "DELETE", "/rooms/drop/tickets/me", token=self._ticket)
                raise Gone
            due_at = self._clock.now() + max(self._poll_s, POLL_LEAST_S)

    async def _document_says_wait(self, due_at: float) -> bool:
        """Read the document; say whether it is enough to know that the turn has not come."""
        answer = await self.client.ask(
            STATE, "GET", "/rooms/drop/state", etag=self._etag, due_at=due_at
        )
        if answer.status == 304:
            return self._etag != ""
        state = answer.body
        if not answer.good or state["version"] < self._version or state["status"] != "open":
            return False
        self._version = state["version"]
        for line in state["lines"]:
            if line["line"] == self._line and line["head"] < self._number <= line["tail"]:
                place = self._number - line["head"]
                rows = [row for row in line["table"] if row["place"] <= place]
                self._poll_s = (rows or line["table"])[-1 if rows else 0]["poll_s"]
                self._etag = answer.etag
                answer.told.said.update(place=place, line=self._line, number=self._number)
                return True
        self._etag = ""
        return False

    async def _stand(self, due_at: float) -> None:
        """Ask for the ticket itself, and do what is due."""
        path = f"/rooms/drop/tickets/me?version={self._version}"
        answer = await self.client.ask(STANDING, "GET", path, token=self._ticket, due_at=due_at)
        if not answer.good:
            raise Gone
        body = answer.body
        self._version = max(self._version, body["version"])
        self._poll_s = body["poll_s"]
        match body["status"]:
            case "called" | "claimed":
                await self._come(answer)
            case "missed":
                # Claiming tells the service that they are back.
                await self._claim(until=None)
            case "sold_out" | "ended" | "left":
                raise Gone

    async def _come(self, called: Answer) -> None:
        left_s = called.body.get("seconds_left")
        until = None if left_s is None else called.at + left_s
        if self.temper.never_comes:
            raise Gone
        if self._late_once:
            self._late_once = False
            await self.client.rest((left_s or 0.0) + 0.5)
            until = None
        elif self.temper.lingers and left_s is not None:
            await self.client.rest(self._dice.uniform(0, max(left_s - EARLY_S, 0)))
        else:
            await self.client.rest(self._dice.uniform(0.1, 0.8))
        await self._claim(until=until)

    async def _claim(self, *, until: float | None) -> None:
        answer = await self._clicked(CLAIM, "POST", "/rooms/drop/claims", token=self._ticket)
        self._used("call", until, answer)
        if answer.good:
            self._session = answer.body["session"]
            self._left_s, self._let_in_at = answer.body["seconds_left"], answer.at
        elif answer.code not in {"missed", "not_yet_called"}:
            raise Gone

    def _used(self, kind: str, until: float | None, answer: Answer) -> None:
        if until is not None:
            self._story.deadlines.append(
                Deadline(
                    shopper=self.client.shopper,
                    kind=kind,
                    until=until,
                    acted_at=answer.first_at,
                    kept=answer.code
                    not in {"missed", "ticket_over", "session_over", "hold_expired"},
                    code=answer.code,
                )
            )

    async def _shop(self) -> None:
        session_until = self._let_in_at + self._left_s
        if self.temper.abandons:
            await self._abandon()
        linger_s = self._left_s - EARLY_S if self.temper.lingers else 1.5
        # The hold takes its own time, so not all of it is spent looking around.
        await self.client.rest(self._dice.uniform(0.2, max(linger_s / 2, 0.2)))
        hold = await self._hold(session_until)
        hold_until = hold.at + hold.body.get("seconds_left", 0.0)
        left_s = hold_until - self._clock.now() - EARLY_S if self.temper.lingers else 1.5
        await self.client.rest(self._dice.uniform(0.2, max(left_s, 0.2)))
        if self.temper.card_declined:
            await self._pay(self.temper.bad_card, hold, hold_until)
        await self._pay(self.temper.card, hold, hold_until)
        raise Gone

    async def _abandon(self) -> None:
        await self.client.rest(self._dice.uniform(0.2, 1.5))
        if self._dice.random() < 0.5:
            await self._hold(None)
        if self.temper.polite:
            await self.client.ask(LEAVE, "DELETE", "/checkout/session", token=self._session)
        raise Gone

    async def _hold(self, until: float | None) -> Answer:
        """Hold what this shopper likes, less of it, or the other; end the walk without any."""
        other = SKUS[1 - self.temper.taste]
        liked = SKUS[self.temper.taste]
        tries = [(liked, self.temper.wants), (other, 1), (liked, 1)]
        if self.temper.wants > 1:
            tries.insert(1, (liked, 1))
        for sku, quantity in tries:
            answer = await self._clicked(
                HOLD,
                "POST",
                "/checkout/holds",
                token=self._session,
                key=self.client.new_key(),
                body={"items": [{"sku": sku, "quantity": quantity}]},
            )
            self._used("session", until, answer)
            if answer.good:
                return answer
            if answer.code not in {"out_of_stock", "limit_reached"}:
                raise Gone
        self._story.found_nothing.add(self.client.shopper)
        await self.client.ask(LEAVE, "DELETE", "/checkout/session", token=self._session)
        raise Gone

    async def _pay(self, card: str, hold: Answer, until: float) -> None:
        """Pay, and ask until it is decided; return if the card was declined."""
        answer = await self._clicked(
            PAY,
            "POST",
            "/checkout/orders",
            token=self._session,
            key=self.client.new_key(),
            body={"hold_id": hold.body["hold_id"], "payment": {"token": card}},
            decided=True,
        )
        self._used("hold", until, answer)
        while answer.good and answer.body.get("status") == "authorizing":
            await asyncio.sleep(ORDER_POLL_S)
            path = f"/checkout/orders/{answer.body['order_id']}"
            answer = await self.client.ask(ORDER, "GET", path, token=self._session, decided=True)
        if answer.code != "payment_declined":
            raise Gone
        await self.client.rest(self._dice.uniform(0.2, 1.0))

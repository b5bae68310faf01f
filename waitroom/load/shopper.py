"""One shopper: from arriving to being let in, and home again."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import msgspec

from waitroom.client.problem import NoAnswer
from waitroom.client.proving import CODE as PROOF_NEEDED
from waitroom.client.proving import PROOFS_MAX, solved
from waitroom.line.wait import row_at
from waitroom.load.behaviour import Plan
from waitroom.load.bodies import ClaimBody, LineBody, StandingBody, StateBody, TicketBody
from waitroom.load.journey import Journey, Outcome, Over, Phase
from waitroom.load.purchase import Purchase
from waitroom.load.requests import Requests
from waitroom.load.wire import Wire, problem_of

# A poll comes up to this share earlier than told and never later: who comes later may miss a call.
EARLIER_SHARE = 0.1
# The service's words say when to ask again; a broken one must not make us hammer it.
POLL_LEAST_S = 0.2
NOT_OPEN_POLL_S = 2.0

_TICKET = msgspec.json.Decoder(TicketBody)
_STATE = msgspec.json.Decoder(StateBody)
_STANDING = msgspec.json.Decoder(StandingBody)
_CLAIM = msgspec.json.Decoder(ClaimBody)

_ROOM_OVER = {"sold_out": Outcome.SOLD_OUT, "ended": Outcome.ENDED}


@dataclass(slots=True)
class _Look:
    """The content of the last accepted state document that concerns this shopper."""

    version: int = -1
    etag: str = ""
    status: str = "open"
    poll_s: float = POLL_LEAST_S
    # The document does not settle where this number stands, so the ticket itself is asked for.
    unsure: bool = True


class Shopper:
    """Live one plan. `clock` gives the seconds since the crowd started."""

    def __init__(
        self, *, wire: Wire, room: str, plan: Plan, journey: Journey, clock: Callable[[], float]
    ) -> None:
        self._requests = Requests(wire, journey, clicks=2 if plan.double_clicks else 1)
        self._path = f"/rooms/{quote(room, safe='')}"
        self._room = room
        self._plan = plan
        self._clock = clock
        self._state_url = ""
        self._look = _Look()
        self._late = plan.late
        self.journey = journey

    async def run(self) -> None:
        """Live the plan; the journey has an outcome afterwards, whatever happens."""
        try:
            await self._live()
        except Over as over:
            self._end(over.outcome, over.detail)
        except NoAnswer as error:
            self._end(Outcome.FAILED, f"no answer to {error}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._end(Outcome.FAILED, f"an answer that cannot be read: {error}")

    async def _live(self) -> NoReturn:
        await asyncio.sleep(self._plan.arrive_s)
        await self._join()
        await self._be_let_in()
        await Purchase(self._requests, self._room, self._plan).run()

    def _end(self, outcome: Outcome, detail: str) -> None:
        journey = self.journey
        journey.outcome, journey.detail, journey.phase = outcome, detail, Phase.GONE
        journey.ended_at = self._clock()

    async def _join(self) -> None:
        """Take a number, with one key for all attempts; wait for a room that is still closed."""
        key, body, proofs = str(uuid4()), None, 0
        gives_up_at = self._clock() + self._plan.patience_s
        while True:
            answer = await self._requests.clicked(
                "POST", f"{self._path}/tickets", key=key, same="ticket", body=body
            )
            if answer.good:
                break
            problem = problem_of(answer)
            code = problem.code
            if code == PROOF_NEEDED and proofs < PROOFS_MAX:
                body, proofs = {"proof": await solved(problem.challenge)}, proofs + 1
                continue
            if code != "not_open":
                outcomes = {"sold_out": Outcome.SOLD_OUT, "room_ended": Outcome.ENDED}
                raise Over(outcomes.get(code, Outcome.FAILED), f"joining: {code}")
            if self._clock() > gives_up_at:
                raise Over(Outcome.GAVE_UP, "before the room opened")
            await asyncio.sleep(NOT_OPEN_POLL_S)
        self._note_place(_TICKET.decode(answer.raw))

    def _note_place(self, place: TicketBody) -> None:
        journey = self.journey
        journey.joined_at = self._clock()
        journey.line, journey.number, journey.ticket = place.line, place.number, place.ticket
        journey.ticket_hash = sha256(place.ticket.encode()).hexdigest()[:16]
        journey.phase = Phase.WAITING
        self._state_url = place.state_url

    async def _be_let_in(self) -> None:
        """Wait and claim until the claim is granted: a call that was missed comes again."""
        assert self.journey.joined_at is not None
        gives_up_at = self.journey.joined_at + self._plan.patience_s
        while True:
            await self._read_state()
            if self._look.unsure or self._look.status in _ROOM_OVER:
                poll_s = await self._ask_and_act()
            else:
                poll_s = self._look.poll_s
            if self.journey.claimed_at is not None:
                return
            early = 1 - EARLIER_SHARE * random.random()  # noqa: S311
            pause_s = max(poll_s, POLL_LEAST_S) * early
            left_s = gives_up_at - self._clock()
            await asyncio.sleep(max(min(pause_s, left_s), 0))
            if left_s <= pause_s:
                await self._give_up()

    async def _give_up(self) -> NoReturn:
        # A polite shopper tells the service; the others just close the page.
        if self._plan.polite:
            await self._requests.leave_line(self._path)
        raise Over(Outcome.GAVE_UP, "politely" if self._plan.polite else "")

    async def _read_state(self) -> None:
        """Read the state document; one that is older than the last is ignored."""
        look, journey = self._look, self.journey
        answer = await self._requests.poll(self._state_url, etag=look.etag)
        if answer.status == 304:
            return
        if not answer.good:
            # The place is kept; the ticket itself may know more.
            look.unsure = True
            return
        state = _STATE.decode(answer.raw)
        if state.version < look.version:
            return
        look.version, look.etag, look.status = state.version, answer.etag, state.status
        line = next((line for line in state.lines if line.line == journey.line), None)
        look.unsure = line is None or not self._waits_in(line)
        if line is not None and line.table and not look.unsure:
            place = self._place(line)
            journey.see_place(place)
            look.poll_s = row_at(line.table, place).poll_s

    def _waits_in(self, line: LineBody) -> bool:
        # An entry for a draw has no number before the draw.
        number = self.journey.number
        return number is not None and line.head < number <= line.tail

    def _place(self, line: LineBody) -> int:
        assert self.journey.number is not None
        return self.journey.number - line.head

    async def _ask_and_act(self) -> float:
        """Ask where this ticket stands and do what is due; return when to ask again."""
        answer = await self._requests.ask(
            "GET",
            f"{self._path}/tickets/me?version={max(self._look.version, 0)}",
            bearer=self.journey.ticket,
        )
        if not answer.good:
            raise Over(Outcome.FAILED, f"tickets/me: {problem_of(answer).code}")
        standing = _STANDING.decode(answer.raw)
        self.journey.number = standing.number
        # Documents of workers that lag behind this answer are ignored.
        self._look.version = max(self._look.version, standing.version)
        match standing.status:
            case "sold_out" | "ended" as status:
                raise Over(_ROOM_OVER[status], "while waiting")
            case "left":
                raise Over(Outcome.FAILED, "the place is gone though nobody gave it up")
            case "called" | "claimed":
                await self._answer_call(standing)
            case "missed":
                await self._claim()
        return standing.poll_s

    async def _answer_call(self, standing: StandingBody) -> None:
        journey, plan = self.journey, self._plan
        journey.phase = Phase.CALLED
        if journey.called_at is None:
            journey.called_at = self._clock()
        if plan.no_show:
            raise Over(Outcome.NO_SHOW)
        pause_s = plan.react_s
        if self._late:
            # Late once; the second call finds this shopper awake.
            self._late = False
            pause_s += standing.seconds_left or 0.0
        await asyncio.sleep(pause_s)
        await self._claim()

    async def _claim(self) -> None:
        """Take up the call. A missed one is thereby told to be back, and the wait goes on."""
        journey = self.journey
        answer = await self._requests.clicked(
            "POST", f"{self._path}/claims", bearer=journey.ticket, same="session"
        )
        if answer.good:
            journey.session = _CLAIM.decode(answer.raw).session
            journey.claimed_at = self._clock()
            if journey.called_at is None:
                journey.called_at = journey.claimed_at
            journey.phase = Phase.INSIDE
            return
        journey.phase = Phase.WAITING
        match problem_of(answer).code:
            case "missed":
                journey.missed += 1
            case "not_yet_called":
                # Counted as a surprise on the wire: the ticket was said to be called.
                pass
            case "ticket_over":
                raise Over(Outcome.MISSED, "came back after the room's grace")
            case code:
                raise Over(Outcome.FAILED, f"claiming: {code}")

    async def go_home(self) -> None:
        """Give back place and seat when the crowd is stopped; once, and as well as it goes."""
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            if self.journey.session:
                await self._requests.once("DELETE", "/checkout/session", self.journey.session)
            elif self.journey.ticket:
                await self._requests.once("DELETE", f"{self._path}/tickets/me", self.journey.ticket)

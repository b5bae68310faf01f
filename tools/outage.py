"""PostgreSQL goes away during a sale and comes back: the shoppers' view, and the promises.

    python tools/outage.py --seconds 180 [--how frozen]

The real program sells to a crowd on engines of its own. PostgreSQL is stopped, or frozen with all
its processes, for longer than any window of the room, and comes back on the same data. Meanwhile
a witness reads the state document, and shoppers with open deadlines try what they came for.
"""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import aiohttp
import asyncpg
import click
import structlog
from chaos.stage import Stage, stage
from eager import eager
from pollers import Poller, visitors
from support import authorization, eventually, execute, log_is_whole, open_room, secrets, settings

from inventory.kit.problem import Refusal
from inventory.ledger_store import Breach
from waitroom.client.http_client import Answer
from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd, CrowdResult
from waitroom.load.journey import Outcome
from waitroom.load.wire import Wire
from waitroom.run.app import Service, open_service

LOOK_EVERY_S = 0.25
TRY_EVERY_S = 1.0
# The shoppers' clock goes on for this long without a leader's heartbeat.
FREE_S = timedelta(seconds=3)
# The header Date has whole seconds, and so has what is computed from it.
DATE_S = 1.5
# An outage lasts until this long after the last open deadline.
BEYOND_S = 1.0
PATIENCE_S = 120.0
# With this many looks it is all but certain that every web process is met.
LOOKS = 18
ROUNDING = timedelta(milliseconds=1)
# The shoppers who are watched one by one buy this many of the units.
WATCHED = 5
AWAY = (OSError, Refusal, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How PostgreSQL goes away, for how long at least, and the sale it goes away in.

    `window_s` is the room's claim window, session and hold time.
    """

    how: str
    shoppers: int
    units: int
    window_s: int
    least_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and how long it took."""

    asked_at: float
    took_s: float
    status: int
    body: Any
    content_type: str
    retry_after: str
    date: datetime

    @property
    def is_good_refusal(self) -> bool:
        """Say whether it is a 503 that a program and a page can act upon."""
        return (
            self.status == 503
            and self.content_type == "application/problem+json"
            and self.body["code"] == "engine_down"
            and self.retry_after.isdigit()
            and int(self.retry_after) >= 1
        )

    @property
    def age_s(self) -> float:
        """How old a state document was on arrival, by the server's own clock."""
        written = datetime.fromisoformat(self.body["updated_at"])
        return (self.date - written).total_seconds()


@dataclass(slots=True, kw_only=True)
class Seen:
    """All observations of a run; `claims` judges them."""

    plan: Plan
    result: CrowdResult
    down_s: float
    stopped: timedelta
    looks: list[Reply]
    looks_while_down: list[Reply]
    places: list[Reply]
    refusals: dict[str, list[Reply]]
    deadlines: dict[str, tuple[datetime, datetime]]
    back_at: datetime
    granted: dict[str, list[Reply]]
    numbers: list[int]
    lost: list[str]
    breaches: list[Breach]
    log_is_whole: bool
    tail: int
    processes_stayed: bool

    def claims(self) -> dict[str, bool]:
        """Return for each promise whether it held."""
        last = self.looks_while_down[-1]
        # Two workers answer, one of them a moment behind; a client ignores what is older.
        documents = sorted(
            (look.body["version"], look.body["lines"][0]["head"])
            for look in self.looks
            if look.status == 200
        )
        tried = [reply for replies in self.refusals.values() for reply in replies]
        moved = {name: after - before for name, (before, after) in self.deadlines.items()}
        bought = {Outcome.BOUGHT: self.plan.units - WATCHED, Outcome.SOLD_OUT: self._too_late}
        return {
            "the state document was there all the time": all(
                look.status == 200 for look in self.looks
            ),
            "it said how old it was": last.age_s + DATE_S >= last.asked_at - self._went_at,
            "the waiting shopper was told the same place": len(self.places) > 0
            and all(r.status == 200 and r.body["status"] == "waiting" for r in self.places)
            and len({reply.body["number"] for reply in self.places}) == 1,
            "each of joining, claiming, holding and paying was refused with 503, a time to retry"
            " and a problem": all(self.refusals.values())
            and all(reply.is_good_refusal for reply in tried),
            "every deadline would have passed": all(
                before < self.back_at for before, _ in self.deadlines.values()
            ),
            "every deadline moved by the gap": all(
                abs(by - self.stopped) <= ROUNDING for by in moved.values()
            )
            and self.stopped + FREE_S >= timedelta(seconds=self.down_s),
            "each refused request was granted afterwards, once": all(
                all(reply.status in {200, 201} for reply in replies)
                and len({_essence(reply.body) for reply in replies}) == 1
                for replies in self.granted.values()
            ),
            "no shopper lost a call, a session or a hold": self.lost == []
            and self.result.calls_missed == 0,
            "no number was given twice": len(self.numbers) == len(set(self.numbers)),
            "the head never fell": all(low <= high for (_, low), (_, high) in pairwise(documents)),
            "the books agree": self.breaches == [],
            "the log is whole": self.log_is_whole,
            "the sale went on to the last unit": self.result.outcomes == bought
            and self.result.unfinished == 0
            and self.result.errors == {},
            "no process of the service ended": self.processes_stayed,
        }

    @property
    def _too_late(self) -> int:
        return self.plan.shoppers - (self.plan.units - WATCHED)

    @property
    def _went_at(self) -> float:
        return self.looks_while_down[0].asked_at

    @property
    def numbers_lost(self) -> int:
        """Count the numbers whose answer was lost: a repeated join got another one."""
        return self.tail - len(self.numbers)


def _essence(body: Any) -> Any:
    """Return what a repeated request has to get again."""
    return next(body[name] for name in ("order_id", "hold_id", "session", "ticket") if name in body)


class PatientWire(Wire):
    """Come back after 503 as told, for as long as it takes."""

    async def once(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        while True:
            try:
                answer = await super().once(method, path, headers=headers, raw=raw)
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(TRY_EVERY_S)
                continue
            if answer.status != 503:
                return answer
            await asyncio.sleep(answer.retry_after_s)


class PatientCrowd(Crowd):
    def __init__(self, url: str, room: str, behaviour: Behaviour) -> None:
        super().__init__(url, room, behaviour)
        self._wire = PatientWire(url)


async def ask(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    *,
    token: str = "",
    key: str = "",
    body: Any = None,
    **headers: str,
) -> Reply:
    if token:
        headers |= authorization(token)
    if key:
        headers["Idempotency-Key"] = key
    asked_at = time.monotonic()
    async with http.request(method, path, headers=headers, json=body) as answer:
        content = await answer.json(content_type=None)
    return Reply(
        asked_at=asked_at,
        took_s=time.monotonic() - asked_at,
        status=answer.status,
        body=content,
        content_type=answer.content_type,
        retry_after=answer.headers.get("Retry-After", ""),
        date=parsedate_to_datetime(answer.headers["Date"]),
    )


async def read_state(http: aiohttp.ClientSession) -> Reply:
    """Read the state document of whichever web process takes a new connection."""
    return await ask(http, "GET", "/rooms/drop/state", Connection="close")


async def known_everywhere(http: aiohttp.ClientSession, check: Callable[[Reply], bool]) -> None:
    """Wait until the document is as it should be, whichever web process is asked."""

    async def known() -> bool:
        return all([check(await read_state(http)) for _ in range(LOOKS)])

    await eventually(known)


@dataclass(slots=True, kw_only=True)
class Watched:
    """Shoppers with something open when PostgreSQL goes away, each at another point of the walk.

    `caller` and `holder` do nothing meanwhile: their deadlines are looked at. The others try.
    """

    http: aiohttp.ClientSession
    caller: Poller
    comer: Poller
    holder: Poller
    chooser: Poller
    payer: Poller
    waiter: Poller | None = None
    holds: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(
        default_factory=lambda: {name: str(uuid4()) for name in ("join", "hold", "order")}
    )

    @classmethod
    async def come(cls, http: aiohttp.ClientSession) -> "Watched":
        """Let them come first, while the line is empty: they are called as they join."""
        five = [await Poller.join(http) for _ in range(WATCHED)]
        found = cls(
            http=http, caller=five[0], comer=five[1], holder=five[2], chooser=five[3], payer=five[4]
        )
        for poller in (found.holder, found.chooser, found.payer):
            await poller.claim()
            assert poller.claims == [201]
        return found

    async def line_up(self) -> None:
        """Let one more join, behind the crowd, and wait until the document speaks of their place.

        A number that no document has seen yet is looked up in the books.
        """
        self.waiter = waiter = await Poller.join(self.http)
        await known_everywhere(
            self.http, lambda reply: reply.body["lines"][0]["tail"] >= waiter.number
        )

    async def take_hold(self) -> None:
        """Open the deadlines that are to be watched, just before the outage."""
        for name, poller in (("holder", self.holder), ("payer", self.payer)):
            reply = await self._hold(poller, str(uuid4()))
            assert reply.status == 201, reply
            self.holds[name] = reply.body["hold_id"]

    async def _hold(self, poller: Poller, key: str) -> Reply:
        items = {"items": [{"sku": "mug", "quantity": 1}]}
        return await ask(
            self.http, "POST", "/checkout/holds", token=poller.session, key=key, body=items
        )

    async def deadlines(self) -> dict[str, datetime]:
        """Return the deadlines that these shoppers are told, by the wall clock."""
        me = await ask(self.http, "GET", "/rooms/drop/tickets/me", token=self.caller.ticket)
        hold = await ask(
            self.http,
            "GET",
            f"/checkout/holds/{self.holds['holder']}",
            token=self.holder.session,
        )
        session = await ask(self.http, "GET", "/checkout/session", token=self.holder.session)
        told = {
            "call": me.body["claim_until"],
            "hold": hold.body["expires_at"],
            "session": session.body["expires_at"],
        }
        return {name: datetime.fromisoformat(at) for name, at in told.items()}

    def tries(self) -> dict[str, Callable[[], Awaitable[Reply]]]:
        """Return the requests to try during the outage and again after it, under the same keys."""
        payment = {"hold_id": self.holds["payer"], "payment": {"token": "tok_approve"}}
        return {
            "join": lambda: ask(self.http, "POST", "/rooms/drop/tickets", key=self.keys["join"]),
            "claim": lambda: ask(self.http, "POST", "/rooms/drop/claims", token=self.comer.ticket),
            "hold": lambda: self._hold(self.chooser, self.keys["hold"]),
            "order": lambda: ask(
                self.http,
                "POST",
                "/checkout/orders",
                token=self.payer.session,
                key=self.keys["order"],
                body=payment,
            ),
        }

    async def place(self) -> Reply:
        assert self.waiter is not None
        return await ask(self.http, "GET", "/rooms/drop/tickets/me", token=self.waiter.ticket)

    async def finish(self, granted: Mapping[str, list[Reply]]) -> list[int]:
        """Let all shoppers do what they came for; return their numbers."""
        assert self.waiter is not None
        joined = granted["join"][0].body
        for ticket in (joined["ticket"], self.waiter.ticket):
            path = "/rooms/drop/tickets/me"
            left = await self.http.delete(path, headers=authorization(ticket))
            assert left.status == 204, await left.text()
        self.comer.session = granted["claim"][0].body["session"]
        await self.caller.claim()
        assert self.caller.claims[0] in {200, 201}, self.caller.claims
        for poller in (self.caller, self.comer):
            await poller.buy("mug")
        await self.holder.pay(self.holds["holder"])
        await self.chooser.pay(granted["hold"][0].body["hold_id"])
        watched = (self.caller, self.comer, self.holder, self.chooser, self.payer, self.waiter)
        return [*(poller.number for poller in watched), joined["number"]]


@dataclass(slots=True)
class Witness:
    """Reads the state document again and again, and keeps every answer."""

    http: aiohttp.ClientSession
    looks: list[Reply] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            self.looks.append(await read_state(self.http))
            await asyncio.sleep(LOOK_EVERY_S)


async def sell_through_an_outage(folder: Path, plan: Plan, *, durable: bool = True) -> Seen:
    """Run a sale to its end with an outage in the middle of it; return what was seen."""
    async with stage(folder, durable=durable) as running:
        made = settings(running.database.url, running.valkey_url)
        async with (
            open_service(made, secrets(), roles=frozenset()) as service,
            visitors(running.program.url) as http,
        ):
            return await _sell(service, running, http, plan)


async def _sell(service: Service, running: Stage, http: aiohttp.ClientSession, plan: Plan) -> Seen:
    await _open(service, http, plan)
    processes = running.program.children
    witness = Witness(http)
    watching = asyncio.create_task(witness.run())
    watched = await Watched.come(http)
    crowd = PatientCrowd(running.program.url, "drop", eager(plan.shoppers))
    selling = asyncio.create_task(crowd.run())
    await eventually(lambda: _sold(service, 1), within_s=PATIENCE_S)
    await watched.line_up()
    await watched.take_hold()
    before, stopped_before = await watched.deadlines(), await _stopped(service)

    beat_at = await _one(service, "SELECT beat_at FROM office")
    await running.database.take_away(plan.how)
    went_at = time.monotonic()
    until = max(*before.values()) + timedelta(seconds=BEYOND_S)
    refusals, places = await _wait_it_out(watched, until=until, least_s=plan.least_s)
    down_s = time.monotonic() - went_at
    looks = [look for look in witness.looks if look.asked_at >= went_at]
    back_at = datetime.now(UTC)
    await running.database.bring_back(plan.how)
    await eventually(lambda: _beats_again(service, beat_at), within_s=PATIENCE_S)

    after = await watched.deadlines()
    stopped = await _stopped(service) - stopped_before
    granted = {name: [await again(), await again()] for name, again in watched.tries().items()}
    numbers = await watched.finish(granted)
    result = await selling
    watching.cancel()
    numbers += [journey.number for journey in crowd.journeys if journey.number]
    return Seen(
        plan=plan,
        result=result,
        down_s=down_s,
        stopped=stopped,
        looks=witness.looks,
        looks_while_down=looks,
        places=places,
        refusals=refusals,
        deadlines={name: (before[name], after[name]) for name in before},
        back_at=back_at,
        granted=granted,
        numbers=numbers,
        lost=await _lost(service, numbers),
        breaches=await service.ledger.breaches(),
        log_is_whole=await log_is_whole(service),
        tail=await _one(service, "SELECT tail FROM line"),
        processes_stayed=running.program.children == processes,
    )


async def _open(service: Service, http: aiohttp.ClientSession, plan: Plan) -> None:
    await open_room(
        service,
        skus={"mug": plan.units},
        limit=1,
        seats_max=20,
        claim_window_s=plan.window_s,
        session_s=plan.window_s,
        hold_s=plan.window_s,
    )
    await known_everywhere(http, lambda reply: reply.status == 200)


async def _wait_it_out(
    watched: Watched, *, until: datetime, least_s: float
) -> tuple[dict[str, list[Reply]], list[Reply]]:
    """Try everything again and again until all deadlines have passed by the wall clock."""
    ends_at = time.monotonic() + least_s
    tries = watched.tries()
    refusals: dict[str, list[Reply]] = {name: [] for name in tries}
    places: list[Reply] = []

    async def try_on(name: str) -> None:
        while True:
            refusals[name].append(await tries[name]())
            await asyncio.sleep(TRY_EVERY_S)

    trying = [asyncio.create_task(try_on(name)) for name in tries]
    while datetime.now(UTC) < until or time.monotonic() < ends_at or not all(refusals.values()):
        places.append(await watched.place())
        await asyncio.sleep(TRY_EVERY_S)
    for task in trying:
        task.cancel()
    broken = [
        done
        for done in await asyncio.gather(*trying, return_exceptions=True)
        if not isinstance(done, asyncio.CancelledError)
    ]
    assert broken == [], broken
    return refusals, places


async def _sold(service: Service, least: int) -> bool:
    return bool(await _one(service, "SELECT sold FROM room_stock") >= least)


async def _beats_again(service: Service, since: datetime) -> bool:
    with suppress(*AWAY):
        return bool(await _one(service, "SELECT beat_at FROM office") > since + FREE_S)
    return False


async def _stopped(service: Service) -> timedelta:
    stopped: timedelta = await _one(service, "SELECT stopped FROM office")
    return stopped


async def _lost(service: Service, numbers: list[int]) -> list[str]:
    """Return the calls and holds that ran out although no shopper was late."""
    rows = await execute(
        service,
        "SELECT 'number ' || number || ' was ' || state || coalesce(' by ' || end_reason, '') AS w"
        " FROM admission WHERE number = ANY ($1::bigint[]) AND (times_called > 1"
        " OR state = 'missed' OR end_reason = 'expired')"
        " UNION ALL SELECT 'hold ' || hold_id || ' expired' FROM hold WHERE state = 'expired'",
        numbers,
    )
    return [row["w"] for row in rows]


async def _one(service: Service, sql: str) -> Any:
    ((value,),) = await execute(service, sql)
    return value


@click.command()
@click.option("--seconds", default=180.0, show_default=True)
@click.option("--how", type=click.Choice(["stopped", "frozen"]), default="stopped")
@click.option("--shoppers", default=1000, show_default=True)
@click.option("--units", default=200, show_default=True)
def main(seconds: float, how: str, shoppers: int, units: int) -> None:
    """Take PostgreSQL away from a running sale, and say which promises held."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    # Our own pool, which only looks on, says again and again that it cannot connect.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    # Each deadline would have passed long before PostgreSQL is back.
    plan = Plan(how=how, shoppers=shoppers, units=units, window_s=30, least_s=seconds)
    with tempfile.TemporaryDirectory(prefix="waitroom-outage-") as folder:
        seen = asyncio.run(sell_through_an_outage(Path(folder), plan))
    click.echo(f"PostgreSQL was {how} for {seen.down_s:.1f} s; {shoppers} shoppers, {units} units")
    click.echo(f"shoppers' time stood still for {seen.stopped.total_seconds():.1f} s")
    click.echo(
        f"{len(seen.looks_while_down)} documents were read meanwhile, the last one"
        f" {seen.looks_while_down[-1].age_s:.0f} s old"
    )
    for name, replies in seen.refusals.items():
        slowest = max(reply.took_s for reply in replies)
        click.echo(
            f"{len(replies)} tries to {name} were refused, the slowest after {slowest:.1f} s"
        )
    click.echo(f"numbers whose answer was lost: {seen.numbers_lost}")
    claims = seen.claims()
    for claim, held in claims.items():
        click.echo(f"{'yes' if held else 'NO '}  {claim}")
    sys.exit(0 if all(claims.values()) else 1)


if __name__ == "__main__":
    main()

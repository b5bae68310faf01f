"""One sale from a seed: a plan of its rooms, shoppers and troubles, and the play itself."""

import asyncio
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import structlog

from inventory.kit import loops
from simulation.books import Books
from simulation.books.tables import GOES_ON_S
from simulation.clockwork import START_S, Clockwork, clockwork
from simulation.gateway import Gateway
from simulation.host import CONTROLLER, SWEEPER, WEB, Host
from simulation.network import CALM_S, Link, Weather
from simulation.plans import RULES, TROUBLE_S, Plan, plan_of
from simulation.postgres import Postgres
from simulation.promises import AT_REST, check_sale, require
from simulation.shopper import BrokenPromise, Shopper
from simulation.valkey import Valkey
from waitroom.desk import board
from waitroom.leader import controller, room_lead
from waitroom.line.caller import Caller
from waitroom.line.snapshot import RoomSnapshot

# Every shopper has come to an end by then (s).
REST_MAX_S = 1500.0
# After the last shopper, idle orders are settled and lost joins step aside within this (s).
SETTLES_S = 120
# Sums of moments are as exact as this (s).
EXACT_S = 1e-6


class Sale:
    """The world of one sale."""

    def __init__(self, loop: Clockwork, dice: random.Random, plan: Plan, *, trace: bool) -> None:
        self.loop, self.dice, self.plan = loop, dice, plan
        self.books = Books(loop.time)
        self.postgres = Postgres(loop, self.books)
        self.valkey = Valkey(loop)
        self.company = Gateway(loop, random.Random(dice.random()), answers_s=plan.answers_s)
        self.weather = Weather(faulty=plan.weather, until=START_S + TROUBLE_S)
        self._link_dice = random.Random(dice.random())
        self.hosts: list[Host] = []
        self.shoppers: list[Shopper] = []
        self.lines: list[str] | None = [] if trace else None
        self.mark = 0
        # When the last shopper had come to an end.
        self.lasted_s = 0.0

    def tell(self, who: object, what: str) -> None:
        """Note what happens; equal seeds have equal marks."""
        line = f"{self.loop.time() - START_S:9.3f}  {getattr(who, 'name', who):<12} {what}"
        self.mark = zlib.crc32(line.encode(), self.mark)
        if self.lines is not None:
            self.lines.append(line)

    def link(self) -> Link:
        return Link(self.loop, self._link_dice, self.weather)

    def worker(self, dice: random.Random) -> Host:
        return dice.choice(self.workers)

    @property
    def workers(self) -> list[Host]:
        found = [host for host in self.hosts if WEB in host.roles]
        return found[: self.plan.workers]

    async def play(self) -> None:
        self._open()
        walks = [
            asyncio.create_task(shopper.walk(), name=shopper.name) for shopper in self.shoppers
        ]
        trouble = asyncio.create_task(self._make_trouble(), name="trouble")
        done, _ = await asyncio.wait(
            [trouble, *walks], timeout=REST_MAX_S, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in done:
            task.result()
        self.lasted_s = self.loop.time() - START_S
        late = [shopper.name for shopper in self.shoppers if not shopper.done]
        require(not late, f"shoppers who never came to an end: {late}")
        for _ in range(SETTLES_S):
            await asyncio.sleep(1.0)
            if self.is_at_rest:
                break
        check_sale(self)

    @property
    def is_at_rest(self) -> bool:
        asked = any(refund.state == "asked" for refund in self.books.refunds.values())
        return not asked and all(o.state in AT_REST for o in self.books.orders.values())

    def _open(self) -> None:
        plan = self.plan
        for name, rules in plan.rooms.items():
            room = self.books.add_room(name, **{**RULES, **rules})
            for sku, units in plan.stock.get(name, {}).items():
                self.books.receive(room, sku, units)
        for name, roles in HOSTS:
            host = Host(
                self.loop,
                random.Random(self.dice.random()),
                name,
                roles=roles,
                postgres=self.postgres,
                valkey=self.valkey,
                company=self.company,
                weather=self.weather,
                connections=plan.connections,
            )
            self.hosts.append(host)
            host.start()
        for index, values in enumerate(plan.shoppers):
            dice = random.Random(self.dice.random())
            name = f"shopper {index + 1}"
            self.shoppers.append(Shopper(sale=self, name=name, dice=dice, **values))

    # Troubles.

    async def _make_trouble(self) -> None:
        began = self.loop.time()
        for at, what, how in sorted(self.plan.troubles, key=lambda trouble: trouble[0]):
            await asyncio.sleep(max(began + at - self.loop.time(), 0.0))
            self.tell("trouble", f"{what} {how}")
            getattr(self, f"_{what}")(how)

    def _kill(self, which: int) -> None:
        host = self.hosts[which % len(self.hosts)]
        host.kill()
        self.loop.call_later(self.dice.uniform(0.1, 8.0), host.restart)

    def _role_away(self, how: tuple[str, float]) -> None:
        """Kill every process of a role; the shoppers' clock must stand still until one is back."""
        role, seconds = how
        books, gone = self.books, [host for host in self.hosts if role in host.roles]
        for host in gone:
            host.kill()
        began, killed_at, dead = books.now(), self.loop.time(), [host.process for host in gone]

        def back() -> None:
            went_s, away = books.now() - began, [host.process for host in gone] == dead
            heard_at = books.served_at if role == WEB else books.beat_at
            for host in gone:
                host.restart()
            delays = {what for _, what, _ in self.plan.troubles} & {"postgres_frozen"}
            if away and not delays and self.plan.weather == 0.0:
                # The last report may have been on its way when its process was killed.
                in_time = heard_at <= killed_at + CALM_S[1]
                require(in_time, f"nobody was there, and was heard {heard_at - killed_at:.3f} s on")
                may_go_s = max(heard_at + GOES_ON_S - killed_at, 0.0) + EXACT_S
                told = f"nobody was there and the clock went {went_s:.3f} s of {may_go_s:.3f} s"
                require(went_s <= may_go_s, told)

        self.loop.call_later(seconds, self._checked, back)

    def _checked(self, check: Callable[[], None]) -> None:
        try:
            check()
        except BrokenPromise as broken:
            self.loop.errors.append(str(broken))

    def _freeze(self, how: tuple[int, float]) -> None:
        which, seconds = how
        process = self.hosts[which % len(self.hosts)].process
        process.frozen_until = self.loop.time() + seconds

    def _postgres_away(self, seconds: float) -> None:
        self.postgres.away_until = self.loop.time() + seconds

    def _postgres_frozen(self, seconds: float) -> None:
        self.postgres.frozen_until = self.loop.time() + seconds

    def _valkey_away(self, seconds: float) -> None:
        self.valkey.away_until = self.loop.time() + seconds

    def _valkey_flushed(self, _: None) -> None:
        self.valkey.flush()

    def _lock(self, how: tuple[int, float]) -> None:
        room, seconds = how
        room_id = list(self.books.rooms)[room]
        self.postgres.locked_until[room_id] = self.loop.time() + seconds


HOSTS = (
    ("worker a", frozenset({WEB})),
    ("worker b", frozenset({WEB})),
    ("leader a", frozenset({CONTROLLER, SWEEPER})),
    ("leader b", frozenset({CONTROLLER})),
)


def play(seed: int, *, plan: Plan | None = None, trace: bool = False) -> Sale:
    """Play one sale to its end, as the seed or somebody plans it.

    Raises `BrokenPromise` or whatever else went wrong; the error has the `sale`.
    """
    with quiet(), unlearned(), unstopped(), clockwork(seed) as (loop, dice):
        sale = Sale(loop, dice, plan or plan_of(dice), trace=trace)
        try:
            loop.run_until_complete(sale.play())
        except BaseException as error:
            error.sale = sale  # type: ignore[attr-defined]
            raise
        return sale


@contextmanager
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)


class Unlearned(Caller):
    """The real caller without its figures: they take most of a tick, and promise nobody a place."""

    def __init__(self) -> None:
        super().__init__(figures=False)

    def begin(self, room: RoomSnapshot) -> None:
        """Learn nothing."""


@contextmanager
def unlearned() -> Iterator[None]:
    """Let leaders call and publish, and neither learn nor forecast."""

    async def nothing(*_: Any) -> None:
        """Learn nothing."""

    with (
        mock.patch.object(room_lead, "Caller", Unlearned),
        mock.patch.object(room_lead.RoomLead, "_learn_and_forecast", nothing),
    ):
        yield


@contextmanager
def unstopped() -> Iterator[None]:
    """Let loops rest as if nobody could tell them to stop: processes of a sale are killed."""

    async def rest(_: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(seconds)

    with (
        mock.patch.object(loops, "rest", rest),
        mock.patch.object(board, "rest", rest),
        mock.patch.object(controller, "rest", rest),
    ):
        yield

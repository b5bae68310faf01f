"""The stage of a run: engines, the program in several processes, and wires between them.

What a fault needs of it is a `Needs`: most do with one supervisor of two web processes and a
third for controller and sweeper; some want wires, disks of their own that can be full, a standby,
or `waitroom up` with the engines that it embeds.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from replicated import Replicated, replicated
from support import eventually, settings
from valkeys import Watched, watched, wheel_server

from chaos.disks import move_wal, small_disks
from chaos.engines import Database, Memory
from chaos.programs import Program
from chaos.stripe_side import ADDRESS, ENVIRONMENT, Stripe, stripe_for
from chaos.wire import Wire, wire_to, wired
from waitroom.cli.up import prepare_database
from waitroom.run.engines import EngineUrls, running_engines
from waitroom.run.processes import claim_port

READY_WAIT_S = 180.0
ON_STRIPE = Path(__file__).parent / "on_stripe.py"
WEB, LEADER = "web", "controller,sweeper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One command of the program, with its environment."""

    arguments: Sequence[str] = ("serve",)
    environment: Mapping[str, str] = field(default_factory=dict)


WHOLE = (Part(),)
APART = (Part(arguments=("serve", "--role", WEB)), Part(arguments=("serve", "--role", LEADER)))
WITH_STANDBY = (*APART, Part(arguments=("serve", "--role", LEADER)))


def alone(role: str, environment: Mapping[str, str] | None = None) -> Part:
    """Return one process without a supervisor, with an environment of its own."""
    return Part(
        arguments=("serve", "--role", role),
        environment={"WAITROOM_WORKERS": "1", **(environment or {})},
    )


ALONE = (alone(WEB), alone(WEB), alone(LEADER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a fault needs of the stage, and of the crowd.

    `up` lets `waitroom up` start the engines, and leaves no way between it and them. `replicated`
    gives PostgreSQL a synchronous standby, and `sentinels` gives Valkey a replica and three
    sentinels. `cards` are what shoppers pay with, and `bad_card` is one that is declined.
    """

    parts: Sequence[Part] = WHOLE
    up: bool = False
    replicated: bool = False
    sentinels: bool = False
    by_wire: bool = False
    in_front: bool = False
    stripe: bool = False
    small_disks: bool = False
    postgres: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    cards: tuple[str, ...] = ("tok_approve",)
    bad_card: str = "tok_decline"


@dataclass(slots=True, kw_only=True)
class Stage:
    """A running sale's machinery. What was not asked for is not there: a wire, for example."""

    url: str
    folder: Path
    programs: list[Program]
    engines: tuple[Database, Memory] | None = None
    pair: Replicated | None = None
    valkeys: Watched | None = None
    # What lies at the end of every wire, "" for what `waitroom up` embeds.
    valkey_url: str = ""
    wires: tuple[Wire, Wire] | None = None
    front: Wire | None = None
    stripe: Stripe | None = None
    # What a fault has to say for the record, such as which two it chose.
    notes: list[str] = field(default_factory=list)

    @property
    def program(self) -> Program:
        return self.programs[0]

    @property
    def database(self) -> Database:
        assert self.engines is not None, "`waitroom up` has engines of its own"
        return self.engines[0]

    @property
    def memory(self) -> Memory:
        assert self.engines is not None, "`waitroom up` has engines of its own"
        return self.engines[1]

    @property
    def wire(self) -> Wire:
        """The wire to PostgreSQL."""
        assert self.wires is not None, "a fault that needs wires says so"
        return self.wires[0]

    @property
    def memory_wire(self) -> Wire:
        """The wire to Valkey."""
        assert self.wires is not None, "a fault that needs wires says so"
        return self.wires[1]

    @property
    def database_url(self) -> str:
        """The address at which the owner of the tables reaches PostgreSQL, past any wire."""
        if self.pair is not None:
            return self.pair.url
        if self.engines is not None:
            return self.database.url
        return str(self.embedded().postgres_owner_url)

    @property
    def administrator_url(self) -> str:
        """The address for the one who may do everything there."""
        return self.database_url.replace("//waitroom@", "//postgres@")

    def embedded(self) -> EngineUrls:
        urls = running_engines(self.folder / "up")
        assert urls is not None, self.program.said()
        return urls

    def processes(self, roles: str) -> list[int]:
        """Return the ids of all processes with these roles, supervised or alone."""
        found: list[int] = []
        for program in self.programs:
            if program.runs:
                found += program.with_roles(roles)
        return found

    def process(self, roles: str, which: int = 0) -> int:
        return self.processes(roles)[which]

    async def ready(self) -> None:
        """Wait until the web processes are ready."""
        await eventually(self.program.is_ready, within_s=READY_WAIT_S)


@asynccontextmanager
async def stage(
    folder: Path, needs: Needs | None = None, *, durable: bool = True, **environment: str
) -> AsyncIterator[Stage]:
    """Start engines in a folder and the program on them, with all tables and no rows."""
    needs = needs or Needs()
    port = claim_port("127.0.0.1", 0)
    common = {"WAITROOM_PORT": str(port), **needs.environment, **environment}
    async with AsyncExitStack() as stack:
        built = Stage(url=f"http://127.0.0.1:{port}", folder=folder, programs=[])
        if needs.in_front:
            at = claim_port("127.0.0.1", 0)
            built.front = await stack.enter_async_context(wire_to(port, at))
            built.url = common["WAITROOM_PUBLIC_URL"] = f"http://127.0.0.1:{at}"
        if needs.stripe:
            built.stripe = await stack.enter_async_context(stripe_for(built.url))
            common |= {**ENVIRONMENT, ADDRESS: built.stripe.url}
        if needs.up:
            common["WAITROOM_DATA_DIR"] = str(folder / "up")
        else:
            with_urls = await _with_engines(built, needs, stack, durable=durable)
            common |= with_urls
        parts = (Part(arguments=("up",)),) if needs.up else needs.parts
        own_url = f"http://127.0.0.1:{port}"
        for number, part in enumerate(parts):
            log = folder / f"program-{number}.log"
            program = Program(
                url=own_url,
                log=log,
                arguments=part.arguments,
                command=(str(ON_STRIPE),) if needs.stripe else ("-m", "waitroom"),
                environment={**common, **part.environment},
            )
            built.programs.append(program)
            stack.push_async_callback(asyncio.to_thread, program.end)
        await built.ready()
        if needs.up:
            built.valkey_url = str(built.embedded().valkey_url)
        yield built


async def _with_engines(
    built: Stage, needs: Needs, stack: AsyncExitStack, *, durable: bool
) -> dict[str, str]:
    """Start the engines and what lies before them; return the addresses for the program."""
    loose = {} if durable else {"fsync": "off", "full_page_writes": "off"}
    below = stack.enter_context(ExitStack())
    if needs.replicated:
        return await _with_standby(built, stack)
    folder = built.folder / "database"
    if needs.small_disks:
        below.enter_context(small_disks(folder))
    database = below.enter_context(Database(folder, {**loose, **needs.postgres}))
    if needs.small_disks:
        database.stop()
        move_wal(folder)
        database.start()
    memory = below.enter_context(Memory(built.folder / "memory"))
    built.engines = database, memory
    await prepare_database(
        settings(database.server.url, memory.server.url, postgres_owner_url=database.url)
    )
    postgres_url, valkey_url = database.server.url, memory.server.url
    if needs.sentinels:
        valkeys = built.folder / "valkeys"
        valkeys.mkdir()
        built.valkeys = await stack.enter_async_context(watched(wheel_server(), valkeys))
        valkey_url = built.valkeys.url
    built.valkey_url = valkey_url
    if needs.by_wire:
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wi-", dir="/tmp")))
        wire, postgres_url = await stack.enter_async_context(wired(postgres_url, sockets))
        to_memory = await stack.enter_async_context(
            wire_to(memory.server.socket, sockets / "valkey.sock")
        )
        valkey_url = f"unix://{sockets / 'valkey.sock'}"
        built.wires = wire, to_memory
    return {"WAITROOM_POSTGRES_URL": postgres_url, "WAITROOM_VALKEY_URL": valkey_url}


async def _with_standby(built: Stage, stack: AsyncExitStack) -> dict[str, str]:
    """Start PostgreSQL with its standby, and Valkey alone."""
    memory = stack.enter_context(Memory(built.folder / "memory"))
    built.pair, built.valkey_url = await stack.enter_async_context(replicated()), memory.server.url
    await prepare_database(settings(built.pair.url, built.valkey_url))
    return {"WAITROOM_POSTGRES_URL": built.pair.url, "WAITROOM_VALKEY_URL": built.valkey_url}

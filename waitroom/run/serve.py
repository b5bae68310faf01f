"""One process: open the service, listen, and end cleanly on SIGTERM."""

import asyncio
import gc
import os
import signal

import structlog
import uvloop

from inventory.kit.traces.spans import traces_of
from waitroom.run.app import OPENAPI, let_go_if_away, make_app, make_ops_app, open_service
from waitroom.run.listening.descriptors import (
    Bounds,
    bounds_within,
    raise_limit,
    warn_if_few,
)
from waitroom.run.listening.front import Front
from waitroom.run.processes.exits import BROKEN, DONE
from waitroom.run.processes.heartbeat import GO_WAIT_S, Heartbeat
from waitroom.run.service import Service
from waitroom.run.settings import Secrets, Settings

log = structlog.get_logger()

# Nobody is served while the collector looks. So it looks at five thousand new objects at a time,
# and at those that were left of two such looks; thousands of connections leave many. It looks at
# all that was made since the start as rarely as it would with 20,000, 10 and 100.
GC_THRESHOLDS = (5_000, 2, 2_000)


def serve(settings: Settings, secrets: Secrets, *, roles: frozenset[str]) -> int:
    """Serve until told to stop; return the exit code."""
    with (
        traces_of(os.environ),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_serve(settings, secrets, roles))


async def _serve(settings: Settings, secrets: Secrets, roles: frozenset[str]) -> int:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    heartbeat = Heartbeat()
    channel = [asyncio.create_task(one, name="heartbeat") for one in heartbeat.both_ways()]
    async with open_service(settings, secrets, roles=roles) as service:
        front = await _open_front(service, heartbeat)
        if "web" in roles:
            service.serving.begin()
        calm_the_collector()
        ports = ports_of(settings, roles)
        log.info("serving", roles=sorted(roles), port=ports[0] if ports else None)
        heartbeat.serves()
        await _end_of(service, heartbeat, told)
        service.draining = True
        service.serving.end()
        drain_s = settings.drain_s if heartbeat.may_go.is_set() or told.is_set() else 0
        async with asyncio.TaskGroup() as ending:
            ending.create_task(let_go_if_away(service))
            if front is not None:
                ending.create_task(front.leave(drain_s))
        log.info("stopped", roles=sorted(roles))
    for task in channel:
        task.cancel()
    return BROKEN if service.failed.is_set() else DONE


def ports_of(settings: Settings, roles: frozenset[str]) -> list[int]:
    """Return the ports at which a process listens.

    One without shoppers answers for its health and metrics at the operators' port, unless a
    supervisor's web processes do it for all.
    """
    if "web" in roles:
        return settings.ports
    beside_web = "WAITROOM_SUPERVISOR" in os.environ
    return [settings.admin_port] if settings.admin_port and not beside_web else []


async def _open_front(service: Service, heartbeat: Heartbeat) -> Front | None:
    settings = service.settings
    ports = ports_of(settings, service.roles)
    if not ports:
        return None
    if "web" in service.roles:
        app = make_app(service)
        # Made before the first request, since it takes longer than any request may. On a busy
        # machine it would keep the loop from beating until the process is taken for frozen.
        await asyncio.to_thread(app[OPENAPI].document_json)
    else:
        app = make_ops_app(service)
    front = Front(app, bounds=_bounds(settings), proxies=settings.proxies)
    await front.open(settings.host, ports, heartbeat)
    return front


def _bounds(settings: Settings) -> Bounds:
    """Return the connections that this process may keep; say if there are few.

    A supervisor has said it for all its processes.
    """
    limit = raise_limit()
    bounds = bounds_within(limit, engine_connections=settings.postgres_connections_max)
    if "WAITROOM_SUPERVISOR" not in os.environ:
        warn_if_few(limit, bounds)
    return bounds


def calm_the_collector() -> None:
    """Keep the garbage collector from walking over what lives as long as the process.

    Requests leave few cycles behind, and by default it would look for them every few hundred.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _end_of(service: Service, heartbeat: Heartbeat, told: asyncio.Event) -> None:
    """Wait until this process is to end.

    One that a supervisor did not send away serves on until there is another in its place.
    """
    await _until(told, heartbeat.may_go, heartbeat.is_alone, service.failed)
    if told.is_set():
        heartbeat.leaves()
        await _until(heartbeat.may_go, heartbeat.is_alone, service.failed, within_s=GO_WAIT_S)
    if heartbeat.is_alone.is_set() and not told.is_set():
        log.warning("supervisor_gone")


async def _until(*events: asyncio.Event, within_s: float | None = None) -> None:
    """Wait for any of the events, or until the time is over."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()

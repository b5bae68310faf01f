"""Processes of the program are killed, frozen, renewed, or missing."""

import asyncio
import os
import signal
from contextlib import suppress
from random import Random

from support import eventually

from chaos.faults.registry import DEATH_S, fault
from chaos.faults.shoppers_way import some_linger
from chaos.programs import roles_of
from chaos.stage import APART, LEADER, WEB, WITH_STANDBY, Needs, Stage
from waitroom.run.processes.spare import TOLD

PATIENCE_S = 60.0


@fault("none")
async def none(stage: Stage, dice: Random) -> None:
    await asyncio.sleep(dice.uniform(0, 1))


@fault("a web process is killed", within_s=DEATH_S)
async def web_killed(stage: Stage, dice: Random) -> None:
    os.kill(stage.process(WEB, dice.randrange(2)), signal.SIGKILL)


@fault("all web processes are killed", within_s=DEATH_S)
async def all_web_killed(stage: Stage, dice: Random) -> None:
    for pid in stage.processes(WEB):
        os.kill(pid, signal.SIGKILL)


@fault("the controller is killed", within_s=DEATH_S)
async def controller_killed(stage: Stage, dice: Random) -> None:
    os.kill(stage.process(LEADER), signal.SIGKILL)


@fault("the process that forks all others is killed, and then a web process", within_s=DEATH_S)
async def spare_and_web_killed(stage: Stage, dice: Random) -> None:
    for pid in stage.program.children:
        if roles_of(pid) == TOLD:
            os.kill(pid, signal.SIGKILL)
    await web_killed(stage, dice)


@fault("the supervisor is killed and started again", within_s=DEATH_S)
async def supervisor_killed(stage: Stage, dice: Random) -> None:
    stage.program.signal(signal.SIGKILL)
    stage.program.process.wait()
    await _without_leftovers(stage)
    stage.program.start()


@fault("the program is killed with all its processes, and started again")
async def program_killed(stage: Stage, dice: Random) -> None:
    stage.program.kill()
    stage.program.start()


@fault("a web process is frozen")
async def web_frozen(stage: Stage, dice: Random) -> None:
    """The fault is over when its supervisor has noticed."""
    pid = stage.process(WEB, dice.randrange(2))
    os.kill(pid, signal.SIGSTOP)
    await until_gone(stage, pid)


@fault(
    "all web processes are frozen for 40 s",
    Needs(parts=APART),
    note="their supervisor is frozen too, and cannot replace them",
)
async def all_web_frozen(stage: Stage, dice: Random) -> None:
    await some_linger(stage)
    pids = [stage.program.process.pid, *stage.processes(WEB)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(40)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@fault("the controller is frozen")
async def controller_frozen(stage: Stage, dice: Random) -> None:
    """The fault is over when its supervisor has noticed."""
    pid = stage.process(LEADER)
    os.kill(pid, signal.SIGSTOP)
    await until_gone(stage, pid)


@fault("the controller is frozen for 15 s", Needs(parts=APART), note="without a supervisor")
async def controller_frozen_alone(stage: Stage, dice: Random) -> None:
    pid = stage.process(LEADER)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(15)
    os.kill(pid, signal.SIGCONT)


@fault("there is no controller for 40 s", Needs(parts=APART))
async def no_controller(stage: Stage, dice: Random) -> None:
    leader = stage.programs[1]
    leader.kill()
    await asyncio.sleep(40)
    leader.start()


@fault("of two controllers the first is killed", Needs(parts=WITH_STANDBY), within_s=DEATH_S)
async def first_of_two_killed(stage: Stage, dice: Random) -> None:
    stage.programs[1].kill()


@fault("of two controllers the first is frozen, and wakes after 20 s", Needs(parts=WITH_STANDBY))
async def first_of_two_frozen(stage: Stage, dice: Random) -> None:
    pid = stage.programs[1].process.pid
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(20)
    os.kill(pid, signal.SIGCONT)


@fault("rolling restart: SIGHUP to the supervisor", silent=True)
async def renewed(stage: Stage, dice: Random) -> None:
    before = stage.program.children
    stage.program.signal(signal.SIGHUP)
    for pid in before:
        await until_gone(stage, pid)


@fault("rolling restart: SIGTERM to one process after the other")
async def terminated_one_by_one(stage: Stage, dice: Random) -> None:
    for pid in [*stage.processes(WEB), stage.process(LEADER)]:
        os.kill(pid, signal.SIGTERM)
        await until_gone(stage, pid)
        await asyncio.sleep(2)


@fault("the program is stopped in order and started again")
async def restarted(stage: Stage, dice: Random) -> None:
    await asyncio.to_thread(stage.program.end)
    stage.program.start()


@fault("everything is killed and started again", note="program and engines")
async def everything_killed(stage: Stage, dice: Random) -> None:
    stage.program.kill()
    stage.database.kill()
    stage.memory.kill()
    await stage.database.bring_back("killed")
    await stage.memory.bring_back("killed")
    stage.program.start()


@fault("everything is stopped in order and started again", note="program and engines")
async def everything_restarted(stage: Stage, dice: Random) -> None:
    await asyncio.to_thread(stage.program.end)
    for engine in (stage.database, stage.memory):
        await engine.take_away("stopped")
        await engine.bring_back("stopped")
    stage.program.start()


@fault("waitroom up is killed and started again", Needs(up=True))
async def up_killed(stage: Stage, dice: Random) -> None:
    stage.program.signal(signal.SIGKILL)
    stage.program.process.wait()
    stage.program.start()


async def until_gone(stage: Stage, pid: int) -> None:
    """Wait until a process has been replaced."""

    async def gone() -> bool:
        return pid not in stage.program.children

    await eventually(gone, within_s=PATIENCE_S)


async def _without_leftovers(stage: Stage) -> None:
    """Wait until the port is free: the processes of a killed supervisor end by themselves."""
    port = int(stage.program.environment["WAITROOM_PORT"])

    async def free() -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return False
        return True

    await eventually(free, within_s=PATIENCE_S)

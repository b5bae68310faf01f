"""One of a supervisor's processes: started, heard, stopped, and started again under its name."""

import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from waitroom.run.processes.heartbeat import GO, LEAVES, LISTENS, SOCKETS_MAX
from waitroom.run.processes.launched import Forked, Launched, launch
from waitroom.run.processes.silence import Silence
from waitroom.run.processes.spare import Spare

# A process that has run for this long can live with its settings.
LIVED_AFTER_S = 5.0
# A process that may go has this long before it is killed.
LEAVE_WAIT_S = 20.0
_WORDS_MAX = 64


class Child:
    """The process of one name, and the sockets that pass from one process to the next.

    A process that is to be replaced serves until the next one does, and both take connections from
    the same sockets meanwhile.

    `lived` tells that one of its processes has run for a while. `serves` tells that the present one
    is up: a web process listens, another one has been heard. `was_frozen` tells that it was killed
    for its silence.
    """

    def __init__(self, name: str, command: Sequence[str], role: str) -> None:
        self.name = name
        self.lived = False
        self.serves = False
        self.was_frozen = False
        # When it is due to be started; None while it runs.
        self.due_at: float | None = 0.0
        # The role comes last on the command line.
        self._command, self._role = command, role
        self._web = role == "web"
        self._launched: Launched | None = None
        # The one that serves until the present one does.
        self._before: Launched | None = None
        self._listeners: list[socket.socket] = []
        self._silence = Silence()
        # How long it had waited for a processor when it was last looked at.
        self._waited_s = 0.0
        self._started_at = 0.0
        # Processes that are about to end, each with the moment at which it is killed.
        self._leaving: list[tuple[subprocess.Popen[bytes] | Forked, float]] = []

    @property
    def pid(self) -> int:
        assert self._launched is not None
        return self._launched.process.pid

    @property
    def listeners(self) -> Sequence[socket.socket]:
        """The sockets on which its process listens, or the one before it did."""
        return self._listeners

    @property
    def runs(self) -> bool:
        return self._launched is not None and self._launched.runs

    @property
    def is_succeeded(self) -> bool:
        """True while the process before this one still serves."""
        return self._before is not None and self._before.runs

    @property
    def takes_connections(self) -> bool:
        return self._web and ((self.serves and self.runs) or self.is_succeeded)

    def start(self, environment: Mapping[str, str], spare: Spare | None = None) -> None:
        """Start a process, which takes over the connections that wait for the one before it.

        A spare that is ready forks for it.
        """
        launched = spare.fork(self._role, self._listeners) if spare is not None else None
        if launched is None:
            launched = launch([*self._command, self._role], environment, self._listeners)
        self._hang_up()
        self._launched, self._silence, self._waited_s = launched, Silence(), 0.0
        self.serves = self.was_frozen = False
        self._started_at, self.due_at = time.monotonic(), None

    def succeed(self, environment: Mapping[str, str], spare: Spare | None = None) -> None:
        """Start the next process beside the present one, which goes when the next one serves."""
        self._part_with_before()
        self._before, self._launched = self._launched, None
        self.start(environment, spare)

    def go_back(self) -> bool:
        """Leave it to the process before a dead one to serve on; False if there is none."""
        if not self.is_succeeded:
            return False
        self._hang_up()
        self._launched, self._before, self._silence = self._before, None, Silence()
        self.serves = True
        return True

    def hear(self) -> bytes:
        """Return what the process has said since the last call, and keep its sockets."""
        if self._launched is None:
            return b""
        try:
            words, files, _, _ = socket.recv_fds(self._launched.channel, _WORDS_MAX, SOCKETS_MAX)
        except (BlockingIOError, ConnectionError):
            return b""
        if files:
            self._keep([socket.socket(fileno=number) for number in files])
        if words:
            self._silence.heard()
            self.serves = self.serves or not self._web or LISTENS in words
        if self.serves:
            self._part_with_before()
        return words

    def is_frozen(self, since_last_look_s: float, *, others_serve: bool) -> bool:
        """Say whether it has been silent for too long; a start that holds up others has less time.

        A process that starts has the sockets of the one before it, and the kernel goes on giving
        them their share of the connections.
        """
        assert self._launched is not None
        holds_up = others_serve and not self.serves and bool(self._listeners)
        waited_s, before_s = self._launched.waited_s, self._waited_s
        self._waited_s = max(waited_s, before_s)
        return self._silence.look(
            since_last_look_s, waited_s=self._waited_s - before_s, holds_up=holds_up
        )

    @property
    def silent_s(self) -> float:
        return self._silence.silent_s

    def ended(self) -> int | None:
        """Return the exit code of the process, None while it runs."""
        assert self._launched is not None
        code = self._launched.process.poll()
        if code is None:
            self.lived = self.lived or time.monotonic() - self._started_at > LIVED_AFTER_S
        elif self._web and not self.serves and not self.is_succeeded:
            # It died before it served, so nobody can say when the next one will: connections must
            # not wait for that while other processes serve.
            self._keep([])
        return code

    def pass_on(self) -> None:
        """Close the sockets on which the process listened, so that others get its connections.

        Those that it had not accepted are reset, and asked for again at once. Otherwise new ones
        too would wait until another process has started.
        """
        self._keep([])

    def tend_leaving(self) -> None:
        """Kill the processes that should have ended by now."""
        for process, until in self._leaving:
            if process.poll() is None and time.monotonic() > until:
                process.kill()
        self._leaving = [pair for pair in self._leaving if pair[0].poll() is None]

    def terminate(self) -> None:
        """Tell its processes to end, and not to wait for others in their place."""
        self._part_with_before()
        if self._launched is not None and self.runs:
            _tell_to_go(self._launched)

    def kill(self) -> None:
        """Kill a frozen process; the connections that wait for it are for the next one."""
        assert self._launched is not None
        self._launched.process.kill()
        self.was_frozen = True
        # It may take a while to end, and is to be killed once.
        self._silence = Silence()

    def end_by(self, deadline: float) -> bool:
        """Wait for all its processes; kill those that are late, and return whether any was."""
        late = False
        processes = [process for process, _ in self._leaving]
        for process in [*processes, *([self._launched.process] if self._launched else [])]:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                late = True
                process.kill()
                process.wait()
        self._hang_up()
        self._keep([])
        return late

    def _part_with_before(self) -> None:
        """Let the process before the present one go; it is killed if that takes it long."""
        if self._before is not None:
            _tell_to_go(self._before)
            self._before.channel.close()
            self._leaving.append((self._before.process, time.monotonic() + LEAVE_WAIT_S))
            self._before = None

    def _hang_up(self) -> None:
        if self._launched is not None:
            self._launched.channel.close()
            self._launched = None

    def _keep(self, listeners: list[socket.socket]) -> None:
        for one in self._listeners:
            one.close()
        self._listeners = listeners


def _tell_to_go(launched: Launched) -> None:
    with suppress(OSError):
        launched.channel.send(GO)
    launched.process.terminate()


def said_that_it_leaves(words: bytes) -> bool:
    return LEAVES in words

"""The `waitroom` program for scripts of tests, ready at once: each call is a fork of one process.

The docs have some fifty commands, and a Python that starts for each of them would take most of a
minute. A server loads the program's modules once. A small client, which stands as `waitroom` on the
path of a script, hands it the arguments, the folder, the environment and its three files; the
server forks, and the child runs the command and answers with its status.
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
MESSAGE_MAX = 1 << 20
FILES = 3
_CLIENT = """#!{python} -SE
import array, json, os, socket, sys
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
files = array.array("i", [0, 1, 2])
server.sendmsg([call + b"\\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
answer = server.recv(16)
sys.exit(int(answer) if answer else 70)
"""


@contextmanager
def quick_program(folder: Path) -> Iterator[Path]:
    """Serve calls; return a folder for the path of scripts, which has `waitroom`."""
    address, found = folder / "calls", folder / "bin"
    found.mkdir(parents=True)
    client = found / "waitroom"
    client.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield found
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def _serve(address: str) -> None:
    for name in _commands():
        import_module(name)
    # What a child's garbage collection went through would be copied for it.
    gc.freeze()
    # Ended children need no one to ask for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    print("ready", flush=True)  # noqa: T201 - the caller waits for it
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _run(connection)
        connection.close()


def _commands() -> list[str]:
    from waitroom.cli import program  # noqa: PLC0415 - the client's side does without

    return sorted(set(program._MODULES.values()))  # noqa: SLF001


def _run(connection: socket.socket) -> None:
    """Run one call in this process, which ends with it."""
    from waitroom.cli.program import main  # noqa: PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    call, files, _, _ = socket.recv_fds(connection, MESSAGE_MAX, FILES)
    while not call.endswith(b"\n"):
        call += connection.recv(MESSAGE_MAX)
    arguments, folder, environment = json.loads(call)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # The server's own knows whether that could be rewound, and this one may be a pipe.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    status = 1
    try:
        main(arguments, prog_name="waitroom")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(str(status).encode())
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])

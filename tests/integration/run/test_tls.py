"""TLS to both engines: with verified certificates it works, and without them it says why not."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support import open_room, secrets, settings
from tls_front import HOST, Authority, fronted, new_authority, server_context

from inventory.kit.database import open_pool
from waitroom.cli.options import explain
from waitroom.run.app import open_service
from waitroom.run.engines import EngineUrls
from waitroom.run.engines.postgres import RUNNING
from waitroom.store.memory import Memory

REFUSED = "the certificate of an engine is refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fronts:
    """Ports of front ends: TLS with a certificate for `HOST`, the same for known clients, none."""

    ours: Authority
    client: Path
    database: str
    postgres: int
    postgres_for_clients: int
    postgres_without: int
    valkey: int
    valkey_for_clients: int

    def postgres_url(self, port: int, host: str = HOST, **options: object) -> str:
        words = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{RUNNING}@{host}:{port}/{self.database}?sslmode=verify-full&{words}"


@pytest.fixture
async def fronts(engines: EngineUrls, postgres_url: str, tmp_path: Path) -> AsyncIterator[Fronts]:
    ours = new_authority(tmp_path / "ours")
    shown, client = ours.issue(HOST), ours.issue("waitroom")
    parts = urlsplit(postgres_url)
    socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
    valkey = str(engines.valkey_url).removeprefix("unix://")
    anyone, known = server_context(shown), server_context(shown, clients_of=ours)
    async with AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(fronted(engine, context, asks_first=asks))
            for engine, context, asks in (
                (socket, anyone, True),
                (socket, known, True),
                (socket, None, True),
                (valkey, anyone, False),
                (valkey, known, False),
            )
        ]
        yield Fronts(
            ours=ours,
            client=client,
            database=parts.path.strip("/"),
            postgres=ports[0],
            postgres_for_clients=ports[1],
            postgres_without=ports[2],
            valkey=ports[3],
            valkey_for_clients=ports[4],
        )


@pytest.mark.parametrize("with_own_certificate", [False, True])
async def test_a_room_opens_over_tls_to_both_engines(
    fronts: Fronts, *, with_own_certificate: bool
) -> None:
    files = {"sslcert": fronts.client, "sslkey": fronts.client.with_suffix(".key")}
    postgres, valkey, own = fronts.postgres, fronts.valkey, {}
    ca = f"ssl_ca_certs={fronts.ours.ca}"
    if with_own_certificate:
        postgres, valkey, own = fronts.postgres_for_clients, fronts.valkey_for_clients, files
        ca += f"&ssl_certfile={files['sslcert']}&ssl_keyfile={files['sslkey']}"
    url = fronts.postgres_url(postgres, sslrootcert=fronts.ours.ca, **own)
    made = settings(url, f"rediss://{HOST}:{valkey}/0?{ca}")

    async with open_service(made, secrets(), roles=frozenset()) as service:
        await open_room(service)
        alive = await service.memory.alive()
        status = (await service.rooms.read("drop")).status

    assert (alive, status) == (True, "open")


async def test_what_fails_of_tls_is_said_in_a_line(fronts: Fronts, tmp_path: Path) -> None:
    theirs, ca = new_authority(tmp_path / "theirs"), fronts.ours.ca
    said = []
    for port, host, root in (
        (fronts.postgres, HOST, theirs.ca),
        (fronts.postgres, "127.0.0.1", ca),
        (fronts.postgres, HOST, tmp_path / "none.pem"),
        (fronts.postgres_without, HOST, ca),
        (fronts.postgres_for_clients, HOST, ca),
    ):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - its words are looked at
            await open_pool(fronts.postgres_url(port, host, sslrootcert=root), size_max=1)
        said.append(explain(raised.value) or repr(raised.value))
    alive = []
    for port, words in (
        (fronts.valkey, f"?ssl_ca_certs={theirs.ca}"),
        (fronts.valkey, ""),
        (fronts.valkey_for_clients, f"?ssl_ca_certs={ca}"),
    ):
        memory = Memory(f"rediss://{HOST}:{port}/0{words}")
        alive.append(await memory.alive())
        await memory.close()
    unlike = Memory(f"rediss://127.0.0.1:{fronts.valkey}/0?ssl_ca_certs={ca}")
    alive.append(await unlike.alive())
    await unlike.close()

    for words, reason in (
        (said[0], "unable to get local issuer certificate"),
        (said[1], "IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ):
        assert words.startswith(f"{REFUSED}: let its URL name")
        assert reason in words
    assert "names a socket or a certificate that is not there: " in said[2]
    assert "cannot agree on TLS" in said[3]
    # In TLS 1.3 a server that misses a certificate hangs up after the client was done.
    assert said[4].startswith("the connection to PostgreSQL broke off: ")
    assert [words.count("\n") for words in said] == [0] * 5
    assert alive == [False] * 4

"""All checks at once, each within its time: what cannot be reached holds nothing else up."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.exceptions import RedisError

from inventory.kit.database import ENGINE_ERRORS
from inventory.kit.troubles import trouble_of, words_of_cause
from waitroom.outgoing.mail.relay import parse_relay
from waitroom.run.addresses import EMBEDDED
from waitroom.run.doctor import configuration, outside
from waitroom.run.doctor.cache import judge_cache
from waitroom.run.doctor.cache_store import CacheStore
from waitroom.run.doctor.database import judge_database
from waitroom.run.doctor.database_store import DatabaseStore, LiveProcess, open_database_store
from waitroom.run.doctor.finding import Finding, fail, ok, without_secrets
from waitroom.run.doctor.machine import judge_clock, judge_machine
from waitroom.run.doctor.machine_facts import machine_facts
from waitroom.run.doctor.shards import check_shard, judge_homes
from waitroom.run.engines.fitness import misfit
from waitroom.run.settings import Secrets, Settings, SettingsError, load_secrets
from waitroom.store.migrate import load_migrations

# Longer than a connection to an engine and some statements on it take.
CHECK_MAX_S = 10.0
UNREACHED = "see the other findings, and the engine's own log"

Check = Callable[[], Awaitable[list[Finding]]]


def examine(settings: Settings, config: Path | None) -> list[Finding]:
    """Return what all checks have found, in `CHECK_MAX_S` or little more.

    A check that hangs in the system, such as a look at a dead network disk, is left behind: its
    thread does not keep the program from ending.
    """
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_DaemonThreads())
    try:
        return loop.run_until_complete(_Examination(settings, config).run())
    finally:
        loop.close()


class _Examination:
    """One look at everything that these settings name."""

    def __init__(self, settings: Settings, config: Path | None) -> None:
        self._settings = settings
        self._config = config
        self._secrets: Secrets | None = None
        self._processes: list[LiveProcess] = []
        self._database_ahead_s: float | None = None

    async def run(self) -> list[Finding]:
        settings = self._settings
        findings = await self._within("settings.readable", self._files)
        checks: dict[str, Check] = {
            "postgres.reached": self._postgres,
            "valkey.reached": self._valkey,
            "machine.disk": self._machine,
            "web.port": lambda: _one(outside.check_own_port(settings)),
        }
        for name in settings.shard_map.others:
            checks[f"shards.{name}"] = partial(
                check_shard, name, settings.shard_map, settings.shards[name]
            )
        if settings.public_url:
            checks["web.public_url"] = lambda: _one(
                outside.check_public_address(settings.public_url)
            )
        if self._secrets is not None and self._secrets.smtp_url:
            relay = parse_relay(self._secrets.smtp_url)
            checks["outside.mail"] = lambda: _one(outside.check_relay(relay))
        if settings.gateway == "stripe":
            checks["outside.gateway_reached"] = lambda: _one(outside.check_stripe())
        for found in await asyncio.gather(*(self._within(*each) for each in checks.items())):
            findings += found
        findings += self._together()
        return [self._hide(one) for one in findings]

    async def _within(self, name: str, check: Check) -> list[Finding]:
        """Run a check within its time; what fails in it is its finding."""
        try:
            async with asyncio.timeout(CHECK_MAX_S):
                return await check()
        except (*ENGINE_ERRORS, RedisError) as error:
            trouble, words = trouble_of(error), words_of_cause(error)
            if trouble is None or name == "machine.disk":
                return [fail(name, f"it cannot be looked at ({words or error!r})", UNREACHED)]
            return [fail(name, f"{trouble.says}{f' ({words})' if words else ''}", trouble.advice)]
        except Exception as error:  # noqa: BLE001 - the other checks are told all the same
            return [
                fail(name, f"the check itself failed ({type(error).__name__}: {error})", UNREACHED)
            ]

    async def _files(self) -> list[Finding]:
        """Look at the settings file and the secrets, and read these."""
        return await asyncio.to_thread(lambda: list(self._look_at_files()))

    def _look_at_files(self) -> Iterator[Finding]:
        settings = self._settings
        if self._config is None:
            yield ok("settings.readable", "the settings can be used")
        else:
            holds = configuration.names_password(settings)
            yield configuration.check_file(self._config, "settings.readable", holds_secrets=holds)
        in_file = not os.environ.get("WAITROOM_SIGNING_KEYS")
        path = settings.secrets_path
        if in_file and not path.exists() and settings.postgres_url == EMBEDDED:
            yield ok("settings.secrets", f"`waitroom up` makes {path} when it first starts")
            return
        try:
            self._secrets = load_secrets(settings)
        except SettingsError as error:
            yield fail("settings.secrets", str(error), "nothing starts without them")
            return
        if in_file:
            yield configuration.check_file(path, "settings.secrets", holds_secrets=True)
        else:
            yield ok("settings.secrets", "the signing keys come from the environment")

    async def _postgres(self) -> list[Finding]:
        url = self._settings.postgres_url
        if url == EMBEDDED:
            why = await asyncio.to_thread(misfit, Path(self._settings.data_dir))
            if why:
                return [fail("postgres.reached", "the embedded engines cannot start", why)]
            return [ok("postgres.reached", "no `waitroom up` runs; it starts PostgreSQL itself")]
        store = await open_database_store(url)
        try:
            return [ok("postgres.reached", "PostgreSQL answers"), *await self._ask(store)]
        finally:
            await store.close()

    async def _ask(self, store: DatabaseStore) -> list[Finding]:
        found = list(judge_database(await store.facts(), self._settings, load_migrations()))
        self._database_ahead_s = await store.clock_ahead_s()
        self._processes = await store.processes()
        found.append(judge_clock("postgres", self._database_ahead_s))
        found.extend(outside.check_webhooks(await store.endpoints(), self._settings))
        found.extend(judge_homes(self._settings.shard_map, await store.homes()))
        return found

    async def _valkey(self) -> list[Finding]:
        url = self._settings.valkey_url
        if url == EMBEDDED:
            return [ok("valkey.reached", "no `waitroom up` runs; it starts Valkey itself")]
        store = CacheStore(url)
        try:
            return [
                ok("valkey.reached", "Valkey answers"),
                *judge_cache(await store.facts()),
                judge_clock("valkey", await store.clock_ahead_s()),
            ]
        finally:
            await store.close()

    async def _machine(self) -> list[Finding]:
        settings = self._settings
        found = await asyncio.to_thread(machine_facts, [Path(settings.data_dir)])
        has_engines = settings.postgres_url == EMBEDDED
        return list(judge_machine(found, workers=settings.workers, has_engines=has_engines))

    def _together(self) -> Iterator[Finding]:
        """Compare what was written with what was seen."""
        settings, processes = self._settings, self._processes
        forwarders = sorted({one.forwarder for one in processes if one.forwarder})
        yield from configuration.check_addresses(settings, forwarders)
        yield configuration.check_gateway(settings, self._secrets)
        if self._secrets is not None:
            known = [one.process for one in processes]
            yield from configuration.check_keys(self._secrets, known)
        if self._database_ahead_s is None:
            return
        ahead_by_host: dict[str, float] = {}
        for one in processes:
            if one.clock_ahead_s is not None:
                ahead_by_host[one.process.host] = one.clock_ahead_s + self._database_ahead_s
        for host, ahead_s in sorted(ahead_by_host.items()):
            yield judge_clock(host, ahead_s)

    def _hide(self, finding: Finding) -> Finding:
        settings, hidden = self._settings, list(_secrets_in(self._secrets))
        urls = [settings.postgres_url, settings.postgres_owner_url, settings.valkey_url]
        for shard in settings.shards.values():
            urls += [shard.postgres_url, shard.postgres_owner_url, shard.valkey_url]
        for url in urls:
            if password := urlsplit(url).password:
                hidden += [password, unquote(password)]
        says, advice = (without_secrets(t, hidden) for t in (finding.says, finding.advice))
        return replace(finding, says=says, advice=advice)


def _secrets_in(secrets: Secrets | None) -> Iterator[str]:
    for name in Secrets.__struct_fields__ if secrets is not None else ():
        value = getattr(secrets, name)
        yield from [value] if isinstance(value, str) else value


async def _one(found: Awaitable[Finding]) -> list[Finding]:
    return [await found]


class _DaemonThreads(ThreadPoolExecutor):
    """Runs each call in a thread of its own that the end of the program does not wait for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it goes to the one who asked
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

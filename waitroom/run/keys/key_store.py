"""The signing keys of each running process, and what an old key signed that is still alive."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import getpid
from uuid import UUID

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.signing import key_id
from waitroom.admin.accounts.factors.authenticator import PURPOSE as APPS
from waitroom.gate.known_user.protocol import PURPOSE as SITES
from waitroom.leader.drawing import seed_key_id
from waitroom.outgoing.outbox.signature import PURPOSE as ENDPOINTS

SQL = load_queries("waitroom.run.keys")

_PURPOSE = b"waitroom.signing-key.1:"
# A process reports every five seconds that a key signs. What lives for minutes without any row,
# such as a hand-over to another site or the way back from a gate, is over after this time.
SETTLED_AFTER = timedelta(hours=1)


def shown_id(key: bytes) -> bytes:
    """Return the id by which processes report a key; it gives nothing of the key away."""
    return key_id(key, _PURPOSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process and its keys, by their ids; the last one signs."""

    host: str
    pid: int
    key_ids: Sequence[bytes] = ()

    def accepts(self, key: bytes) -> bool:
        """Say whether the process accepts what this key signs."""
        return shown_id(key) in self.key_ids

    def signs_with(self, key: bytes) -> bool:
        """Say whether the process signs with this key."""
        return bool(self.key_ids) and self.key_ids[-1] == shown_id(key)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class SigningKeys:
    """The signing keys as PostgreSQL knows them, which are their ids alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def report(
        self, process: UUID, keys: Sequence[bytes], *, forwarder: str = ""
    ) -> list[Process]:
        """Say which keys a process has; return the others that it cannot share tokens with.

        The time of its machine is told too, and the `forwarder`: a proxy that is not trusted and
        brings most of its requests.
        """
        ids = [shown_id(key) for key in keys]
        values = (process, socket.gethostname(), getpid(), ids)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["report_keys"], *values)
            around = (process, datetime.now(UTC), forwarder or None)
            await borrowed.execute(SQL["report_surroundings"], *around)
        return [Process(host=row["host"], pid=row["pid"]) for row in rows]

    async def end_report(self, process: UUID) -> None:
        """Forget a process that ends."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["end_report"], process)

    async def processes(self) -> list[Process]:
        """Return the processes that run, on all machines."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["live_processes"])
        return [Process(**row) for row in rows]

    async def needs_of(self, key: bytes, *, now: datetime) -> list[str]:
        """Return what still needs a key that signs no longer, each as a sentence; none if nothing.

        A key of which PostgreSQL never heard counts as one that signed until now.
        """
        needs = []
        async with connection(self._pool) as borrowed:
            signed = await borrowed.fetchval(SQL["last_signed"], shown_id(key)) or now
            if now < signed + SETTLED_AFTER:
                needs.append(
                    "it signed within the last hour, and links on their way to a site may live "
                    f"until {_shown(signed + SETTLED_AFTER)}"
                )
            for row in await borrowed.fetch(SQL["places_given_by"], signed):
                until = f" until {_shown(row['until'])} at the latest" if row["until"] else ""
                what = _GOES_ON[row["what"]]
                needs.append(f"room {row['room']}: {row['count']} {what}{until}")
            for query, name, words in (
                ("draws_sealed_by", seed_key_id(key), "the draw of room {} is made with it"),
                ("webhooks_derived_from", key_id(key, ENDPOINTS), _WEBHOOK),
                ("sites_derived_from", key_id(key, SITES), _SITE),
                ("apps_sealed_by", key_id(key, APPS), _APP),
            ):
                found = await borrowed.fetch(SQL[query], name)
                needs.extend(words.format(row[0]) for row in found)
        return needs


_GOES_ON = {
    "waiting": "places that it signed wait for their turn",
    "turns": "turns of places that it signed go on",
    "invitations": "invitations that it signed are good",
}
_WEBHOOK = "the secret of the webhook {} comes from it: rotate that"
_APP = (
    "the authenticator app of {} is sealed with it: a sign-in with a code of it, or "
    "`waitroom operator remove-factors`, ends that"
)
_SITE = "the secret of the KnownUser site {} comes from it: renew that"


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")

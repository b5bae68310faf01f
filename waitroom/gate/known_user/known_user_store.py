"""The rooms that speak KnownUser V3, on PostgreSQL."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import NotFound
from inventory.kit.signing import SALT_BYTES, Root, SecretBook
from inventory.refusals import RoomArchived, no_room
from waitroom.gate.known_user.integration import KNOWN_USER_RULES, KnownUserRules, Speaker
from waitroom.gate.known_user.protocol import PURPOSE, configuration_key
from waitroom.refusals import EventTaken

SQL = load_queries("waitroom.gate.known_user")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteKeys:
    """What a site has to know, told once: its secret, and the key to its configuration."""

    customer: str
    secret: str
    configuration_key: str


class KnownUserStore:
    """`keys` are the service's signing keys, from which the secrets of sites are derived."""

    def __init__(self, pool: Pool, keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._book = SecretBook(keys, PURPOSE)

    async def read(self, room: str) -> KnownUserRules | None:
        """Return how a room speaks, None if it does not; raises `NotFound`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_known_user"], room)
        if row is None:
            raise no_room(room)
        return KNOWN_USER_RULES.decode(row["rules"]) if row["rules"] else None

    async def every(self) -> list[Speaker]:
        """Return all rooms that speak and whose secret can be derived, by customer and event."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_known_users"])
        found = []
        for row in rows:
            secret = self._secret(Root(salt=row["salt"], key_id=row["key_id"]))
            if secret is not None:
                rules = KNOWN_USER_RULES.decode(row["rules"])
                found.append(Speaker(room=row["room"], rules=rules, secret=secret))
        return found

    async def put(
        self, room: str, rules: KnownUserRules | None, *, who: str, reason: str
    ) -> SiteKeys | None:
        """Let a room speak to a site, or to none; return the keys of a site that is new.

        Raises `NotFound`, `EventTaken` and `RoomArchived`.
        """
        root = self._book.root(secrets.token_bytes(SALT_BYTES))
        kept = None if rules is None else msgspec.json.encode(rules).decode()
        async with connection(self._pool) as borrowed:
            try:
                is_new = await borrowed.fetchval(
                    SQL["set_known_user"], room, kept, root.salt, root.key_id, who, reason
                )
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name == "event_leads_to_one_room":
                    raise EventTaken(field="event") from error
                raise
            except asyncpg.CheckViolationError as error:
                if error.constraint_name == "archived_room_stands":
                    raise RoomArchived from error
                raise
        if is_new is None:
            raise no_room(room)
        return self._keys(rules.customer, root) if rules is not None and is_new else None

    async def renew_secret(self, room: str, *, who: str) -> SiteKeys:
        """Give the site of a room a new secret; raises `NotFound`."""
        root = self._book.root(secrets.token_bytes(SALT_BYTES))
        async with connection(self._pool) as borrowed:
            customer = await borrowed.fetchval(
                SQL["renew_known_user_secret"], room, root.salt, root.key_id, who
            )
        if customer is None:
            raise NotFound(f"The room {room!r} speaks to no site.")
        return self._keys(customer, root)

    def _keys(self, customer: str, root: Root) -> SiteKeys:
        secret = self._secret(root)
        assert secret is not None
        return SiteKeys(
            customer=customer, secret=secret, configuration_key=configuration_key(secret)
        )

    def _secret(self, root: Root) -> str | None:
        derived = self._book.derive(root)
        return None if derived is None else derived.hex()

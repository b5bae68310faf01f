"""API keys: the rights of programs, each made by an admin or by the command line.

A key has 256 random bits and is shown once; the database has its hash. It never has more rights
than the admin who made it, and it ends when this admin's role changes or their access ends. A new
password or a sign-out leaves keys in force, since programs never knew the password.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.client import API_KEY_PREFIX
from inventory.kit.problem import BadRequest, Forbidden, Refusal, Unprocessable
from waitroom.admin.accounts.codes import fingerprint
from waitroom.admin.accounts.refusals import KeyNameTaken, KeyRefused, TooManyKeys, UnknownKey
from waitroom.admin.accounts.scopes import Key, Scope
from waitroom.admin.accounts.sign_in import Operator

SQL = load_queries("waitroom.admin.accounts")

SECRET_BYTES = 32
KEYS_MAX = 200
# Keys that ended are listed after those in force, as far as this number reaches.
LISTED_MAX = 300
ROOMS_MAX = 100

_SECRET = re.compile(API_KEY_PREFIX + r"[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_REFUSALS: dict[str, type[Refusal]] = {
    "not_admin": Forbidden,
    "name_taken": KeyNameTaken,
    "too_many": TooManyKeys,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to make; `rooms` None is for all rooms, `expires_at` None for no end of its own."""

    name: str
    scopes: tuple[Scope, ...]
    rooms: tuple[str, ...] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key as the screen lists it, without its secret.

    `made_by` is None for the command line. `last_used_at` is right to the minute.
    """

    key_id: int
    name: str
    scopes: list[str]
    rooms: list[str] | None
    made_by: str | None
    made_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    expired: bool


class KeyStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, new: NewKey, *, maker: Operator | None, now: datetime) -> str:
        """Make a key and return its secret, which is kept nowhere.

        `maker` is None for the command line. Raises `BadRequest`, `Unprocessable`, `KeyNameTaken`,
        `TooManyKeys`, and `Forbidden` for a maker who is no admin any more.
        """
        if not _NAME.fullmatch(new.name):
            raise BadRequest("A name has 1 to 63 letters, digits and signs of . _ -", field="name")
        if not new.scopes:
            raise Unprocessable("A key needs at least one scope.", field="scopes")
        if new.expires_at is not None and new.expires_at <= now:
            raise Unprocessable("A key has to expire in the future.", field="expires_at")
        secret = API_KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        rooms = None if new.rooms is None else sorted(set(new.rooms))
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(
                SQL["add_key"],
                new.name,
                fingerprint(secret),
                sorted(set(new.scopes)),
                rooms,
                new.expires_at,
                maker and maker.operator_id,
                maker.name if maker else "cli",
                KEYS_MAX,
            )
        if verdict == "unknown_room":
            raise Unprocessable(f"There is no such room: {', '.join(rooms or ())}.", field="rooms")
        if verdict in _REFUSALS:
            raise _REFUSALS[verdict](field="name" if verdict == "name_taken" else "")
        return secret

    async def end(
        self, *, who: str, key_id: int | None = None, name: str = "", reason: str = ""
    ) -> bool:
        """End a key, named by its id or its name, and return whether it was in force.

        Raises `UnknownKey`.
        """
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["end_key"], key_id, name, who, reason)
        if verdict == "unknown":
            raise UnknownKey
        return bool(verdict == "ended")

    async def keys(self) -> list[ListedKey]:
        """Return the keys in force by name, then the ones that ended last."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_keys"], LISTED_MAX)
        return [ListedKey(**row) for row in rows]

    async def use(self, secret: str) -> Operator:
        """Return the actor behind a key; raises `KeyRefused`."""
        if not _SECRET.fullmatch(secret):
            raise KeyRefused
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["use_key"], fingerprint(secret))
        if row is None:
            raise KeyRefused
        key = Key(
            key_id=row["key_id"],
            name=row["name"],
            scopes=tuple(row["scopes"]),
            rooms=None if row["rooms"] is None else tuple(row["rooms"]),
        )
        # Operators' ids are positive: a program shares no Idempotency-Key with a person.
        return Operator(operator_id=-key.key_id, name=f"key {key.name}", role=row["role"], key=key)

    async def room_of(self, named: Mapping[str, str]) -> str | None:
        """Return the room of the SKU, product or order that a path names, or None."""
        things: Sequence[str | UUID | None] = (
            named.get("sku"),
            named.get("product"),
            _uuid(named.get("order_id", "")),
        )
        if not any(things):
            return None
        async with connection(self._pool) as borrowed:
            room: str | None = await borrowed.fetchval(SQL["room_of_thing"], *things)
        return room


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

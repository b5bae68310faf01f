"""Endpoints and their deliveries, as operators see and change them.

Every change is one statement that also writes the operator's action, so neither is there alone.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.decoding import Json
from inventory.kit.problem import BadRequest, Busy, NotFound
from inventory.kit.signing import SALT_BYTES, Root
from waitroom.outgoing.outbox.event import TEST, event_name
from waitroom.outgoing.outbox.signature import EndpointSecrets
from waitroom.refusals import DeliveryRunning, EndpointInactive

SQL = load_queries("waitroom.outgoing.outbox")

# Every event costs a row and a request for each endpoint that wants it.
ENDPOINTS_MAX = 20
# Until then the receiver has to know the new secret: the old one signs too for so long.
ROTATION = timedelta(days=1)
REPLAY_MAX = 5000
# Deliveries that one statement deletes, and the time for which one request goes on.
DELETE_BATCH_MAX = 5000
DELETE_WAIT_S = 8.0
# Counting deliveries for the screen stops here.
COUNTED_MAX = 1000
ACTIONS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint without its secret.

    `kinds` are the events that it gets, all for an empty list. `inactive_why` says why it gets none
    at present, since `inactive_since`. After a rotation the old secret signs too until `old_until`.
    `failing_since` is when its present run of failures began, and nothing is sent before
    `quiet_until`. `pending` and `failed` count its deliveries up to a bound. `signs` says whether
    the secret can still be derived.
    """

    endpoint_id: int
    url: str
    description: str
    kinds: list[str]
    active: bool
    inactive_why: str | None
    inactive_since: datetime | None
    old_until: datetime | None
    failing_since: datetime | None
    quiet_until: datetime | None
    created_at: datetime
    pending: int
    failed: int
    signs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint.

    `webhook_id` is the event's name, `kind` says what happened, `at` when, and `data` is the body.
    `state` is pending, delivered or failed, and `sending` says that an attempt runs now; the next
    is due at `due_at`. The last attempt was at `tried_at` and took `took_ms` milliseconds. `status`
    is its HTTP status, and `answer` the beginning of the answer or why there was none.
    """

    delivery_id: int
    endpoint_id: int
    webhook_id: str
    kind: str
    at: datetime
    data: Json
    state: str
    sending: bool
    attempts: int
    due_at: datetime | None
    tried_at: datetime | None
    status: int | None
    answer: str
    took_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAction:
    """An operator's change of an endpoint; `detail` has the values that belong to its kind."""

    at: datetime
    who: str
    action: str
    detail: Json


class EndpointStore:
    def __init__(self, pool: Pool, secrets_of: EndpointSecrets) -> None:
        self._pool = pool
        self._secrets = secrets_of

    async def all(self, endpoint_id: int | None = None) -> list[Endpoint]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_endpoints"], endpoint_id, COUNTED_MAX)
        return [self._endpoint(dict(row)) for row in rows]

    async def read(self, endpoint_id: int) -> Endpoint:
        found = await self.all(endpoint_id)
        if not found:
            raise NotFound("There is no such endpoint.")
        return found[0]

    def _endpoint(self, row: dict[str, Any]) -> Endpoint:
        # The key's id is enough to see whether it is still kept; the salt is not even read.
        known = self._secrets.knows(row.pop("key_id"))
        return Endpoint(**row, signs=known)

    async def add(
        self, url: str, *, shown: str, description: str, kinds: Sequence[str], who: str
    ) -> tuple[int, str]:
        """Add an endpoint and return its id and its secret, which is never told again.

        `shown` is how the URL stands on record, where more people may read it.
        """
        root, secret = self._new_secret()
        values = (url, description, list(kinds), root.salt, root.key_id, ENDPOINTS_MAX, who, shown)
        async with connection(self._pool) as borrowed:
            endpoint_id = await borrowed.fetchval(SQL["add_endpoint"], *values)
        if endpoint_id is None:
            raise BadRequest(
                f"There are {ENDPOINTS_MAX} webhooks, the most there may be. Delete one first."
            )
        return endpoint_id, secret

    async def change(
        self,
        endpoint_id: int,
        *,
        who: str,
        detail: Json,
        url: str | None = None,
        description: str | None = None,
        kinds: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> None:
        """Change what is not None; `detail` is how the change stands on record."""
        values = (
            url,
            description,
            None if kinds is None else list(kinds),
            active,
            who,
            msgspec.json.encode(detail).decode(),
        )
        async with connection(self._pool) as borrowed:
            done = await borrowed.fetchval(SQL["change_endpoint"], endpoint_id, *values)
        if done is None:
            raise NotFound("There is no such endpoint.")

    async def rotate(self, endpoint_id: int, *, who: str) -> str:
        """Return a new secret, which is never told again; the old one signs too for a day."""
        root, secret = self._new_secret()
        values = (endpoint_id, root.salt, root.key_id, ROTATION, who)
        async with connection(self._pool) as borrowed:
            done = await borrowed.fetchval(SQL["rotate_endpoint"], *values)
        if done is None:
            raise NotFound("There is no such endpoint.")
        return secret

    def _new_secret(self) -> tuple[Root, str]:
        root = self._secrets.root(secrets.token_bytes(SALT_BYTES))
        secret = self._secrets.secret(root)
        assert secret is not None
        return root, secret

    async def delete(self, endpoint_id: int, *, shown: str, who: str) -> None:
        """Delete an endpoint and all its deliveries.

        The deliveries go in batches, since there may be millions. Raises `Busy` when that takes
        longer than a request may; the endpoint is silent by then, and a repeat goes on.
        """
        await self._delete_deliveries(endpoint_id)
        async with connection(self._pool) as borrowed:
            done = await borrowed.fetchval(SQL["delete_endpoint"], endpoint_id, who, shown)
        if done is None:
            raise NotFound("There is no such endpoint.")

    async def _delete_deliveries(self, endpoint_id: int) -> None:
        started = time.monotonic()
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["silence_endpoint"], endpoint_id)
        deleted = DELETE_BATCH_MAX
        while deleted == DELETE_BATCH_MAX:
            if time.monotonic() - started > DELETE_WAIT_S:
                raise Busy(
                    "The endpoint gets nothing any more. It has so many deliveries that deleting "
                    "them takes a while: please delete it again."
                )
            async with connection(self._pool) as borrowed:
                deleted = await borrowed.fetchval(
                    SQL["delete_deliveries"], endpoint_id, DELETE_BATCH_MAX
                )

    async def send_test(self, endpoint_id: int, *, who: str) -> int:
        """Write a test event for this endpoint alone; return the id of its delivery."""
        await self.read(endpoint_id)
        async with connection(self._pool) as borrowed:
            delivery_id: int | None = await borrowed.fetchval(
                SQL["send_test"], endpoint_id, TEST, who
            )
        if delivery_id is None:
            raise EndpointInactive
        return delivery_id

    async def deliveries(
        self, endpoint_id: int, *, states: Sequence[str], before: int, limit: int
    ) -> list[Delivery]:
        """Return a page of an endpoint's deliveries, newest first, older than `before`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["list_deliveries"], endpoint_id, list(states), before, limit
            )
        return [_delivery(dict(row)) for row in rows]

    async def replay(self, delivery_id: int, *, who: str) -> None:
        """Send a delivery again at once, with all its attempts before it.

        Raises `DeliveryRunning` for one that is under way.
        """
        async with connection(self._pool) as borrowed:
            done = await borrowed.fetchval(SQL["replay_delivery"], delivery_id, who)
            if done is not None:
                return
            if await borrowed.fetchval(SQL["find_delivery"], delivery_id) is None:
                raise NotFound("There is no such delivery.")
        raise DeliveryRunning

    async def replay_failed(self, endpoint_id: int, *, since: datetime, who: str) -> int:
        """Send again what failed of events since then; return how many, at most `REPLAY_MAX`."""
        await self.read(endpoint_id)
        async with connection(self._pool) as borrowed:
            return int(
                await borrowed.fetchval(SQL["replay_failed"], endpoint_id, since, REPLAY_MAX, who)
            )

    async def actions(self) -> list[EndpointAction]:
        """Return the newest actions on endpoints."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_webhook_actions"], ACTIONS_SHOWN)
        return [
            EndpointAction(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows
        ]


def _delivery(row: dict[str, Any]) -> Delivery:
    webhook_id: UUID = row.pop("webhook_id")
    data = msgspec.json.decode(row.pop("body"))
    return Delivery(**row, webhook_id=event_name(str(webhook_id)), data=data)

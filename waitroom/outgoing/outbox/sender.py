"""The sender: a loop that fans events out and sends what is due.

Each endpoint has its own bound on what is under way, so one that is slow or down delays no other.
"""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import asyncpg
import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from inventory.kit.problem import Refusal
from waitroom.outgoing.outbox.attempt import Answer, judge
from waitroom.outgoing.outbox.event import encode_event, event_name
from waitroom.outgoing.outbox.outbox_store import Due, OutboxStore
from waitroom.outgoing.outbox.signature import SecretBook, sign
from waitroom.outgoing.outbox.webhook_client import ATTEMPT_S, WebhookClient, open_client

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
FAN_OUT_MAX = 500
PER_ENDPOINT_MAX = 8
# Longer than any attempt takes, so that nobody else begins while this one may still arrive.
LEASE_S = 3 * ATTEMPT_S
STOP_WAIT_S = 5.0
COUNT_EVERY_S = 15.0

ATTEMPTS = Metric(
    "waitroom_webhook_attempts_total", "Webhooks sent, by what became of it.", ["outcome"]
)
PENDING = Gauge(
    "waitroom_webhooks_pending",
    "Webhooks that wait for an attempt.",
    multiprocess_mode="mostrecent",
)


class Sender:
    def __init__(self, outbox: OutboxStore, *, secrets: SecretBook, allow_private: bool) -> None:
        self._outbox = outbox
        self._secrets = secrets
        self._allow_private = allow_private
        self._sending: Counter[int] = Counter()
        self._attempts: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop; what is under way then has a moment to end.

        What is cut off is sent again by somebody else when its lease is over.
        """
        ender = asyncio.create_task(self._wake_at(stopping))
        counter = asyncio.create_task(self._count(stopping))
        async with open_client(allow_private=self._allow_private) as client:
            try:
                while not stopping.is_set():
                    self._wake.clear()
                    if not await self._look(client):
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
                if self._attempts:
                    await asyncio.wait(self._attempts, timeout=STOP_WAIT_S)
            finally:
                # Before the client closes, or each would note that as a failure of its receiver's.
                await _cancel(*self._attempts, ender, counter)

    async def _wake_at(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()

    async def _look(self, client: WebhookClient) -> bool:
        """Fan out and begin what is due; say whether there is more to fan out."""
        try:
            taken = await self._outbox.fan_out(FAN_OUT_MAX)
            found = await self._outbox.claim(
                self._sending, per_endpoint_max=PER_ENDPOINT_MAX, lease_s=LEASE_S
            )
        except (Refusal, asyncpg.PostgresError) as error:
            log.warning("outbox_unread", error=repr(error))
            return False
        for due in found:
            self._sending[due.endpoint_id] += 1
            attempt = asyncio.create_task(self._attempt(client, due))
            self._attempts.add(attempt)
            attempt.add_done_callback(self._attempts.discard)
        return taken >= FAN_OUT_MAX

    async def _attempt(self, client: WebhookClient, due: Due) -> None:
        try:
            await self._send(client, due)
        except (Refusal, asyncpg.PostgresError) as error:
            # What became of it could not be noted. The lease runs out, and it is sent again.
            log.warning("webhook_unnoted", delivery=due.delivery_id, error=repr(error))
        except Exception:
            log.exception("webhook_broke", delivery=due.delivery_id)
        finally:
            self._sending[due.endpoint_id] -= 1
            if not self._sending[due.endpoint_id]:
                del self._sending[due.endpoint_id]
            self._wake.set()

    async def _send(self, client: WebhookClient, due: Due) -> None:
        body = encode_event(due.kind, due.at, due.body)
        secrets = [s for s in map(self._secrets.secret, due.roots) if s is not None]
        if secrets:
            headers = sign(
                name=event_name(str(due.webhook_id)), at=due.now, body=body, secrets=secrets
            )
            answer = await client.post(due.url, body, headers)
        else:
            answer = Answer(
                status=None,
                text="The signing key behind this endpoint's secret is gone; rotate the secret.",
            )
        chance = random.random()  # noqa: S311 - jitter guards no secret
        outcome = judge(answer, attempts=due.attempts, chance=chance, now=due.now)
        ATTEMPTS.labels(outcome.state if outcome.state != "pending" else "retried").inc()
        why = await self._outbox.note(due, answer, outcome)
        if why is not None:
            log.warning("webhook_endpoint_disabled", endpoint=due.endpoint_id, why=why)

    async def _count(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            with suppress(Refusal, asyncpg.PostgresError):
                PENDING.set(await self._outbox.pending())
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), COUNT_EVERY_S)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

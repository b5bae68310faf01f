"""The sender of webhooks: fans events out and posts each delivery that is due.

Each endpoint has its own bound on what is in flight, so one that is slow or down delays no other.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from inventory.kit.loops import repeat
from waitroom.outgoing.loop import SendingLoop, cancel
from waitroom.outgoing.outbox.attempt import LEASE, Answer, DeliveryOutcome, judge
from waitroom.outgoing.outbox.event import encode_event, event_name
from waitroom.outgoing.outbox.outbox_store import STATES, Due, OutboxStore
from waitroom.outgoing.outbox.signature import EndpointSecrets, sign
from waitroom.outgoing.outbox.webhook_client import WebhookClient, open_client
from waitroom.outgoing.outcome import Fate

log = structlog.get_logger()

FAN_OUT_MAX = 500
PER_ENDPOINT_MAX = 8
COUNT_EVERY_S = 15.0

ATTEMPTS = Metric("waitroom_webhook_attempts_total", "Webhooks sent, by outcome.", ["outcome"])
PENDING = Gauge(
    "waitroom_webhooks_pending",
    "Webhooks that wait for an attempt.",
    multiprocess_mode="mostrecent",
)


class WebhookSender(SendingLoop[Due, Answer, DeliveryOutcome]):
    name = "webhooks"
    lease = LEASE
    look_every_s = 0.5

    def __init__(
        self, outbox: OutboxStore, *, secrets: EndpointSecrets, allow_private: bool
    ) -> None:
        super().__init__()
        self._outbox = outbox
        self._secrets = secrets
        self._allow_private = allow_private
        self._client: WebhookClient | None = None

    @asynccontextmanager
    async def opened(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        async with open_client(allow_private=self._allow_private) as self._client:
            counting = asyncio.create_task(repeat("webhooks_pending", self._count, stopping))
            try:
                yield
            finally:
                await cancel(counting)

    async def prepare(self) -> bool:
        return await self._outbox.fan_out(FAN_OUT_MAX) >= FAN_OUT_MAX

    async def take(self) -> Sequence[Due]:
        sending = Counter(due.endpoint_id for due in self.in_flight)
        return await self._outbox.lease_due(
            sending, per_endpoint_max=PER_ENDPOINT_MAX, lease_s=LEASE.length_s
        )

    async def send(self, item: Due) -> Answer:
        body = encode_event(item.kind, item.at, item.body)
        secrets = [s for s in map(self._secrets.secret, item.roots) if s is not None]
        if not secrets:
            return _no_answer(
                "The signing key behind this endpoint's secret is gone; rotate the secret."
            )
        name = event_name(str(item.webhook_id))
        headers = sign(name=name, at=item.now, body=body, secrets=secrets)
        assert self._client is not None, "it is open while the loop runs"
        return await self._client.post(item.url, body, headers)

    def broken(self, error: Exception) -> Answer:
        return _no_answer(f"The attempt broke: {type(error).__name__}.")

    def judge(self, item: Due, reply: Answer, *, chance: float) -> DeliveryOutcome:
        return judge(reply, attempts=item.attempts, chance=chance, now=item.now)

    async def note(self, item: Due, reply: Answer, outcome: DeliveryOutcome) -> None:
        label = "retried" if outcome.fate is Fate.AGAIN else STATES[outcome.fate]
        ATTEMPTS.labels(label).inc()
        why = await self._outbox.note(item, reply, outcome)
        if why is not None:
            log.warning("webhook_endpoint_disabled", endpoint=item.endpoint_id, why=why)

    async def _count(self) -> float:
        PENDING.set(await self._outbox.pending())
        return COUNT_EVERY_S


def _no_answer(text: str) -> Answer:
    return Answer(status=None, text=text)

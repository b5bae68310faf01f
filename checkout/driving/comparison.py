"""The daily comparison of our orders with the gateway's books.

News may get lost, and money may move on the gateway's own pages. Each order of the last half year
is therefore compared once a day, a few at a time. The place in the round is kept in the database,
so that a round goes on where a process left it.
"""

import asyncio
from uuid import UUID

import structlog

from checkout.driving.comparison_store import Compared, ComparisonStore
from checkout.driving.payments import Payments
from checkout.driving.refunds import Refunds
from checkout.gateway.gateway import GatewayError
from inventory.kit.problem import Refusal

log = structlog.get_logger()

# Orders that are compared at once, and at most in each of the sweeper's rounds of a second: the
# gateway bounds its readers, and shoppers who pay come first.
BATCH_MAX = 10
# The difference of an order whose comparison failed here; tomorrow's round tries it again.
NOT_COMPARED = "not_compared"


class Comparison:
    """Compare orders with the gateway, and say loudly what no news had told."""

    def __init__(
        self, store: ComparisonStore, *, payments: Payments, refunds: Refunds, gateway: str
    ) -> None:
        self._store = store
        self._payments = payments
        self._refunds = refunds
        self._gateway = gateway

    async def sweep(self, _: int) -> int:
        """Compare the next orders of the day's round, as a sweep that rests between its rounds."""
        await self.step()
        return 0

    async def step(self) -> int:
        """Compare the next orders; return how many there were."""
        taken = await self._store.take(gateway=self._gateway, limit=BATCH_MAX)
        if not taken:
            return 0
        found = await asyncio.gather(*(self._compare(each.order_id) for each in taken))
        answered = [differences for differences in found if differences is not None]
        if not answered:
            # The gateway is away: the same orders are tried again when the lease is over.
            log.warning("gateway_not_compared", gateway=self._gateway, orders=len(taken))
            return len(taken)
        differences = [what for each in answered for what in each]
        remaining = sum(what in {"does_not_fit", NOT_COMPARED} for what in differences)
        await self._store.advance(
            taken[-1],
            Compared(
                orders=len(taken),
                found=len(differences),
                # An order without an answer stays open until tomorrow's round.
                remaining=remaining + len(taken) - len(answered),
            ),
            gateway=self._gateway,
        )
        return len(taken)

    async def _compare(self, order_id: UUID) -> list[str] | None:
        """Return the differences of an order, or None where the gateway gave no answer."""
        try:
            moved = await self._payments.look_for_late_money(order_id)
            if moved:
                # Refunds fit an order only when its money has come to rest.
                await self._payments.drive(order_id)
            found = await self._refunds.compare(order_id)
        except (GatewayError, Refusal) as error:
            log.warning("order_not_compared", order=str(order_id), error=repr(error))
            return None
        except Exception:  # an order that cannot be compared keeps no other from it
            log.exception("order_not_compared", order=str(order_id))
            return [NOT_COMPARED]
        found += ["late_money"] if moved else []
        for what in found:
            hint = "is the gateway's webhook set up, and does it arrive?"
            log.error("gateway_told_nothing_of_this", order=str(order_id), what=what, hint=hint)
        return found

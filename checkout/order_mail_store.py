"""One message about a paid order, to the address that its shopper gave with the payment."""

from collections.abc import Callable
from uuid import UUID

from checkout.order import Order
from checkout.order_link import OrderLinks
from checkout.order_store import SQL
from inventory.kit.database import Pool, ask
from inventory.kit.language.language import phrase
from inventory.kit.problem import Unprocessable

_NOT_OFFERED = phrase("No mail is sent here. Please pay without an e-mail address.")
_NO_ADDRESS = phrase("That cannot be an e-mail address.")


class OrderMail:
    """`is_address` tells an address that mail can go to; None where the service sends no mail."""

    def __init__(
        self, pool: Pool, links: OrderLinks, *, is_address: Callable[[str], bool] | None
    ) -> None:
        self._pool = pool
        self._links = links
        self._is_address = is_address

    @property
    def offered(self) -> bool:
        return self._is_address is not None

    def checked(self, address: str) -> str:
        """Return an address without space around it, "" for none; raises `Unprocessable`."""
        address = address.strip()
        if address and self._is_address is None:
            raise Unprocessable(_NOT_OFFERED)
        if address and self._is_address is not None and not self._is_address(address):
            raise Unprocessable(_NO_ADDRESS)
        return address

    async def queue(self, order: Order, address: str, *, language: str) -> None:
        """Keep the message until the order is paid. There is one for each order, with its link."""
        if address and not order.failed:
            await self._keep(order.order_id, address, language)

    async def _keep(self, order_id: UUID, address: str, language: str) -> None:
        url = self._links.url_of(order_id)
        await ask(self._pool, SQL["mail_order"], order_id, address, language, url)

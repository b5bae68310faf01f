"""The link by which an order is read without a session. Pure.

A session ends with its order, and another browser never had it. The link's key is a signature over
the order's id: it opens this order and its receipt to be read, and nothing can be done with it. It
stands in the query, which no log of this service keeps.
"""

from uuid import UUID

from inventory.kit.signing import Seal

PURPOSE = "waitroom.order.1"


class OrderLinks:
    """Make the links of orders, and tell a genuine key from any other."""

    def __init__(self, secret_keys: list[bytes]) -> None:
        self._seal = Seal(secret_keys, PURPOSE)

    def key_of(self, order_id: UUID) -> str:
        return self._seal.sign(order_id.hex).partition("~")[2]

    def url_of(self, order_id: UUID) -> str:
        return f"/checkout/orders/{order_id}?key={self.key_of(order_id)}"

    def opens(self, order_id: UUID, key: str) -> bool:
        return self._seal.open(f"{order_id.hex}~{key}") == order_id.hex

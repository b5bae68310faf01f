"""Choices in one worker: which SKUs shoppers may say that they come for."""

import time
from collections import OrderedDict
from collections.abc import Sequence

from inventory.catalogue import is_code
from inventory.kit.batcher import BatcherByRoom
from inventory.kit.problem import Refusal
from inventory.refusals import UnknownSku
from waitroom.desk.board import RoomView
from waitroom.store.line_store import LineStore

# What was looked up is believed for this long, at most so many names at once.
FRESH_S = 5.0
KEPT_MAX = 10_000


class Chosen:
    """Look up the SKUs that joins name, each at most once in a while."""

    def __init__(self, store: LineStore) -> None:
        self._store = store
        self._look_ups: BatcherByRoom[tuple[int, str], int] = BatcherByRoom(
            "choices", self._look_up
        )
        self._kept: OrderedDict[tuple[int, str], tuple[float, int]] = OrderedDict()

    async def id_of(self, view: RoomView, sku: str) -> int | None:
        """Return the id of the SKU that a shopper names, None for none; raises `UnknownSku`."""
        if not sku:
            return None
        if not is_code(sku):
            raise UnknownSku
        wanted = view.rules.room_id, sku
        fresh_until, sku_id = self._kept.get(wanted, (0.0, 0))
        if time.monotonic() < fresh_until:
            return sku_id
        return await self._look_ups.of(view.room).submit(wanted)

    async def _look_up(self, wanted: Sequence[tuple[int, str]]) -> list[int | Refusal]:
        found = await self._store.find_choices(wanted[0][0], list({sku for _, sku in wanted}))
        until = time.monotonic() + FRESH_S
        for room_id, sku in wanted:
            if sku in found:
                self._kept[room_id, sku] = until, found[sku]
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return [found.get(sku) or UnknownSku() for _, sku in wanted]

    async def close(self) -> None:
        await self._look_ups.close()

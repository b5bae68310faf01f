"""The lane behind, in which a network with very many places gets its further ones.

A room says how many places one network gets (`places_per_address_max`). Those beyond it are not
refused, since a carrier may put a whole town behind one address. They stand in a lane that is
called only while no shopper waits in another, and their shoppers are told so. An operator may put a
network there by hand; then its further places stand there from that entry of the log on.
"""

import asyncio
from collections.abc import Callable

from inventory.kit.problem import Busy
from waitroom.desk.board import Board, RoomView
from waitroom.desk.joining.join_desk import JoinDesk, JoinRequest, Place
from waitroom.desk.networks import Networks
from waitroom.line.snapshot import BEHIND
from waitroom.refusals import NotOpen
from waitroom.store.line_store import LineStore

# The mark of a network in a room, None for one that has none.
Mark = Callable[[RoomView, str], bytes | None]


class Behind:
    """Chooses between the main lane and the lane behind. `mark` names networks as operators do."""

    def __init__(self, board: Board, store: LineStore, networks: Networks, *, mark: Mark) -> None:
        self._mark = mark
        self._board = board
        self._store = store
        self._networks = networks
        self._adding = asyncio.Lock()

    async def desk_of(
        self, view: RoomView, desk: JoinDesk, network: str, key: str | None
    ) -> JoinDesk:
        """Return the desk that gives a place, which an entrance has let in at `desk`.

        An invitation to a lane stands, since an operator chose who comes there. A repeated join
        finds the place that it has, in whichever of the two lanes. Raises `Busy`.
        """
        main = view.main_line.desk
        if desk is not main:
            return desk
        behind = view.lane(BEHIND)
        if behind is not None and behind.desk.gave_lately(key):
            return behind.desk
        most = view.rules.places_per_address_max
        # Nearly every room has none, and pays for no mark.
        is_put = bool(view.networks_behind) and self._mark(view, network) in view.networks_behind
        is_behind = is_put or self._networks.has_most(view.room, network, most)
        if not is_behind or await main.has_place_of(key):
            return main
        return behind.desk if behind is not None else await self._added(view)

    async def place(
        self, view: RoomView, desk: JoinDesk, request: JoinRequest, *, of: JoinDesk, network: str
    ) -> Place:
        """Return the place that `desk` gives to a join that came to the desk `of`.

        It counts for its network from the start, so that joins which come together hear of each
        other. A lane that was added before a draw takes entries once the leader has announced its
        part of the draw, a second later. Raises `Busy` until then.
        """
        self._networks.gave(view.room, network, line_id=view.line_id)
        is_new = False
        try:
            place = await desk.batcher.submit(request)
            is_new = place.fresh
        except NotOpen:
            if desk is of:
                raise
            raise Busy(retry_after_s=2) from None
        finally:
            if not is_new:
                self._networks.took_back(view.room, network)
        return place

    async def _added(self, view: RoomView) -> JoinDesk:
        """Add the lane to a room, and return its desk once the board has heard of it."""
        async with self._adding:
            if (behind := self._board.room(view.room).lane(BEHIND)) is None:
                await self._store.add_lane_behind(view.rules.room_id)
                await self._board.refresh(rooms=True)
                behind = self._board.room(view.room).lane(BEHIND)
        if behind is None:
            raise Busy(retry_after_s=1)
        return behind.desk

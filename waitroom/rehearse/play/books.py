"""The stock of a rehearsed room as the database keeps it, with its promises and wishes. Pure."""

from bisect import insort
from dataclasses import dataclass, field

from waitroom.line.snapshot import units_of_call
from waitroom.rehearse.play.admitted import Admitted


@dataclass(slots=True)
class Shelf:
    """One SKU. Wishes are (number, admission, units), the lowest number first.

    by_name: the free units that were promised to shoppers who named the SKU.
    """

    on_hand: int
    held: int = 0
    sold: int = 0
    by_name: int = 0
    wished: int = 0
    wishes: list[tuple[int, Admitted, int]] = field(default_factory=list)

    @property
    def units(self) -> int:
        return self.on_hand - self.held - self.sold

    @property
    def for_call(self) -> int:
        """The units that can be promised to a call."""
        return max(self.units - self.by_name - self.wished, 0)


@dataclass(slots=True)
class Books:
    """Balances of the room and its SKUs. Refused sessions get freed units, lowest number first."""

    shelves: list[Shelf]
    on_hand: int
    held: int = 0
    sold: int = 0
    promised: int = 0

    @property
    def spare(self) -> int:
        """The units behind no hold, order or promise."""
        return self.on_hand - self.held - self.sold - self.promised

    @property
    def wanted(self) -> int:
        """The free units that refused sessions are waiting for."""
        return sum(min(s.wished, max(s.units - s.by_name, 0)) for s in self.shelves if s.wished)

    @property
    def free(self) -> int:
        """The units for new calls, as the controller counts them."""
        return max(self.spare - self.wanted, 0)

    def promised_each(self, each: int) -> int:
        """Return the units that a call promises now where the rules say `each`."""
        return units_of_call(each, free=self.free, out=self.held + self.promised)

    def to_be_had(self, admitted: Admitted, shelf: int) -> int:
        """Return the units of a SKU that this session could hold now."""
        own = int(admitted.promised_shelf == shelf)
        beyond = self.shelves[shelf].units - self.shelves[shelf].by_name + own
        return max(min(beyond, self.spare + admitted.promised), own)

    def receive(self, shelf: int, units: int) -> None:
        """Add units to the shelf. A negative count removes units, but only unclaimed ones."""
        free = min(self.shelves[shelf].units - self.shelves[shelf].by_name, self.spare)
        units = max(units, -max(free, 0))
        self.on_hand += units
        self.shelves[shelf].on_hand += units

    def promise(self, admitted: Admitted, units: int, *, shelf: int | None = None) -> None:
        """Promise units, one of them of a shelf if the shopper named one."""
        admitted.promised, admitted.promised_shelf = units, shelf
        self.promised += units
        if shelf is not None:
            self.shelves[shelf].by_name += 1

    def take_promise_back(self, admitted: Admitted) -> None:
        self._use_promise(admitted, admitted.promised)

    def _use_promise(self, admitted: Admitted, units: int, *, of: int | None = None) -> None:
        """End so much of a promise; its shelf's part ends with the last unit, or one of it."""
        admitted.promised -= units
        self.promised -= units
        shelf = admitted.promised_shelf
        if shelf is not None and (shelf == of or not admitted.promised):
            self.shelves[shelf].by_name -= 1
            admitted.promised_shelf = None

    def hold(self, admitted: Admitted, shelf: int, units: int) -> None:
        """Set units aside, and use up the session's own promise first.

        A promise of another shelf is kept for that one, if the room has the unit to spare.
        """
        used = min(units, admitted.promised)
        other = admitted.promised_shelf not in {None, shelf}
        if other and used == admitted.promised and self.spare > units - used:
            used -= 1
        self._use_promise(admitted, used, of=shelf)
        self.held += units
        self.shelves[shelf].held += units
        admitted.shelf, admitted.held = shelf, units
        if admitted.first_shelf is None:
            admitted.first_shelf = shelf

    def release(self, admitted: Admitted) -> None:
        self._end(admitted)

    def sell(self, admitted: Admitted) -> None:
        self.sold += admitted.held
        self.shelves[admitted.shelf].sold += admitted.held
        admitted.bought += admitted.held
        self._end(admitted)

    def _end(self, admitted: Admitted) -> None:
        self.held -= admitted.held
        self.shelves[admitted.shelf].held -= admitted.held
        admitted.held = 0

    def wish(self, admitted: Admitted, shelf: int, units: int) -> None:
        insort(self.shelves[shelf].wishes, (admitted.number, admitted, units), key=_number)
        self.shelves[shelf].wished += units
        admitted.wish = shelf

    def forget_wish(self, admitted: Admitted) -> None:
        if admitted.wish is None:
            return
        shelf = self.shelves[admitted.wish]
        for index, (_, session, units) in enumerate(shelf.wishes):
            if session is admitted:
                shelf.wished -= units
                del shelf.wishes[index]
                break
        admitted.wish = None

    def serve_wishes(self) -> list[Admitted]:
        """Hold free units for the sessions that were refused them; return the sessions served."""
        served = []
        for index, shelf in enumerate(self.shelves):
            while shelf.wishes:
                _, admitted, wanted = shelf.wishes[0]
                units = min(wanted, self.to_be_had(admitted, index))
                if units < 1:
                    break
                self.forget_wish(admitted)
                self.hold(admitted, index, units)
                served.append(admitted)
        return served


def _number(wish: tuple[int, Admitted, int]) -> int:
    return wish[0]

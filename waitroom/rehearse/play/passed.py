"""The numbers of a rehearsed line that were passed by, since what they named was not free. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from waitroom.rehearse.play.books import Books

# The numbers that one tick passes by at most, as `passed_by_max` in the database.
PASSED_MAX = 500


@dataclass(slots=True)
class Passed:
    """Numbers that wait for a shelf, and go before anyone new as soon as a unit of it is free.

    names: the shelf that a number named, None for anything. left: whether it has given up.
    note: called with each number that is passed by.
    may_name: whether any shopper names one of several shelves.
    """

    books: Books
    names: Callable[[int], int | None]
    left: Callable[[int], bool]
    note: Callable[[int, Books], None]
    may_name: bool
    count: int = 0
    _waiting: dict[int | None, list[int]] = field(default_factory=dict)

    def named(self, numbers: Iterable[int]) -> tuple[int | None, ...]:
        """Return the ids of the SKUs that numbers named, as the leader reads them."""
        if not self.may_name:
            return ()
        shelves = (self.names(number) for number in numbers)
        return tuple(None if shelf is None else shelf + 1 for shelf in shelves)

    def fits(self, number: int) -> bool:
        """Say whether a unit of what a number named can be promised."""
        shelf = self.names(number)
        return shelf is None or self.books.shelves[shelf].for_call > 0

    def among(self, numbers: Iterable[int]) -> Iterator[int]:
        """Yield those of these numbers to call, each once the one before is; pass the others by."""
        for number in numbers:
            if self.left(number):
                continue
            if self.fits(number):
                yield number
            else:
                self._waiting.setdefault(self.names(number), []).append(number)
                self.count += 1
                self.note(number, self.books)

    def take(self, number: int) -> bool:
        """Forget a number, which is called; return whether it had been passed by."""
        waiting = self._waiting.get(self.names(number), [])
        if number in waiting:
            waiting.remove(number)
            return True
        return False

    def first(self, came_back: Iterable[int]) -> list[int]:
        """Return the numbers to be called before anyone new, as `waits_for_call` does."""
        numbers = [number for number in came_back if self.fits(number)]
        for shelf, waiting in self._waiting.items():
            free = 0 if shelf is None else self.books.shelves[shelf].for_call
            if free:
                waiting[:] = [number for number in waiting if not self.left(number)]
                numbers += waiting[:free]
        return sorted(numbers)

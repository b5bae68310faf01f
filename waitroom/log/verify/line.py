"""One line of a room: numbers are given one after the other, and called in that order. Pure."""

from waitroom.log.entries import Called, Drawn, EntriesClosed, Joined, OfLine, Restored
from waitroom.log.verify.ballot import BallotAudit
from waitroom.log.verify.finding import Check, Finding, Verdict


class LineAudit:
    """Checks the entries of one line.

    `tail` is the last number given, `head` the last number called, and `passed_over` counts the
    numbers in between that no call named. `passed_by` counts those that the log says were passed
    by, since what they came for was not free. `replaced_by` is the line that took this one's place
    after a reset.
    """

    def __init__(self, room: str, line: str) -> None:
        self.ballot = BallotAudit(room, line)
        self.tail = 0
        self.head = 0
        self.passed_over = 0
        self.passed_by = 0
        self.replaced_by: str | None = None
        # The line before a reset, if its entries to a draw had closed: then a new draw is a redraw.
        self._replaces_closed: str | None = None
        self._numbers = Check("numbers", line)
        self._calls = Check("calls", line)
        self._redraw = Check("draw.redraw", line)

    def begin_after(self, other: "LineAudit", name: str) -> None:
        """Take the place of a line that an operator closed."""
        if other.ballot.closed is not None:
            self._replaces_closed = name

    def feed(self, entry: OfLine, hash_: bytes) -> None:
        self.ballot.feed(entry, hash_)
        match entry:
            case EntriesClosed():
                self.tail = max(self.tail, entry.count)
            case Joined():
                self._join(entry)
            case Restored(entry=False):
                self._expect(entry)
                self.tail = max(self.tail, entry.last)
            case Called():
                self._call(entry)
            case Drawn() if self._replaces_closed is not None:
                self._redraw.fail(
                    f"A second draw was made in log entry {entry.seq}: the draw of "
                    f"{self._replaces_closed} had already closed when the line was replaced.",
                    entry.seq,
                )
            case _:
                pass
        if isinstance(entry, Joined | Called) and self.replaced_by is not None:
            self._numbers.fail(
                f"The line went on in log entry {entry.seq}, after it was replaced.", entry.seq
            )

    def _join(self, entry: Joined) -> None:
        if self.ballot.is_open:
            self._numbers.fail(
                f"Numbers were given in log entry {entry.seq} while the draw was open for entries.",
                entry.seq,
            )
        else:
            self._expect(entry)
        if entry.called:
            self._call_arrivals(entry)
        self.tail = max(self.tail, entry.last)

    def _expect(self, entry: Joined | Restored) -> None:
        """Check that the numbers of an entry follow those before it."""
        seq, expected = entry.seq, self.tail + 1
        if entry.last < entry.first:
            self._numbers.fail(f"Log entry {seq} gives no number.", seq)
        elif entry.first > expected:
            self._numbers.fail(
                f"The numbers {expected:,} to {entry.first - 1:,} are missing before log entry "
                f"{seq}.",
                seq,
            )
        elif entry.first < expected:
            self._numbers.fail(
                f"Number {entry.first:,} was given a second time, in log entry {seq}.", seq
            )

    def _call_arrivals(self, entry: Joined) -> None:
        if entry.called > entry.last - entry.first + 1:
            self._calls.fail(
                f"More people were called than joined in log entry {entry.seq}.", entry.seq
            )
        if entry.first != self.head + 1:
            self._calls.fail(
                f"Number {entry.first:,} was called on joining (log entry {entry.seq}) while "
                f"number {self.head + 1:,} was waiting.",
                entry.seq,
            )
        self._must_be_drawn(entry.seq)
        self.head = max(self.head, entry.first + entry.called - 1)

    def _call(self, entry: Called) -> None:
        seq, reached = entry.seq, entry.last - entry.first + 1
        if entry.first != self.head + 1:
            word = "again" if entry.first <= self.head else "too early"
            self._calls.fail(
                f"Number {entry.first:,} was called {word} in log entry {seq}: number "
                f"{self.head + 1:,} was next.",
                seq,
            )
        if reached < 0 or entry.called + len(entry.passed) > reached:
            self._calls.fail(f"Log entry {seq} calls more numbers than it names.", seq)
        if reached > 0 and entry.last > self.tail:
            self._calls.fail(
                f"Number {entry.last:,} was called in log entry {seq}, before it was given.", seq
            )
        here = {number for number in entry.passed if entry.first <= number <= entry.last}
        if len(here) < len(entry.passed):
            self._calls.fail(
                f"Log entry {seq} passes a number by that it did not reach, or one twice.", seq
            )
        self._call_again(entry)
        if entry.called or entry.again:
            self._must_be_drawn(seq)
        self.passed_over += max(reached - entry.called - len(entry.passed), 0)
        self.passed_by += len(entry.passed)
        self.head = max(self.head, entry.last)

    def _call_again(self, entry: Called) -> None:
        for number in entry.again:
            if number > self.head:
                self._calls.fail(
                    f"Number {number:,} was called out of turn in log entry {entry.seq}: it counts "
                    "as called again, but its turn had not come yet.",
                    entry.seq,
                )
        if len(set(entry.again)) < len(entry.again):
            self._calls.fail(f"Log entry {entry.seq} calls a number twice.", entry.seq)

    def _must_be_drawn(self, seq: int) -> None:
        if self.ballot.exists and self.ballot.drawn is None:
            self._calls.fail(f"Numbers were called in log entry {seq}, before the draw.", seq)

    def findings(self, *, is_over: bool) -> list[Finding]:
        """Return the findings; `is_over` says that the sale has ended."""
        over = is_over or self.replaced_by is not None
        return [
            *self.ballot.findings(is_over=over),
            *(self._redraw.findings("") if self._redraw.failed else []),
            *self._numbers.findings(
                f"The numbers 1 to {self.tail:,} were given once each, and none was left out."
                if self.tail
                else "No number has been given yet.",
                verdict=Verdict.HOLDS if self.tail else Verdict.NOT_APPLICABLE,
            ),
            *self._calls.findings(
                f"Numbers were called in order, up to {self.head:,}. None was called before it was "
                "given, or called again before its turn."
                if self.head
                else "No number has been called yet.",
                verdict=Verdict.HOLDS if self.head else Verdict.NOT_APPLICABLE,
            ),
        ]

"""One line of a room: numbers are given one after the other, and called in their order. Pure."""

from waitroom.log.entries import Called, Drawn, EntriesClosed, Joined, OfLine, Void
from waitroom.log.verify.ballot import BallotAudit
from waitroom.log.verify.finding import Check, Finding, Verdict


class LineAudit:
    def __init__(self, room: str, line: str) -> None:
        self.ballot = BallotAudit(room, line)
        # What the service calls tail and head: the last number given, and the last one called.
        self.tail = 0
        self.head = 0
        self.passed_over = 0
        self.replaced_by: str | None = None
        self._replaces_closed: str | None = None
        # The last of each stretch that is void, by its first; and where the latest stretch begins.
        self._voids: dict[int, int] = {}
        self._void_first = 0
        self._numbers = Check("numbers", line)
        self._calls = Check("calls", line)
        self._redraw = Check("draw.redraw", line)

    def begin_after(self, other: "LineAudit", name: str) -> None:
        """Take the place of a line that was begun anew."""
        if other.ballot.closed is not None:
            self._replaces_closed = name

    def take(self, facts: OfLine, hash_: bytes) -> None:
        if isinstance(facts, Void) and not self.ballot.is_open:
            self._void(facts)
            return
        self.ballot.take(facts, hash_)
        match facts:
            case EntriesClosed():
                self.tail = max(self.tail, facts.count)
            case Joined():
                self._join(facts)
            case Called():
                self._call(facts)
            case Drawn() if self._replaces_closed is not None:
                self._redraw.fail(
                    f"There was another draw (entry {facts.seq}) after the entries of "
                    f"{self._replaces_closed} had closed and the line was begun anew.",
                    facts.seq,
                )
            case _:
                pass
        if isinstance(facts, Joined | Called) and self.replaced_by is not None:
            self._numbers.fail(f"The line went on after it was replaced ({facts.seq}).", facts.seq)

    def _void(self, facts: Void) -> None:
        if facts.last < facts.first:
            self._numbers.fail(f"Entry {facts.seq} declares nothing void.", facts.seq)
            return
        # One that goes on is made longer, so that no chain of them has to be followed.
        if self._voids.get(self._void_first) != facts.first - 1:
            self._void_first = facts.first
        self._voids[self._void_first] = facts.last
        if facts.first == self.tail + 1:
            self.tail = facts.last

    def _join(self, facts: Joined) -> None:
        seq, expected = facts.seq, self.tail + 1
        if self.ballot.is_open:
            self._numbers.fail(
                f"Numbers were given in entry {seq} while the entries for the draw were open.", seq
            )
        elif facts.last < facts.first:
            self._numbers.fail(f"Entry {seq} gives no number.", seq)
        elif facts.first > expected:
            self._numbers.fail(f"The numbers {expected:,} to {facts.first - 1:,} are missing.", seq)
        elif facts.first < expected:
            self._numbers.fail(
                f"Number {facts.first:,} was given a second time, in entry {seq}.", seq
            )
        if facts.called:
            self._call_arrivals(facts)
        self.tail = max(self.tail, facts.last)

    def _call_arrivals(self, facts: Joined) -> None:
        if facts.called > facts.last - facts.first + 1:
            self._calls.fail(f"More were called than came, in entry {facts.seq}.", facts.seq)
        if facts.first not in self._next():
            self._calls.fail(
                f"Who came with number {facts.first:,} was called at once (entry {facts.seq}), "
                f"while number {self.head + 1:,} waited.",
                facts.seq,
            )
        self._must_be_drawn(facts.seq)
        self.head = max(self.head, facts.first + facts.called - 1)

    def _call(self, facts: Called) -> None:
        seq, reached = facts.seq, facts.to - facts.first + 1
        if facts.first not in self._next():
            word = "again" if facts.first <= self.head else "too early"
            self._calls.fail(
                f"Number {facts.first:,} was called {word} in entry {seq}: "
                f"{self.head + 1:,} was next.",
                seq,
            )
        if reached < 0 or facts.called > reached:
            self._calls.fail(f"Entry {seq} calls more than the numbers that it names.", seq)
        if reached > 0 and facts.to > self.tail:
            self._calls.fail(
                f"Number {facts.to:,} was called in entry {seq}, before it was given.", seq
            )
        for number in facts.again:
            if number > self.head:
                self._calls.fail(
                    f"Number {number:,} was called out of turn in entry {seq}: it is said to be "
                    "called again, but its turn had not come.",
                    seq,
                )
        if len(set(facts.again)) < len(facts.again):
            self._calls.fail(f"A number was called twice at once, in entry {seq}.", seq)
        if facts.called or facts.again:
            self._must_be_drawn(seq)
        self.passed_over += max(reached - facts.called, 0)
        self.head = max(self.head, facts.to)

    def _next(self) -> tuple[int, int]:
        """Return what may be called next: the next number, and the next that is not void."""
        number = self.head + 1
        return number, self._voids.get(number, number - 1) + 1

    def _must_be_drawn(self, seq: int) -> None:
        if self.ballot.exists and self.ballot.drawn is None:
            self._calls.fail(f"Numbers were called in entry {seq}, before the draw.", seq)

    def findings(self, *, is_over: bool) -> list[Finding]:
        """Return what was found; `is_over` says that the sale has ended."""
        over = is_over or self.replaced_by is not None
        return [
            *self.ballot.findings(is_over=over),
            *(self._redraw.findings("") if self._redraw.failed else []),
            *self._numbers.findings(
                f"The numbers 1 to {self.tail:,} were given once each, none was left out."
                if self.tail
                else "No number has been given yet.",
                verdict=Verdict.HOLDS if self.tail else Verdict.NOT_APPLICABLE,
            ),
            *self._calls.findings(
                f"Numbers were called in their order, up to {self.head:,}; none was called before "
                "it was given, or again before its turn."
                if self.head
                else "Nobody has been called yet.",
                verdict=Verdict.HOLDS if self.head else Verdict.NOT_APPLICABLE,
            ),
        ]

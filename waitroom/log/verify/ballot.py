"""One line's draw, from the announcement to the revealed seed. Pure."""

from collections.abc import Callable

from waitroom.log.draw import Permutation, commitment, draw_key
from waitroom.log.entries import (
    ClosingSigned,
    DrawAnnounced,
    Drawn,
    Entered,
    EntriesClosed,
    OfLine,
    PublicValue,
    Restored,
)
from waitroom.log.signing import verify_closing
from waitroom.log.verify.finding import Check, Finding, Verdict, found, utc


class BallotAudit:
    """Checks the log entries about one line's draw.

    `announced`, `closed` and `drawn` are the first log entry of each kind, None before it came.
    `order` is the order that the draw gives, computed from the revealed seed.
    """

    def __init__(self, room: str, line: str) -> None:
        self._room = room
        self._line = line
        self.announced: DrawAnnounced | None = None
        self.closed: EntriesClosed | None = None
        self.drawn: Drawn | None = None
        self.order: Permutation | None = None
        self._head = b""
        self._last = 0
        self._signed: ClosingSigned | None = None
        self._value: PublicValue | None = None
        self._commitment = Check("draw.commitment", line)
        self._entries = Check("draw.entries", line)
        self._closing = Check("draw.closing", line)
        self._seed = Check("draw.seed", line)
        self._once = Check("draw.once", line)
        self._public = Check("draw.value", line)
        self._readers: dict[type[OfLine], Callable[..., None]] = {
            DrawAnnounced: self._announce,
            Entered: self._enter,
            Restored: self._restore,
            EntriesClosed: self._close,
            ClosingSigned: self._sign,
            PublicValue: self._publish,
            Drawn: self._draw,
        }

    @property
    def exists(self) -> bool:
        return self.announced is not None or self._last > 0 or self.closed is not None

    @property
    def is_open(self) -> bool:
        """Say whether the draw still takes entries, so that no number can exist yet."""
        return self.exists and self.closed is None

    def feed(self, entry: OfLine, hash_: bytes) -> None:
        if isinstance(entry, EntriesClosed) and self.closed is None:
            self._head = hash_
        reader = self._readers.get(type(entry))
        if reader is not None:
            reader(entry)

    def _announce(self, entry: DrawAnnounced) -> None:
        if self.announced is not None:
            self._commitment.fail(
                f"The draw was announced a second time, in log entry {entry.seq}: only the first "
                "announcement counts.",
                entry.seq,
            )
            return
        if self._last or self.closed is not None:
            self._commitment.fail(
                f"The seed was committed to only in log entry {entry.seq}, after people had "
                "entered.",
                entry.seq,
            )
        self.announced = entry

    def _enter(self, entry: Entered) -> None:
        if self.announced is None:
            self._commitment.fail(
                f"People entered in log entry {entry.seq}, before any seed was committed to.",
                entry.seq,
            )
        if self.closed is not None:
            self._entries.fail(
                f"Somebody entered after the closing, in log entry {entry.seq}.", entry.seq
            )
            return
        self._expect(entry)

    def _restore(self, entry: Restored) -> None:
        if entry.entry and self.closed is None:
            self._expect(entry)

    def _expect(self, entry: Entered | Restored) -> None:
        """Check that the entries to the draw follow those before them."""
        expected = self._last + 1
        if entry.last < entry.first:
            self._entries.fail(f"Log entry {entry.seq} takes in nobody.", entry.seq)
        elif entry.first > expected:
            self._entries.fail(
                f"The draw entries {expected:,} to {entry.first - 1:,} are missing before log "
                f"entry {entry.seq}.",
                entry.seq,
            )
        elif entry.first < expected:
            self._entries.fail(
                f"Draw entry {entry.first:,} was taken a second time, in log entry {entry.seq}.",
                entry.seq,
            )
        self._last = max(self._last, entry.last)

    def _close(self, entry: EntriesClosed) -> None:
        if self.closed is not None:
            self._entries.fail(
                f"The draw closed a second time, in log entry {entry.seq}.", entry.seq
            )
            return
        if entry.count != self._last:
            self._entries.fail(
                f"{self._last:,} entered, but the closing in log entry {entry.seq} counts "
                f"{entry.count:,}.",
                entry.seq,
            )
        self.closed = entry

    def _sign(self, entry: ClosingSigned) -> None:
        seq = entry.seq
        if self._signed is not None:
            self._closing.fail(f"The closing was signed a second time, in log entry {seq}.", seq)
            return
        self._signed = entry
        if self.closed is None:
            self._closing.fail(f"Log entry {seq} signs a closing before there was one.", seq)
            return
        if self.drawn is not None:
            self._closing.fail(f"The closing was signed after the draw, in log entry {seq}.", seq)
        if entry.head != self._head.hex() or entry.count != self.closed.count:
            self._closing.fail(
                f"The signature in log entry {seq} is not over the closing in log entry "
                f"{self.closed.seq}.",
                seq,
            )
        if self.announced is not None and entry.key != self.announced.key:
            self._closing.fail(
                "The closing is signed with a key other than the announced one.", seq
            )
        if not verify_closing(
            bytes.fromhex(entry.key),
            bytes.fromhex(entry.signature),
            room=self._room,
            line=self._line,
            count=entry.count,
            head=bytes.fromhex(entry.head),
        ):
            self._closing.fail("The signature of the closing is wrong.", seq)

    def _publish(self, entry: PublicValue) -> None:
        seq = entry.seq
        source = self.announced.public_value_source if self.announced is not None else None
        if source is None:
            self._public.fail(
                f"Log entry {seq} records a public value that had not been announced.", seq
            )
        elif entry.source != source:
            self._public.fail(
                f"The public value comes from “{entry.source}”; “{source}” was announced.", seq
            )
        if self.closed is None:
            self._public.fail("The public value was recorded before the draw closed.", seq)
        if self.drawn is not None:
            self._public.fail("The public value was recorded only after the draw.", seq)
        if self._value is not None:
            self._public.fail(f"Log entry {seq} records a second public value.", seq)
            return
        self._value = entry

    def _draw(self, entry: Drawn) -> None:
        seq = entry.seq
        if self.drawn is not None:
            self._once.fail(
                f"There was a second draw, in log entry {seq}, after the one in log entry "
                f"{self.drawn.seq}.",
                seq,
            )
            return
        self.drawn = entry
        if self.closed is None:
            self._once.fail(
                f"The draw was made before the entries closed, in log entry {seq}.", seq
            )
        elif entry.head != self._head.hex() or entry.count != self.closed.count:
            self._once.fail(
                "The draw was not made from the entries and the log as they stood at the closing.",
                seq,
            )
        self._reveal(entry)
        self._use_value(entry)
        if self._signed is None:
            self._closing.fail(
                f"The draw was made in log entry {seq}, before the closing was signed.", seq
            )
        if entry.count:
            key = draw_key(
                self._room,
                self._line,
                seed=bytes.fromhex(entry.seed),
                head=bytes.fromhex(entry.head),
                count=entry.count,
                value=entry.value,
            )
            self.order = Permutation(key, entry.count)

    def _reveal(self, entry: Drawn) -> None:
        if self.announced is None:
            self._seed.fail("No seed had been committed to.", entry.seq)
        elif (
            commitment(self._room, self._line, bytes.fromhex(entry.seed)).hex()
            != self.announced.commitment
        ):
            self._seed.fail(
                f"The seed revealed in log entry {entry.seq} is not the one committed to in log "
                f"entry {self.announced.seq}.",
                entry.seq,
            )

    def _use_value(self, entry: Drawn) -> None:
        recorded = self._value.value if self._value is not None else None
        if entry.value == recorded:
            return
        if recorded is None:
            self._public.fail("The draw used a value that had not been recorded.", entry.seq)
        elif entry.value is None:
            self._public.fail("The draw did not use the public value.", entry.seq)
        else:
            self._public.fail("The draw used a value other than the recorded one.", entry.seq)

    def findings(self, *, is_over: bool) -> list[Finding]:
        """Return the findings; `is_over` says that no further entry can follow."""
        if not self.exists and self.drawn is None:
            return []
        if self.announced is None:
            self._commitment.fail("No seed was committed to before the draw.")
        announced = self.announced.seq if self.announced else None
        return [
            *self._commitment.findings(
                f"The seed was fixed in log entry {announced}, before anybody entered.",
                seq=announced,
            ),
            *self._entered(),
            *self._after_closing(is_over=is_over),
        ]

    def _entered(self) -> list[Finding]:
        if self.closed is None:
            return self._entries.findings(
                f"The {self._last:,} draw entries so far were taken one after the other, and none "
                "twice."
            )
        return self._entries.findings(
            f"{self.closed.count:,} entered, one after the other and none twice. The draw closed "
            f"once, in log entry {self.closed.seq}, and nobody entered afterwards.",
            seq=self.closed.seq,
        )

    def _after_closing(self, *, is_over: bool) -> list[Finding]:
        if self.closed is None and self.drawn is None:
            return self._once.findings(
                "This line ended before its draw closed, so no draw was made."
                if is_over
                else "The draw is still open for entries and has not been made yet.",
                verdict=Verdict.NOT_APPLICABLE,
            )
        if self.drawn is None:
            return [*self._closing_findings(), *self._undrawn(is_over=is_over)]
        return [
            *self._closing_findings(),
            *self._seed.findings("The revealed seed is the one that was committed to."),
            *self._once.findings(
                f"There was one draw, in log entry {self.drawn.seq}, made from the entries and the "
                "log as they stood at the closing.",
                seq=self.drawn.seq,
            ),
            *self._value_findings(),
        ]

    def _closing_findings(self) -> list[Finding]:
        if self._signed is None and not self._closing.failed:
            return self._closing.findings(
                "The closing has not been signed yet.", verdict=Verdict.CANNOT_BE_PROVED
            )
        return self._closing.findings("The closing is signed with the key announced beforehand.")

    def _undrawn(self, *, is_over: bool) -> list[Finding]:
        if is_over:
            self._once.fail("The draw closed but was never made: its seed was not revealed.")
        return self._once.findings(
            "The draw has closed but has not been made yet. Check again later: if it is never "
            "made, that is a failure.",
            verdict=Verdict.CANNOT_BE_PROVED,
        )

    def _value_findings(self) -> list[Finding]:
        assert self.drawn is not None
        source = self.announced.public_value_source if self.announced is not None else None
        if source is not None and self._value is None:
            self._public.fail(f"The value from “{source}” was announced but never recorded.")
        if source is None and not self._public.failed:
            said = (
                "No public value was announced. The operator knew the seed and could have chosen "
                "among orders, by choosing the last log entry before the closing."
            )
            return [found("draw.value", Verdict.CANNOT_BE_PROVED, said, line=self._line)]
        held = self._public.findings(
            "The public value was recorded after the closing and before the draw, and was used."
        )
        if self._public.failed or self._value is None:
            return held
        closed = utc(self.closed.at) if self.closed else "the closing"
        said = (
            f"Look up whether {self._value.source} really gave “{self._value.value}”, and not "
            f"before {closed}: the log cannot show that."
        )
        seq = self._value.seq
        return [
            *held,
            found("draw.value_source", Verdict.CANNOT_BE_PROVED, said, line=self._line, seq=seq),
        ]

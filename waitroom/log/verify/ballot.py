"""A line's draw, from the announced seed to the revealed one. Pure."""

from collections.abc import Callable

from waitroom.log.draw import Permutation, commitment, draw_key
from waitroom.log.entries import (
    ClosingSigned,
    DrawAnnounced,
    Drawn,
    Entered,
    EntriesClosed,
    Facts,
    OfLine,
    PublicValue,
    Void,
)
from waitroom.log.signing import verify_closing
from waitroom.log.verify.finding import Check, Finding, Verdict, found


class BallotAudit:
    """One line's entries and their draw. Takes the entries of the log that tell of them."""

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
        self._take: dict[type[Facts], Callable[..., None]] = {
            DrawAnnounced: self._announce,
            Entered: self._enter,
            EntriesClosed: self._close,
            ClosingSigned: self._sign,
            PublicValue: self._publish,
            Drawn: self._draw,
            Void: self._void,
        }

    @property
    def exists(self) -> bool:
        return self.announced is not None or self._last > 0 or self.closed is not None

    @property
    def is_open(self) -> bool:
        """Say whether entries are awaited still, so that no number can be known yet."""
        return self.exists and self.closed is None

    def take(self, facts: OfLine, hash_: bytes) -> None:
        if isinstance(facts, EntriesClosed) and self.closed is None:
            self._head = hash_
        take = self._take.get(type(facts))
        if take is not None:
            take(facts)

    def _announce(self, facts: DrawAnnounced) -> None:
        if self.announced is not None:
            self._commitment.fail(
                f"The draw was announced a second time, in entry {facts.seq}: only what was said "
                "first can bind.",
                facts.seq,
            )
            return
        if self._last or self.closed is not None:
            self._commitment.fail(
                f"The seed was committed to only in entry {facts.seq}, when some had entered.",
                facts.seq,
            )
        self.announced = facts

    def _enter(self, facts: Entered) -> None:
        if self.announced is None:
            self._commitment.fail(
                f"Entries were taken in entry {facts.seq} before any seed was committed to.",
                facts.seq,
            )
        if self.closed is not None:
            self._entries.fail(f"Somebody entered after the closing ({facts.seq}).", facts.seq)
            return
        expected = self._last + 1
        if facts.last < facts.first:
            self._entries.fail(f"Entry {facts.seq} takes in nobody.", facts.seq)
        elif facts.first > expected:
            self._entries.fail(
                f"The entries {expected:,} to {facts.first - 1:,} are missing.", facts.seq
            )
        elif facts.first < expected:
            self._entries.fail(
                f"Entry {facts.first:,} was taken a second time ({facts.seq}).", facts.seq
            )
        self._last = max(self._last, facts.last)

    def _void(self, facts: Void) -> None:
        # After a restored database entries may be lost; what is declared so is no gap.
        if self.is_open and facts.first == self._last + 1 <= facts.last:
            self._last = facts.last

    def _close(self, facts: EntriesClosed) -> None:
        if self.closed is not None:
            self._entries.fail(f"The entries closed a second time ({facts.seq}).", facts.seq)
            return
        if facts.count != self._last:
            self._entries.fail(
                f"{self._last:,} had entered, but the closing counts {facts.count:,}.", facts.seq
            )
        self.closed = facts

    def _sign(self, facts: ClosingSigned) -> None:
        seq = facts.seq
        if self._signed is not None:
            self._closing.fail(f"The closing was signed a second time ({seq}).", seq)
            return
        self._signed = facts
        if self.closed is None:
            self._closing.fail(f"A closing was signed before there was one ({seq}).", seq)
            return
        if self.drawn is not None:
            self._closing.fail(f"The closing was signed only after the draw ({seq}).", seq)
        if facts.head != self._head.hex() or facts.count != self.closed.count:
            self._closing.fail(
                f"What was signed is not the closing that stands in entry {self.closed.seq}.", seq
            )
        if self.announced is not None and facts.key != self.announced.key:
            self._closing.fail("The closing is signed with another key than was announced.", seq)
        if not verify_closing(
            bytes.fromhex(facts.key),
            bytes.fromhex(facts.signature),
            room=self._room,
            line=self._line,
            count=facts.count,
            head=bytes.fromhex(facts.head),
        ):
            self._closing.fail("The closing's signature is wrong.", seq)

    def _publish(self, facts: PublicValue) -> None:
        source = self.announced.public_value_source if self.announced is not None else None
        if source is None:
            self._public.fail(
                f"Entry {facts.seq} brings in a public value that had not been announced.",
                facts.seq,
            )
        elif facts.source != source:
            self._public.fail(
                f"The public value is of “{facts.source}”; announced was “{source}”.", facts.seq
            )
        if self.closed is None:
            self._public.fail("The public value was there before the entries closed.", facts.seq)
        if self.drawn is not None:
            self._public.fail("The public value was recorded only after the draw.", facts.seq)
        if self._value is not None:
            self._public.fail(f"A second public value was recorded ({facts.seq}).", facts.seq)
            return
        self._value = facts

    def _draw(self, facts: Drawn) -> None:
        seq = facts.seq
        if self.drawn is not None:
            self._once.fail(
                f"There was a second draw, in entry {seq}, after the one in {self.drawn.seq}.", seq
            )
            return
        self.drawn = facts
        if self.closed is None:
            self._once.fail(f"The draw came before the entries closed ({seq}).", seq)
        elif facts.head != self._head.hex() or facts.count != self.closed.count:
            self._once.fail(
                "The draw was not made on the entries and the log as they stood at the closing.",
                seq,
            )
        self._reveal(facts)
        self._use_value(facts)
        if self._signed is None:
            self._closing.fail(f"The draw was made before the closing was signed ({seq}).", seq)
        if facts.count:
            key = draw_key(
                self._room,
                self._line,
                seed=bytes.fromhex(facts.seed),
                head=bytes.fromhex(facts.head),
                count=facts.count,
                value=facts.value,
            )
            self.order = Permutation(key, facts.count)

    def _reveal(self, facts: Drawn) -> None:
        if self.announced is None:
            self._seed.fail("No seed had been committed to.", facts.seq)
        elif (
            commitment(self._room, self._line, bytes.fromhex(facts.seed)).hex()
            != self.announced.commitment
        ):
            self._seed.fail(
                f"The seed that was revealed in entry {facts.seq} is not the one that was "
                f"committed to in entry {self.announced.seq}.",
                facts.seq,
            )

    def _use_value(self, facts: Drawn) -> None:
        used = self._value.value if self._value is not None else None
        if facts.value == used:
            return
        if used is None:
            self._public.fail("The draw used a value that had not been recorded.", facts.seq)
        elif facts.value is None:
            self._public.fail("The draw did not use the public value.", facts.seq)
        else:
            self._public.fail("The draw used another value than was recorded.", facts.seq)

    def findings(self, *, is_over: bool) -> list[Finding]:
        """Return what came of it; `is_over` says that nothing more can follow."""
        if not self.exists and self.drawn is None:
            return []
        if self.announced is None:
            self._commitment.fail("No seed was committed to before the draw.")
        announced = self.announced.seq if self.announced else None
        return [
            *self._commitment.findings(
                f"The seed was fixed in entry {announced}, before anybody entered.", seq=announced
            ),
            *self._entered(),
            *self._after_closing(is_over=is_over),
        ]

    def _entered(self) -> list[Finding]:
        if self.closed is None:
            return self._entries.findings(
                f"The {self._last:,} entries so far came one after the other, none twice."
            )
        return self._entries.findings(
            f"{self.closed.count:,} entered, one after the other and none twice; the entries "
            f"closed once, in entry {self.closed.seq}, and nobody came in afterwards.",
            seq=self.closed.seq,
        )

    def _after_closing(self, *, is_over: bool) -> list[Finding]:
        if self.closed is None and self.drawn is None:
            return self._once.findings(
                "This line ended before its entries closed, so there was no draw."
                if is_over
                else "The entries are still open; the draw is to come.",
                verdict=Verdict.NOT_APPLICABLE,
            )
        if self.drawn is None:
            return [*self._closing_findings(), *self._undrawn(is_over=is_over)]
        return [
            *self._closing_findings(),
            *self._seed.findings("The seed that was revealed is the one that was committed to."),
            *self._once.findings(
                f"There was one draw, in entry {self.drawn.seq}, on the entries and the log as "
                "they stood at the closing.",
                seq=self.drawn.seq,
            ),
            *self._value_findings(),
        ]

    def _closing_findings(self) -> list[Finding]:
        if self._signed is None and not self._closing.failed:
            return self._closing.findings(
                "The closing is not signed yet.", verdict=Verdict.CANNOT_BE_PROVED
            )
        return self._closing.findings(
            "The closing is signed with the key that was announced beforehand."
        )

    def _undrawn(self, *, is_over: bool) -> list[Finding]:
        if is_over:
            self._once.fail("The entries closed, but there was no draw: the seed stays unrevealed.")
        return self._once.findings(
            "The entries have closed and the draw is to come. Look again: should it not come, that "
            "is a failure.",
            verdict=Verdict.CANNOT_BE_PROVED,
        )

    def _value_findings(self) -> list[Finding]:
        assert self.drawn is not None
        source = self.announced.public_value_source if self.announced is not None else None
        if source is not None and self._value is None:
            self._public.fail(f"The value of “{source}” was announced and never recorded.")
        if source is None and not self._public.failed:
            return [
                found(
                    "draw.value",
                    Verdict.CANNOT_BE_PROVED,
                    "No public value was announced. The operator knew the seed and could have "
                    "chosen among orders, by choosing what the log said last before the closing.",
                    line=self._line,
                )
            ]
        held = self._public.findings(
            "The public value was recorded after the closing and before the draw, and was used."
        )
        if self._public.failed or self._value is None:
            return held
        look = (
            f"Whether “{self._value.value}” is what {self._value.source} gave, and only after "
            f"{self.closed.at if self.closed else 'the closing'}, you have to look up there."
        )
        return [
            *held,
            found(
                "draw.value_source",
                Verdict.CANNOT_BE_PROVED,
                look,
                line=self._line,
                seq=self._value.seq,
            ),
        ]

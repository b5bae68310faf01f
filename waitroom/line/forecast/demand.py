"""The learner: from what called shoppers did so far to what the open ones will still do. Pure.

The leader passes in every admission that is new or changed, and each one that ended, once. Their
steps are counted by stage and age (`rates`). The outlook then gives, for the shoppers who may still
ask for a hold, how many will, and how sure that number is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from waitroom.line.assortment.tastes import Tastes
from waitroom.line.forecast.journey import Journey
from waitroom.line.forecast.outlook import Crowd, Outlook, Tables
from waitroom.line.forecast.rates import AT_RISK, LifeTable, Rates, Stage, Units
from waitroom.line.snapshot import Shelf

# This many ended admissions are remembered, so that a repeated record counts once.
OVER_MAX = 20_000
# A share is trusted as if at most this many shoppers had been seen, however many were: shoppers to
# come are other people, and a crowd may change at any moment.
KNOWN_MAX = 30
# The relative standard deviation by which real shoppers may differ from the imagined ones.
IMAGINED_DOUBT = 0.4
# A new call is assumed to ask for a hold when this share of such calls has asked. Units that surely
# come back before then may be called for already.
SOON_SHARE = 0.2


@dataclass(slots=True)
class _Seen:
    """The counted part of a journey: its stage, since when, and up to which moment.

    `over` says that it dropped out or bought; it may hold again. `refused` says that it asked while
    nothing was left, `missed` that it asked for a SKU that was gone while others were left. `last`
    is the record that was counted last.
    """

    called_at: float
    stage: Stage
    since: float
    until: float
    over: bool = False
    refused: bool = False
    missed: bool = False
    promised: int = 0
    units: int = 0
    named: int | None = None
    last: Journey | None = None


@dataclass(slots=True, kw_only=True)
class Demand:
    """Learn from all journeys of one room. Losing this loses figures, and no promise.

    `units_max` is the most units that one session can take, None if there is no limit. The three
    deadlines are the room's rules. Shoppers act at deadlines, so rates change there.
    """

    claim_window_s: float = 120.0
    session_s: float = 600.0
    hold_s: float = 300.0
    units_max: int | None = None
    called: int = 0
    rates: dict[Stage, Rates] = field(init=False)
    units: Units = field(init=False)
    tastes: Tastes = field(default_factory=Tastes)
    _open: dict[int, _Seen] = field(default_factory=dict)
    # For each ended admission: when it was last called, and whether it found nothing then.
    _over: dict[int, tuple[float, bool]] = field(default_factory=dict)
    _disappointed_over: int = 0
    _to_be_had: bool = True

    def __post_init__(self) -> None:
        deadlines = (self.claim_window_s, self.session_s, self.hold_s, None)
        self.rates = {
            stage: Rates(stage=stage, deadline_s=deadline)
            for stage, deadline in zip(AT_RISK, deadlines, strict=True)
        }
        self.units = Units(units_max=self.units_max)

    @property
    def open_ids(self) -> list[int]:
        """Return the admissions that are open as far as the learner knows."""
        return list(self._open)

    def follow(
        self,
        *,
        claim_window_s: float,
        session_s: float,
        hold_s: float,
        units_max: int | None,
    ) -> None:
        """Apply the current rules; the observations stay."""
        deadlines = (claim_window_s, session_s, hold_s, None)
        for stage, deadline in zip(AT_RISK, deadlines, strict=True):
            self.rates[stage].move_deadline(deadline)
        self.units.limit(units_max)
        self.units_max = units_max

    def observe(
        self,
        now: float,
        changed: Iterable[Journey],
        closed: Iterable[Journey],
        *,
        dropped: Iterable[int] = (),
        units_free: float = inf,
        shelves: Sequence[Shelf] = (),
    ) -> None:
        """Count everything that happened since the last call.

        `changed` are open admissions that are new or changed, `closed` admissions that ended,
        `dropped` admissions to forget. Nothing happened to all others. The time taken is linear in
        the number of open admissions. A tick may be skipped and a record may come twice; when a
        leader takes office all ended admissions come at once.
        """
        # While nothing is free, a shopper without a hold has not been seen to want nothing.
        to_be_had, self._to_be_had = self._to_be_had and units_free > 0, units_free > 0
        for admission_id in dropped:
            self._open.pop(admission_id, None)
        records = [(journey, True) for journey in closed]
        records += [(journey, False) for journey in changed]
        if not self.called:
            # A new leader learns the past in the order of calls: slow and quick shoppers who were
            # called together then weigh the same, and later calls weigh more.
            records.sort(key=lambda record: record[0].called_at)
        followed: set[int] = set()
        for journey, over in records:
            seen = self._open.get(journey.admission_id)
            if seen is not None and seen.last == journey and not (over or seen.over):
                continue
            seen = self._follow(journey, now, over=over, to_be_had=to_be_had)
            if seen is not None and over:
                self._close(journey, seen)
            elif seen is not None:
                followed.add(journey.admission_id)
        self._wait_all(now, but=followed, to_be_had=to_be_had)
        # What happened until now met the shelves as they were at the last reading.
        self.tastes.look(shelves)

    def _wait_all(self, now: float, *, but: set[int], to_be_had: bool) -> None:
        """Count the time of all shoppers without an event, summed by stage and age."""
        waited: Counter[tuple[Stage, int, float]] = Counter()
        for admission_id, seen in self._open.items():
            if admission_id in but:
                continue
            if not seen.over and self._counts(seen, to_be_had=to_be_had):
                waited[seen.stage, _age(seen, now), now - seen.until] += 1
            seen.until = now
        for (stage, age, passed_s), shoppers in waited.items():
            self.rates[stage].expose(max(age - passed_s, 0.0), age, shoppers=shoppers)

    def _close(self, journey: Journey, seen: _Seen) -> None:
        self._open.pop(journey.admission_id, None)
        disappointed = seen.refused and not journey.has_held
        self._over[journey.admission_id] = journey.called_at, disappointed
        self._disappointed_over += disappointed
        while len(self._over) > OVER_MAX:
            del self._over[next(iter(self._over))]

    def _follow(self, journey: Journey, now: float, *, over: bool, to_be_had: bool) -> _Seen | None:
        """Count how far a journey has come. Return None for a record that was counted before."""
        seen = self._open.get(journey.admission_id)
        if seen is None or journey.called_at > seen.called_at:
            called_at, disappointed = self._over.get(journey.admission_id, (None, False))
            if called_at is not None and journey.called_at <= called_at:
                return None
            # A second call of a shopper counts no second time, and may yet be served.
            self.called += seen is None and called_at is None
            if called_at is not None and disappointed:
                self._over[journey.admission_id] = called_at, False
                self._disappointed_over -= 1
            seen = _Seen(
                journey.called_at,
                Stage.CALLED,
                since=journey.called_at,
                until=journey.called_at,
                promised=journey.promised,
            )
            self._open[journey.admission_id] = seen
        stage, dropped = _standing(journey, over=over)
        # A refusal says something about a shopper only while no SKU of the room was left.
        seen.refused = journey.refused and (seen.refused or not to_be_had)
        seen.named = journey.named
        self._come_to(seen, stage, journey, now, to_be_had=to_be_had)
        self._note_missed(seen, journey, now, to_be_had=to_be_had)
        if dropped and not seen.over:
            at = max(_dropped_at(journey, stage, now), seen.since)
            self._leave(seen, at, on=False, to_be_had=to_be_had)
            seen.over = True
        elif not seen.over:
            self._wait(seen, now, to_be_had=to_be_had)
        seen.promised, seen.units, seen.last = journey.promised, journey.units_held, journey
        return seen

    def _come_to(
        self, seen: _Seen, stage: Stage, journey: Journey, now: float, *, to_be_had: bool
    ) -> None:
        """Count the stages that a journey passed since it was last seen."""
        if stage < seen.stage or (seen.over and journey.units_held):
            # A payment failed and its hold goes on, or the shopper holds once more.
            if seen.stage is Stage.PAYING:
                self._leave(seen, now, on=False, to_be_had=to_be_had)
            seen.stage, seen.since, seen.until, seen.over = stage, now, now, False
        while seen.stage < stage:
            at = max(_went_on_at(journey, seen.stage, now), seen.since)
            self._leave(seen, at, on=True, to_be_had=to_be_had)
            if seen.stage is Stage.INSIDE and to_be_had:
                self.units.count(journey.units_held + journey.units_sold)
                if journey.first_sku is not None and not seen.missed:
                    self.tastes.held(journey.first_sku, named=journey.named)
            seen.stage, seen.since, seen.until = Stage(seen.stage + 1), at, at
            seen.over = seen.stage is Stage.BOUGHT

    def _note_missed(self, seen: _Seen, journey: Journey, now: float, *, to_be_had: bool) -> None:
        """Count a shopper who asked for a SKU that was gone: they asked, although in vain.

        Otherwise a shop whose favourite is gone would look like a crowd without interest.
        """
        inside = seen.stage is Stage.INSIDE and not seen.over
        if not inside or seen.missed or seen.refused or journey.missed_sku is None:
            return
        self._leave(seen, now, on=True, to_be_had=to_be_had)
        seen.missed = True
        self.tastes.missed(journey.missed_sku, named=journey.named)

    def _counts(self, seen: _Seen, *, to_be_had: bool) -> bool:
        if seen.stage is not Stage.INSIDE:
            return seen.stage is not Stage.BOUGHT
        return not (seen.refused or seen.missed) and (to_be_had or seen.promised > 0)

    def _wait(self, seen: _Seen, until: float, *, to_be_had: bool) -> None:
        if until <= seen.until:
            return
        if self._counts(seen, to_be_had=to_be_had):
            self.rates[seen.stage].expose(seen.until - seen.since, until - seen.since)
        seen.until = until

    def _leave(self, seen: _Seen, at: float, *, on: bool, to_be_had: bool) -> None:
        self._wait(seen, at, to_be_had=to_be_had)
        if self._counts(seen, to_be_had=to_be_had):
            self.rates[seen.stage].count(at - seen.since, on=on)

    def outlook(self, now: float) -> Outlook:
        """Return the outlook of this moment, in time linear in the number of open admissions.

        The number of askers is a sum of independent trials, each with the probability of its stage
        and age. A share p that is known from n shoppers has the relative variance (1 - p) / (p n).
        The relative variances of a product add up (delta method).
        """
        crowd = self._crowd(now)
        tables = Tables(*(self.rates[stage].table() for stage in AT_RISK))
        claim, hold, pay, settle = tables
        asking, mean, var, guess = 0, 0.0, 0.0, 0.0
        stages = (
            (crowd.called, claim, hold.share, hold.guess[0]),
            (crowd.inside, hold, 1.0, 0.0),
        )
        for ages, table, then, then_guess in stages:
            for age, count in ages.items():
                comes, guessed = table.chance(age + 0.5), table.guessed(age + 0.5)
                chance = comes * then
                asking, mean = asking + count, mean + count * chance
                var += count * chance * (1 - chance)
                guess += count * (guessed * then + comes * then_guess)
        soon_s = claim.time_by(SOON_SHARE) + hold.time_by(SOON_SHARE)
        units_mean, units_var, units_weight = self.units.moments()
        return Outlook(
            called=self.called,
            disappointed=self._disappointed_over + crowd.refused,
            asking=asking,
            askers_mean=mean,
            askers_var=var,
            ask_share=claim.share * hold.share,
            ask_doubt=_doubt(claim) + _doubt(hold),
            askers_guess=IMAGINED_DOUBT * guess,
            ask_guess=IMAGINED_DOUBT * (claim.guess[0] * hold.share + claim.share * hold.guess[0]),
            units_mean=units_mean,
            units_var=units_var,
            units_doubt=units_var / units_mean**2 / units_weight,
            units_max=self.units_max,
            units_back=sum(
                units * _surely(pay.within(age, soon_s)[1]) for age, units in crowd.holding.items()
            ),
            units_held=sum(crowd.holding.values()) + sum(crowd.paying.values()),
            claim_share=claim.share,
            hold_share=hold.share,
            # A payment that fails leaves its hold open, so the hold may be paid later: a geometric
            # series of attempts.
            pay_share=pay.share * settle.share / (1 - pay.share * (1 - settle.share)),
            pay_doubt=_doubt(pay) + (IMAGINED_DOUBT * pay.guess[0] / pay.share) ** 2,
            crowd=crowd,
            tables=tables,
        )

    def _crowd(self, now: float) -> Crowd:
        crowd = Crowd()
        ages = (crowd.called, crowd.inside, crowd.holding, crowd.paying)
        kept = (crowd.promised_called, crowd.promised_inside)
        for seen in self._open.values():
            if seen.over:
                crowd.idle += 1
            elif seen.missed and seen.stage is Stage.INSIDE:
                crowd.missed += 1
            elif seen.stage >= Stage.HOLDING:
                ages[seen.stage][_age(seen, now)] += seen.units
                crowd.holders += 1
            elif seen.refused:
                crowd.refused += 1
            elif seen.promised:
                kept[seen.stage][_age(seen, now)] += 1
            else:
                ages[seen.stage][_age(seen, now)] += 1
            if seen.named is not None and seen.stage <= Stage.INSIDE:
                crowd.named[seen.named] += not (seen.over or seen.missed or seen.refused)
        return crowd


def _age(seen: _Seen, now: float) -> int:
    """Return the whole seconds in the stage, 0 when clocks differ so much that it is to begin."""
    return max(int(now - seen.since), 0)


def _doubt(table: LifeTable) -> float:
    """Return the relative variance of a stage's share, given how many shoppers were seen."""
    return (1 - table.share) / (table.share * min(table.weight, KNOWN_MAX))


def _surely(chance: float) -> float:
    """Return a chance that is nearly certain, and 0 for any other."""
    return chance if chance > 0.9 else 0.0


def _standing(journey: Journey, *, over: bool) -> tuple[Stage, bool]:
    """Return the last stage that a journey came to, and whether it dropped out there."""
    if not journey.came_in:
        return Stage.CALLED, over
    if not journey.has_held:
        return Stage.INSIDE, over
    if journey.units_held and not over:
        return (Stage.PAYING if journey.paying else Stage.HOLDING), False
    return (Stage.BOUGHT, False) if journey.units_sold else (Stage.HOLDING, True)


def _went_on_at(journey: Journey, stage: Stage, now: float) -> float:
    """Return when a journey left a stage for the next one; now where no time was recorded."""
    at = {
        Stage.CALLED: journey.claimed_at,
        Stage.INSIDE: journey.held_at,
        Stage.HOLDING: None if journey.paying else journey.hold_ended_at,
        Stage.PAYING: journey.hold_ended_at,
    }[stage]
    return now if at is None else min(at, now)


def _dropped_at(journey: Journey, stage: Stage, now: float) -> float:
    at = journey.hold_ended_at if stage >= Stage.HOLDING else None
    if at is None:
        at = journey.ended_at
    return now if at is None else min(at, now)

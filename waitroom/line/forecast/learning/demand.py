"""The learner: from what called shoppers did so far to what the open ones will still do. Pure.

The leader passes in every admission that is new or changed, and each one that ended, once. Their
steps are counted by stage and age (`rates`). The outlook then gives, for the shoppers who may still
ask for a hold, how many will, and how sure that number is.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import hypot, inf

from waitroom.line.assortment.tastes import Tastes
from waitroom.line.forecast.learning.journey import (
    HOLDERS,
    MAY_ASK,
    STAGE_OF,
    Cohort,
    Group,
    Journey,
    Seen,
    dropped_at,
    standing,
    went_on_at,
)
from waitroom.line.forecast.learning.latecomers import Latecomers
from waitroom.line.forecast.learning.rates import (
    AT_RISK,
    FADE,
    PRIOR_SHOPPERS,
    Rates,
    Stage,
    Units,
)
from waitroom.line.forecast.outlook import Crowd, Habits, Outlook, Tables, horizons
from waitroom.line.snapshot import Shelf

# This many ended admissions are remembered, so that a repeated record counts once.
OVER_MAX = 20_000


@dataclass(slots=True, kw_only=True)
class Demand:
    """Learn from all journeys of one room. Losing this loses figures, and no promise.

    `units_max` is the most units that one session can take, None if there is no limit. The three
    deadlines are the room's rules. Shoppers act at deadlines, so rates change there. `fade` is how
    much more each outcome weighs than the one before. `known` gives the true habits to a learner
    that need not learn them, as in a rehearsal. `promised` are the units that each call promises.
    """

    claim_window_s: float = 120.0
    session_s: float = 600.0
    hold_s: float = 300.0
    units_max: int | None = None
    fade: float = FADE
    imagined_shoppers: float = PRIOR_SHOPPERS
    promised: int = 0
    known: Callable[[], Habits] | None = None
    called: int = 0
    refused: int = 0
    rates: dict[Stage, Rates] = field(init=False)
    units: Units = field(init=False)
    tastes: Tastes = field(default_factory=Tastes)
    late: Latecomers = field(default_factory=Latecomers)
    _open: dict[int, Seen] = field(default_factory=dict)
    # The open admissions by cohort, and the units that each cohort holds. So a look takes time by
    # the number of cohorts, which the deadlines bound, and not by the number of admissions.
    _people: Counter[Cohort] = field(default_factory=Counter)
    _units: Counter[Cohort] = field(default_factory=Counter)
    # The shoppers who may still ask, by the SKU that they named.
    _named: Counter[int] = field(default_factory=Counter)
    _looked_at: float = -inf
    # For each ended admission: when it was last called, and whether it found nothing then.
    _over: OrderedDict[int, tuple[float, bool]] = field(default_factory=OrderedDict)
    _disappointed_over: int = 0
    _to_be_had: bool = True

    def __post_init__(self) -> None:
        deadlines = (self.claim_window_s, self.session_s, self.hold_s, None)
        self.rates = {
            stage: Rates(
                stage=stage,
                deadline_s=deadline,
                fade=self.fade,
                imagined_shoppers=self.imagined_shoppers,
            )
            for stage, deadline in zip(AT_RISK, deadlines, strict=True)
        }
        self.units = Units(
            units_max=self.units_max, fade=self.fade, imagined_shoppers=self.imagined_shoppers
        )

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
        promised: int,
    ) -> None:
        """Apply the current rules; the observations stay."""
        deadlines = (claim_window_s, session_s, hold_s, None)
        for stage, deadline in zip(AT_RISK, deadlines, strict=True):
            self.rates[stage].move_deadline(deadline)
        self.units.limit(units_max)
        self.units_max, self.promised = units_max, promised

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
            seen = self._open.pop(admission_id, None)
            if seen is not None:
                self._part(seen)
        records = [(journey, True) for journey in closed]
        records += [(journey, False) for journey in changed]
        if not self.called:
            # A new leader learns the past in the order of calls: slow and quick shoppers who were
            # called together then weigh the same, and later calls weigh more.
            records.sort(key=lambda record: record[0].called_at)
        followed: dict[int, Seen] = {}
        for journey, over in records:
            seen = self._open.get(journey.admission_id)
            if seen is not None and seen.last == journey and not (over or seen.over):
                continue
            if seen is not None:
                self._part(seen)
            seen = self._follow(journey, now, over=over, to_be_had=to_be_had)
            if seen is not None and over:
                self._close(journey, seen)
                followed.pop(journey.admission_id, None)
            elif seen is not None:
                followed[journey.admission_id] = seen
        self._wait_all(now, to_be_had=to_be_had)
        for seen in followed.values():
            self._join(seen)
        self.late.look(now)
        # What happened until now met the shelves as they were at the last reading.
        self.tastes.look(shelves)

    def _join(self, seen: Seen) -> None:
        """Count an open admission among its cohort."""
        seen.among = cohort = seen.cohort
        self._people[cohort] += 1
        if seen.units:
            self._units[cohort] += seen.units
        if seen.named is not None and cohort[0] in MAY_ASK:
            self._named[seen.named] += 1

    def _part(self, seen: Seen) -> None:
        """Count an admission to which something happened no longer among its cohort."""
        cohort = seen.among
        if cohort is None:
            return
        seen.among, seen.until = None, max(seen.until, self._looked_at)
        self._people[cohort] -= 1
        self._units[cohort] -= seen.units
        if seen.named is not None and cohort[0] in MAY_ASK:
            self._named[seen.named] -= 1
        if not self._people[cohort]:
            del self._people[cohort], self._units[cohort]

    def _wait_all(self, now: float, *, to_be_had: bool) -> None:
        """Count the time of all open shoppers since the last look, by cohort.

        Where something happened since then, the time until it was counted with it.
        """
        for (group, since), shoppers in self._people.items():
            stage = STAGE_OF.get(group)
            if stage is None or (group is Group.INSIDE and not to_be_had):
                continue
            self.rates[stage].expose(
                max(self._looked_at - since, 0.0), now - since, shoppers=shoppers
            )
        self._looked_at = now

    def _close(self, journey: Journey, seen: Seen) -> None:
        self._open.pop(journey.admission_id, None)
        disappointed = (seen.refused or seen.disappointed_before) and not journey.has_held
        self._over[journey.admission_id] = journey.called_at, disappointed
        self.late.missed += seen.stage is Stage.CALLED
        self._disappointed_over += disappointed
        while len(self._over) > OVER_MAX:
            self._over.popitem(last=False)

    def _follow(self, journey: Journey, now: float, *, over: bool, to_be_had: bool) -> Seen | None:
        """Count how far a journey has come. Return None for a record that was counted before."""
        seen = self._open.get(journey.admission_id)
        if seen is None or journey.called_at > seen.called_at:
            called_at, disappointed = self._over.get(journey.admission_id, (None, False))
            if called_at is not None and journey.called_at <= called_at:
                return None
            # A second call of a shopper counts no second time, and may yet be served.
            self.called += seen is None and called_at is None
            self.late.back += called_at is not None
            if called_at is not None and disappointed:
                self._over[journey.admission_id] = called_at, False
                self._disappointed_over -= 1
            seen = Seen(
                journey.called_at,
                Stage.CALLED,
                since=journey.called_at,
                until=journey.called_at,
                # Whoever was first seen with a hold has taken up the promise by then.
                promised=max(journey.promised, self.promised),
                disappointed_before=disappointed,
            )
            self._open[journey.admission_id] = seen
        stage, dropped = standing(journey, over=over)
        if not journey.came_in:
            seen.refused_before = journey.refused
        # For a shopper with a promise something is there, although nothing is for others.
        to_be_had = to_be_had or seen.promised > 0
        # A refusal says something about a shopper only while no SKU of the room was left. A shopper
        # who was refused one SKU while others were left does not become one who found nothing.
        in_vain = seen.refused or not (to_be_had or seen.missed)
        refused = journey.refused and in_vain and not seen.refused_before
        self.refused += refused and not seen.refused
        seen.refused, seen.named = refused, journey.named
        self._come_to(seen, stage, journey, now, to_be_had=to_be_had)
        self._note_missed(seen, journey, now, to_be_had=to_be_had)
        if dropped and not seen.over:
            at = max(dropped_at(journey, stage, now), seen.since)
            self._leave(seen, at, on=False, to_be_had=to_be_had)
            seen.over = True
        elif not seen.over:
            self._wait(seen, now, to_be_had=to_be_had)
        seen.promised, seen.units, seen.last = journey.promised, journey.units_held, journey
        return seen

    def _come_to(
        self, seen: Seen, stage: Stage, journey: Journey, now: float, *, to_be_had: bool
    ) -> None:
        """Count the stages that a journey passed since it was last seen."""
        if stage < seen.stage or (seen.over and journey.units_held):
            # A payment failed and its hold goes on, or the shopper holds once more.
            if seen.stage is Stage.PAYING:
                self._leave(seen, now, on=False, to_be_had=to_be_had)
            seen.stage, seen.since, seen.until, seen.over = stage, now, now, False
        while seen.stage < stage:
            at = max(went_on_at(journey, seen.stage, now), seen.since)
            self._leave(seen, at, on=True, to_be_had=to_be_had)
            if seen.stage is Stage.INSIDE and to_be_had:
                self.units.count(journey.units_held + journey.units_sold)
                if journey.first_sku is not None and not seen.missed:
                    self.tastes.held(journey.first_sku, named=journey.named)
            seen.stage, seen.since, seen.until = Stage(seen.stage + 1), at, at
            seen.over = seen.stage is Stage.BOUGHT

    def _note_missed(self, seen: Seen, journey: Journey, now: float, *, to_be_had: bool) -> None:
        """Count a shopper who asked for a SKU that was gone: they asked, although in vain.

        Otherwise a shop whose favourite is gone would look like a crowd without interest.
        """
        inside = seen.stage is Stage.INSIDE and not seen.over
        counted = seen.missed or seen.refused or seen.refused_before
        if not inside or counted or journey.missed_sku is None:
            return
        self._leave(seen, now, on=True, to_be_had=to_be_had)
        seen.missed = True
        self.tastes.missed(journey.missed_sku, named=journey.named)

    def _counts(self, seen: Seen, *, to_be_had: bool) -> bool:
        if seen.stage is not Stage.INSIDE:
            return seen.stage is not Stage.BOUGHT
        return not (seen.refused or seen.missed) and to_be_had

    def _wait(self, seen: Seen, until: float, *, to_be_had: bool) -> None:
        if until <= seen.until:
            return
        if self._counts(seen, to_be_had=to_be_had):
            self.rates[seen.stage].expose(seen.until - seen.since, until - seen.since)
        seen.until = until

    def _leave(self, seen: Seen, at: float, *, on: bool, to_be_had: bool) -> None:
        self._wait(seen, at, to_be_had=to_be_had)
        if self._counts(seen, to_be_had=to_be_had):
            self.rates[seen.stage].count(at - seen.since, on=on)

    def habits(self) -> Habits:
        """Return what was learned so far."""
        mean, var, weight = self.units.moments()
        return Habits(
            tables=Tables(*(self.rates[stage].table() for stage in AT_RISK)),
            units_mean=mean,
            units_var=var,
            units_weight=weight,
        )

    def outlook(self, now: float) -> Outlook:
        """Return the outlook of this moment, in time linear in the number of open admissions.

        The number of askers is a sum of independent trials, each with the probability of its stage
        and age. A share p that is known from n shoppers has the relative variance (1 - p) / (p n).
        The relative variances of a product add up (delta method). What is not known of one stage
        says nothing about another, so their guesses add up as squares.
        """
        crowd = self._crowd(now)
        habits = self.habits() if self.known is None else self.known()
        tables = habits.tables
        claim, hold, pay, settle = tables
        asking, mean, var = 0, 0.0, 0.0
        # How far the number may be off for all shoppers alike: by the stage that they are in, and
        # of those who are only called, by the stage after it.
        own, later = [0.0, 0.0], 0.0
        stages = (
            (crowd.called, claim, hold.share, hold.guess[0]),
            (crowd.inside, hold, 1.0, 0.0),
        )
        for stage, (ages, table, then, then_guess) in enumerate(stages):
            for age, count in ages.items():
                comes, guessed = table.chance(age + 0.5), table.guessed(age + 0.5)
                chance = comes * then
                asking, mean = asking + count, mean + count * chance
                var += count * chance * (1 - chance)
                own[stage] += count * guessed * then
                later += count * comes * then_guess
        return Outlook(
            called=self.called,
            disappointed=self._disappointed_over + crowd.refused,
            refused=self.refused,
            asking=asking,
            askers_mean=mean,
            askers_var=var,
            ask_share=claim.share * hold.share,
            ask_doubt=claim.doubt + hold.doubt,
            askers_guess=hypot(own[0], own[1] + later),
            ask_guess=hypot(claim.guess[0] * hold.share, claim.share * hold.guess[0]),
            units_mean=habits.units_mean,
            units_var=habits.units_var,
            units_doubt=habits.units_var / habits.units_mean**2 / habits.units_weight,
            units_max=self.units_max,
            horizons=horizons(
                called=crowd.called,
                inside=crowd.inside,
                holding=crowd.holding,
                claim=claim,
                hold=hold,
                pay=pay,
            ),
            units_held=sum(crowd.holding.values()) + sum(crowd.paying.values()),
            claim_share=claim.share,
            hold_share=hold.share,
            # A payment that fails leaves its hold open, so the hold may be paid later: a geometric
            # series of attempts.
            pay_share=pay.share * settle.share / (1 - pay.share * (1 - settle.share)),
            pay_doubt=pay.doubt + (pay.guess[0] / pay.share) ** 2,
            latecomers=self.late.to_come,
            crowd=crowd,
            tables=tables,
        )

    def _crowd(self, now: float) -> Crowd:
        crowd = Crowd()
        crowd.named.update(+self._named)
        ages = {
            Group.CALLED: crowd.called,
            Group.INSIDE: crowd.inside,
            Group.PROMISED_CALLED: crowd.promised_called,
            Group.PROMISED_INSIDE: crowd.promised_inside,
            Group.MISSED: crowd.missed,
            Group.IDLE: crowd.idle,
        }
        for cohort, people in self._people.items():
            group, since = cohort
            age = max(int(now - since), 0)
            if group in ages:
                ages[group][age] += people
            elif group is Group.REFUSED:
                crowd.refused += people
                crowd.missed[age] += people
            elif group in HOLDERS:
                units = crowd.holding if group is Group.HOLDING else crowd.paying
                units[age] += self._units[cohort]
                crowd.holders += people
        return crowd

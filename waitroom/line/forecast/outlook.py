"""The outlook: how many called shoppers will still ask for units, at one moment. Pure."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from waitroom.line.assortment.depletion import Depletion
from waitroom.line.forecast.rates import LifeTable


@dataclass(slots=True)
class Crowd:
    """The open admissions, counted by whole seconds of age in their stage.

    called, inside: shoppers without a promise who may still ask for their first hold.
    promised_called, promised_inside: shoppers with a promise who may still ask for it.
    holding, paying: units in holds, and in holds that are being paid.
    holders: shoppers who hold units.
    refused: shoppers who asked while nothing was left, and have nothing.
    missed: shoppers who asked for a SKU that was gone while others were left, and have nothing.
    idle: shoppers who had a hold and have nothing any more.
    named: shoppers who may still ask for their first hold, by the SKU that they named.
    """

    called: Counter[int] = field(default_factory=Counter)
    inside: Counter[int] = field(default_factory=Counter)
    promised_called: Counter[int] = field(default_factory=Counter)
    promised_inside: Counter[int] = field(default_factory=Counter)
    holding: Counter[int] = field(default_factory=Counter)
    paying: Counter[int] = field(default_factory=Counter)
    holders: int = 0
    refused: int = 0
    missed: int = 0
    idle: int = 0
    named: Counter[int] = field(default_factory=Counter)


class Tables(NamedTuple):
    """The life tables of the four stages."""

    claim: LifeTable
    hold: LifeTable
    pay: LifeTable
    settle: LifeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The outlook at one moment. "Askers" are shoppers who will ask for their first hold.

    called: calls made so far.
    disappointed: shoppers who found nothing so far.
    asking: shoppers without a promise, called or inside, who may still ask.
    askers_mean, askers_var: of the number of askers among them.
    ask_share: the share of new calls that will ask.
    ask_doubt, units_doubt, pay_doubt: relative variances of the estimates of `ask_share`,
        `units_mean` and `pay_share`.
    askers_guess: the standard deviation of the number of askers that comes from guesses, about
        ages that no shopper has reached yet. A wrong guess is wrong for all shoppers alike.
    ask_guess: what each new call adds to `askers_guess`.
    units_mean, units_var: of the units in a first hold.
    units_max: the most units that one session can take; None for no limit.
    units_back: units in baskets that nearly surely come back before a new call asks.
    units_held: units in holds.
    claim_share, hold_share, pay_share: the shares that claim, then hold, then pay.
    depletion: how the free units go as shoppers ask, where a room sells several SKUs. Shoppers ask
        for more units than there are before the last one is taken, since some want what is gone.
    """

    called: float = 0
    disappointed: int = 0
    asking: float = 0
    askers_mean: float = 0.0
    askers_var: float = 0.0
    ask_share: float = 1.0
    ask_doubt: float = 0.0
    askers_guess: float = 0.0
    ask_guess: float = 0.0
    units_mean: float = 1.0
    units_var: float = 0.0
    units_doubt: float = 0.0
    units_max: int | None = None
    units_back: float = 0.0
    units_held: int = 0
    claim_share: float = 1.0
    hold_share: float = 1.0
    pay_share: float = 1.0
    pay_doubt: float = 0.0
    crowd: Crowd = field(default_factory=Crowd)
    tables: Tables | None = None
    depletion: Depletion | None = None

    def wanted(self, units: float) -> float:
        """Return the part of these free units that the shoppers called next will take."""
        return units if self.depletion is None else max(units - self.depletion.unwanted, 0.0)

    def asked_for(self, units: float) -> float:
        """Return the units that shoppers ask for until these free units are taken."""
        return units if self.depletion is None else self.depletion.asked_for(units)

    def taking(self, asked: float) -> float:
        """Return the part of the units asked for that is taken, once `asked` units were."""
        return 1.0 if self.depletion is None else self.depletion.taking(asked)

    @property
    def asked_var(self) -> float:
        """Return the variance of that number, from who chooses which SKU."""
        return 0.0 if self.depletion is None else self.depletion.last.var

    @property
    def asker_mean(self) -> float:
        """Return the mean number of units that an asker ends up with."""
        return self.units_mean * self.pay_share

    @property
    def asker_var(self) -> float:
        return self._asker_square - self.asker_mean**2

    @property
    def call_mean(self) -> float:
        """Return the mean number of units that a new call ends up with."""
        return self.ask_share * self.asker_mean

    @property
    def call_var(self) -> float:
        return self.ask_share * self._asker_square - self.call_mean**2

    @property
    def _asker_square(self) -> float:
        return (self.units_var + self.units_mean**2) * self.pay_share

    def with_calls(self, calls: int) -> "Outlook":
        """Count calls made since the outlook; a tick without them would make them again."""
        share = self.ask_share
        return replace(
            self,
            called=self.called + calls,
            asking=self.asking + calls,
            askers_mean=self.askers_mean + calls * share,
            askers_var=self.askers_var + calls * share * (1 - share),
            askers_guess=self.askers_guess + calls * self.ask_guess,
        )

    def with_units_freed(self, units: int) -> "Outlook":
        """Count units that came free since the outlook; they do not come back a second time."""
        if units <= 0:
            return self
        return replace(self, units_back=max(self.units_back - units, 0.0))

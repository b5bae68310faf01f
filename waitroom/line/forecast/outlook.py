"""What is to be expected of those who were called, at one moment: what the arithmetic works on."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from waitroom.line.forecast.rates import LifeTable


@dataclass(slots=True)
class Crowd:
    """Those who are open: how many of each whole second of age in their stage.

    `called` and `inside` count shoppers who may still ask for their first hold and carry no
    promise, `promised_called` and `promised_inside` those who carry one; `holding` and `paying`
    count units. Beside them the open shoppers that hold, that were refused and have nothing, and
    that had something and have nothing any more.
    """

    called: Counter[int] = field(default_factory=Counter)
    inside: Counter[int] = field(default_factory=Counter)
    promised_called: Counter[int] = field(default_factory=Counter)
    promised_inside: Counter[int] = field(default_factory=Counter)
    holding: Counter[int] = field(default_factory=Counter)
    paying: Counter[int] = field(default_factory=Counter)
    holders: int = 0
    refused: int = 0
    idle: int = 0


class Tables(NamedTuple):
    """The life tables of the four stages."""

    claim: LifeTable
    hold: LifeTable
    pay: LifeTable
    settle: LifeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is to be expected of those who were called, at one moment.

    `asking` counts those of the called and inside who may still ask for their first hold and carry
    no promise; `askers_mean` and `askers_var` are of the number of them who will. `ask_share` is
    the share of new calls that will ask, and `ask_doubt` the relative variance with which it is
    known; `units_doubt` and `pay_doubt` are likewise. What nobody was seen to do yet is a guess,
    wrong for all alike: `askers_guess` is the standard deviation that it adds to the askers, and
    `ask_guess` what each new call adds to that. `units_back` are units in baskets that come back
    before a new call asks, as good as surely.
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

    @property
    def asker_mean(self) -> float:
        """The units that one who asks ends up with, in the mean."""
        return self.units_mean * self.pay_share

    @property
    def asker_var(self) -> float:
        return self._asker_square - self.asker_mean**2

    @property
    def call_mean(self) -> float:
        """The units that one new call ends up with, in the mean."""
        return self.ask_share * self.asker_mean

    @property
    def call_var(self) -> float:
        return self.ask_share * self._asker_square - self.call_mean**2

    @property
    def _asker_square(self) -> float:
        return (self.units_var + self.units_mean**2) * self.pay_share

    def with_calls(self, calls: int) -> "Outlook":
        """Count calls that were made since; a tick that forgets them would make them again."""
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
        """Count units that came free since: they are not coming back a second time."""
        if units <= 0:
            return self
        return replace(self, units_back=max(self.units_back - units, 0.0))

"""A past sale, read from its room's public log and prepared for a replay. Pure.

The log has the times of arrivals and calls, the figures behind each call, and the changes of rules
and stock. It does not say what each shopper did inside: a replay draws that, from the shares that
the room had learned at its last call. So a replay agrees with the record as follows.
Arrivals, pauses and changes of rules and stock come at their recorded second. Where calls a minute
or the batch bounded the calls, the head stays within two ticks' calls of the recorded one at every
second. Where calls waited for seats or units, they depend on the crowd, and agree in the mean.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from waitroom.line.policy import POLICIES
from waitroom.log.entries import (
    AnyEntry,
    Called,
    Drawn,
    GivenBack,
    Joined,
    Revoked,
    RulesChanged,
    RuleValues,
    SoldOut,
    StatusChanged,
    SteppedAside,
    StockMoved,
)
from waitroom.log.reading import UnreadableEntry, read_entry
from waitroom.rehearse.scenario.course import Course
from waitroom.rehearse.scenario.scenario import Rules, Scenario, ScenarioError, Shopping, Sku

# Under other rules a replay may last longer than the sale did.
LENGTH_TIMES = 4.0
LENGTH_MIN_S = 3600.0
_RULES = frozenset(Rules.__struct_fields__)


@dataclass(slots=True, kw_only=True)
class Recording:
    """A sale according to its log; all times are in seconds from the opening.

    Numbers are counted over all lines of the room, in the order in which they were given.
    `arrivals` has the time of each number, and `gone` when a number was given up or taken away.
    `calls` has (time, numbers reached, people called again). `open` has (time, whether the room is
    open from then on). `rules` are the room's rules at the opening and `rule_changes` later ones,
    with their time. `units` is the stock at the opening by SKU, and `stock_changes` has (time, SKU,
    units). `figures` are the last figures behind a call. `inferred` names what the log does not
    state and the calls show.
    """

    name: str
    arrivals: list[float] = field(default_factory=list)
    gone: dict[int, float] = field(default_factory=dict)
    calls: list[tuple[float, int, int]] = field(default_factory=list)
    open: list[tuple[float, bool]] = field(default_factory=list)
    rules: RuleValues = field(default_factory=dict)
    rule_changes: list[tuple[float, RuleValues]] = field(default_factory=list)
    units: dict[str, int] = field(default_factory=dict)
    stock_changes: list[tuple[float, str, int]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    sold_out_s: float | None = None
    length_s: float = 0.0
    inferred: list[str] = field(default_factory=list)

    @property
    def called(self) -> int:
        return sum(new for _, new, _ in self.calls)

    @property
    def assumed(self) -> list[str]:
        """Return the names of the rules that the log says nothing about."""
        return sorted(_RULES - set(self.rules) - {"units_promised", "disappointed_max"})

    def head_times(self, shares: Iterable[float]) -> list[float]:
        """Return when these shares of all called numbers had been called."""
        times: list[float] = []
        passed, wanted = 0, list(shares)
        for at, new, _ in self.calls:
            passed += new
            while len(times) < len(wanted) and passed >= wanted[len(times)] * self.called:
                times.append(at)
        return times

    def scenario(self, behind: Scenario) -> Scenario:
        """Return the scenario of this sale; it takes from `behind` what no log can tell.

        Raises `ScenarioError` if the log does not say how many units there were.
        """
        known = {name: count for name, count in self.units.items() if count > 0}
        if not known:
            raise ScenarioError(
                f"{self.name} does not say how many units there were; give them with --set units=…"
            )
        skus = tuple(Sku(sku=name, units_share=count) for name, count in known.items())
        return msgspec.structs.replace(
            behind,
            title=f"{self.name}, played again",
            until_s=min(max(self.length_s * LENGTH_TIMES, LENGTH_MIN_S), 86_400.0),
            stock=msgspec.structs.replace(behind.stock, units=sum(known.values()), skus=skus),
            rules=msgspec.convert(msgspec.to_builtins(behind.rules) | self.rules, Rules),
            crowd=msgspec.structs.replace(behind.crowd, shoppers=0, steady_per_minute=0.0),
            bots=msgspec.structs.replace(behind.bots, bots=0),
            shopping=shopping_of(behind.shopping, self.figures),
        )

    def course(self, rules: Rules, *, fixed: Collection[str] = ()) -> Course:
        """Return the course of events under these rules; the `fixed` ones never change."""
        steps = []
        for at, change in self.rule_changes:
            kept = {name: value for name, value in change.items() if name not in fixed}
            rules = msgspec.convert(msgspec.to_builtins(rules) | kept, Rules)
            steps.append((at, rules))
        on_sale = [name for name, units in self.units.items() if units > 0]
        shelves = {name: index for index, name in enumerate(on_sale)}
        return Course(
            arrivals=self.arrivals,
            gone=self.gone,
            rules=tuple(steps),
            open=tuple(self.open) or ((0.0, True),),
            stock=tuple((at, shelves.get(sku, 0), units) for at, sku, units in self.stock_changes),
        )


def shopping_of(shopping: Shopping, figures: Mapping[str, float]) -> Shopping:
    """Return what shoppers do, with the shares that a room had learned."""
    found: dict[str, Any] = {}
    if "claim_share" in figures:
        # The share of claims includes people who come back after a missed call.
        found |= {"no_show_share": 1 - min(figures["claim_share"], 1.0), "back_share": 0.0}
    for name in ("hold_share", "pay_share"):
        if name in figures:
            found[name] = min(max(figures[name], 0.0), 1.0)
    if "units_each" in figures:
        whole, part = divmod(max(figures["units_each"], 1.0), 1.0)
        shares = [0.0] * (int(whole) - 1) + [1 - part] + ([part] if part > 0 else [])
        found["quantity_shares"] = tuple(shares)
    return msgspec.structs.replace(shopping, **found)


def read_recording(bodies: Iterable[str], *, name: str) -> Recording:
    """Read a log's entries, in order; raises `ScenarioError` if it is not the log of a sale.

    Kinds that a replay has no use for, known or not, are skipped.
    """
    entries: list[AnyEntry] = []
    for body in bodies:
        try:
            entries.append(read_entry(body))
        except UnreadableEntry as error:
            seq = len(entries) + 1
            raise ScenarioError(f"{name}: entry {seq} cannot be read: {error}") from error
    opened = [e.at for e in entries if isinstance(e, StatusChanged) and e.after == "open"]
    moved = [e.at for e in entries if isinstance(e, Joined | Called)]
    if not moved:
        raise ScenarioError(f"{name} has no entry of a join or a call")
    reader = _Reader(Recording(name=name), opening=opened[0] if opened else moved[0])
    for entry in entries:
        reader.feed(entry)
    return reader.finish()


@dataclass(slots=True)
class _Reader:
    """Reads one entry after the other into a recording."""

    recording: Recording
    opening: datetime
    # By line, each tick's first number, and how many numbers of all lines were given before it.
    _numbers: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    # One for each call: its time, the bound that decided it, and how many people it called.
    _reasons: list[tuple[float, str, int]] = field(default_factory=list)
    _first_figures: dict[str, float] = field(default_factory=dict)

    def feed(self, entry: AnyEntry) -> None:
        at = max((entry.at - self.opening).total_seconds(), 0.0)
        match entry:
            case Joined():
                self._joined(at, entry)
            case Drawn():
                if entry.count:
                    self._give(at, entry.line, 1, entry.count)
            case Called():
                self._called(at, entry)
            case StatusChanged():
                self._status(at, entry)
            case RulesChanged():
                self._rules(at, entry)
            case StockMoved():
                self._stock(at, entry)
            case Revoked() | SteppedAside() | GivenBack():
                self._of_place(at, entry)
            case SoldOut():
                self.recording.sold_out_s = at
            case _:
                return
        self.recording.length_s = max(self.recording.length_s, at)

    def finish(self) -> Recording:
        """Fill in what follows from the entries together."""
        found = self.recording
        self._infer()
        found.lines = list(self._numbers)
        if not any(found.units.values()) and "free" in self._first_figures:
            found.units = {"unit": int(self._first_figures["free"])}
            found.inferred.append(f"{int(self._first_figures['free'])} units")
        return found

    def _give(self, at: float, line: str, first: int, last: int) -> None:
        given = self._numbers.setdefault(line, [])
        given.append((first, len(self.recording.arrivals)))
        self.recording.arrivals.extend([at] * (last - first + 1))

    def _of_all(self, line: str, number: int) -> int | None:
        """Return the room-wide number of a line's number, or None if it was never given."""
        for first, before in reversed(self._numbers.get(line, [])):
            if number >= first:
                return before + number - first + 1
        return None

    def _lose(self, at: float, line: str, number: int) -> None:
        of_all = self._of_all(line, number)
        if of_all is not None:
            self.recording.gone.setdefault(of_all, at)

    def _of_place(self, at: float, entry: Revoked | SteppedAside | GivenBack) -> None:
        if not isinstance(entry, GivenBack):
            self._lose(at, entry.line, entry.number)
        elif (of_all := self._of_all(entry.line, entry.number)) is not None:
            self.recording.gone.pop(of_all, None)

    def _joined(self, at: float, entry: Joined) -> None:
        self._give(at, entry.line, entry.first, entry.last)
        if entry.called:
            self.recording.calls.append((at, entry.called, 0))

    def _called(self, at: float, entry: Called) -> None:
        reached, again = max(entry.last - entry.first + 1, 0), len(entry.again)
        if reached + again:
            self.recording.calls.append((at, reached, again))
        # A call skips numbers that had been given up. The log counts them and does not name them.
        for number in range(entry.first, entry.first + reached - entry.called):
            self._lose(at, entry.line, number)
        self._reasons.append((at, entry.reason, reached + again))
        figures = {name: float(value) for name, value in entry.figures.items()}
        if not self._first_figures and len(self.recording.calls) <= 1:
            self._first_figures = figures
        self.recording.figures |= figures

    def _status(self, at: float, entry: StatusChanged) -> None:
        self.recording.open.append((at, entry.after == "open"))
        if entry.rules:
            # The log leaves out rules without a value.
            self.recording.rules |= {"calls_per_minute": None, "order_units_max": None}
            self.recording.rules |= _known(entry.rules)

    def _rules(self, at: float, entry: RulesChanged) -> None:
        before = _known({name: pair[0] for name, pair in entry.changed.items()})
        after = _known({name: pair[1] for name, pair in entry.changed.items()})
        if at > 0:
            self.recording.rules = before | self.recording.rules
            self.recording.rule_changes.append((at, after))
        else:
            self.recording.rules |= after

    def _stock(self, at: float, entry: StockMoved) -> None:
        # An import of many SKUs names none of them.
        sku, units = entry.sku or "unit", entry.quantity
        if at > 0 and self.recording.calls:
            self.recording.stock_changes.append((at, sku, units))
        else:
            self.recording.units[sku] = self.recording.units.get(sku, 0) + units

    def _infer(self) -> None:
        """Infer policy and rate from the reasons of the calls, and seats from their figures."""
        rules = self.recording.rules
        named = [reason for _, reason, _ in self._reasons if reason in POLICIES]
        if "policy" not in rules and named:
            rules["policy"] = named[-1]
            self._infer_as("policy", named[-1])
        if "seats_max" not in rules and "seats" in self._first_figures:
            rules["seats_max"] = int(self._first_figures["seats"])
            self._infer_as("seats_max", rules["seats_max"])
        paced = [(at, calls) for at, reason, calls in self._reasons if reason == "per_minute"]
        if "calls_per_minute" not in rules and len(paced) > 2 and paced[-1][0] > paced[0][0]:
            per_s = sum(calls for _, calls in paced[1:]) / (paced[-1][0] - paced[0][0])
            rules["calls_per_minute"] = round(per_s * 60)
            self._infer_as("calls_per_minute", rules["calls_per_minute"])

    def _infer_as(self, name: str, value: Any) -> None:
        self.recording.inferred.append(f"{name} = {value}")


def _known(values: RuleValues) -> RuleValues:
    """Return the rules that a rehearsal knows."""
    return {name: value for name, value in values.items() if name in _RULES}

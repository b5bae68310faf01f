"""A sale that was, read from its room's public log, made ready to be played again. Pure.

The log says who joined when, whom the room called when, on what figures, and which rules and what
stock changed. It says nothing of what each shopper did inside: that is drawn anew, by the shares
that the room had learned when it called last. So a replay keeps to the record as follows. Arrivals,
pauses, changes of rules and stock come at their recorded second. Where calls were bounded by calls
a minute or by the batch, the head is the recorded one at every second within two ticks' calls.
Where they waited for seats or units, they depend on what the crowd did, and agree in the mean.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from waitroom.line.policy import POLICIES
from waitroom.rehearse.scenario.course import Course
from waitroom.rehearse.scenario.scenario import Rules, Scenario, ScenarioError, Sku

# A replay under other rules may last longer than the sale did.
LENGTH_TIMES = 4.0
LENGTH_MIN_S = 3600.0
_RULES = frozenset(Rules.__struct_fields__)


@dataclass(slots=True, kw_only=True)
class Recording:
    """What a log says of a sale, in seconds from its opening.

    Numbers are counted over all lines of the room in the order in which they were given. `calls`
    has (when, how many, how many of them again); `stated` are the rules that the log tells of.
    """

    name: str
    arrivals: list[float] = field(default_factory=list)
    gone: dict[int, float] = field(default_factory=dict)
    calls: list[tuple[float, int, int]] = field(default_factory=list)
    open: list[tuple[float, bool]] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)
    rule_changes: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
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
        """The rules that the log says nothing about."""
        return sorted(_RULES - set(self.rules) - {"units_promised", "disappointed_max"})

    def head_times(self, shares: Iterable[float]) -> list[float]:
        """Return when these shares of all who were called had been called."""
        times: list[float] = []
        passed, wanted = 0, list(shares)
        for at, new, _ in self.calls:
            passed += new
            while len(times) < len(wanted) and passed >= wanted[len(times)] * self.called:
                times.append(at)
        return times

    def scenario(self, behind: Scenario) -> Scenario:
        """Return the scenario of this sale; what no log can tell is as in another.

        Raises `ScenarioError` where the log does not say how many units there were.
        """
        known = {name: count for name, count in self.units.items() if count > 0}
        if not known:
            raise ScenarioError(
                f"{self.name} does not say how many units there were; say it with --set units=…"
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
            shopping=msgspec.structs.replace(behind.shopping, **_shopping(self.figures)),
        )

    def course(self, rules: Rules, *, fixed: Collection[str] = ()) -> Course:
        """Return the course of events under some rules; those that are `fixed` never change."""
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


def _shopping(figures: Mapping[str, float]) -> dict[str, Any]:
    """Return what the learned shares say of the crowd."""
    found: dict[str, Any] = {}
    if "claim_share" in figures:
        # Who comes back after a missed call is among those who claim.
        found |= {"no_show_share": 1 - min(figures["claim_share"], 1.0), "back_share": 0.0}
    for name in ("hold_share", "pay_share"):
        if name in figures:
            found[name] = min(max(figures[name], 0.0), 1.0)
    if "units_each" in figures:
        whole, part = divmod(max(figures["units_each"], 1.0), 1.0)
        shares = [0.0] * (int(whole) - 1) + [1 - part] + ([part] if part > 0 else [])
        found["quantity_shares"] = tuple(shares)
    return found


def read_recording(bodies: Iterable[str], *, name: str) -> Recording:
    """Read a log's entries, in order. Raises `ScenarioError` for what is no log of a sale.

    Kinds that a replay has no use for, known or not, are passed over.
    """
    entries = []
    for body in bodies:
        try:
            entry = msgspec.json.decode(body)
            entries.append((datetime.fromisoformat(entry["at"]).timestamp(), entry))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise ScenarioError(f"{name} holds something that is no entry: {error}") from error
    opened = [at for at, e in entries if e.get("kind") == "status" and e.get("to") == "open"]
    called = [at for at, e in entries if e.get("kind") in {"joined", "called"}]
    if not called:
        raise ScenarioError(f"{name} tells of nobody who joined or was called")
    reader = _Reader(Recording(name=name), opening=opened[0] if opened else called[0])
    for at, entry in entries:
        reader.take(at, entry)
    return reader.finish()


@dataclass(slots=True)
class _Reader:
    """Reads one entry after the other into a recording."""

    recording: Recording
    opening: float
    _numbers: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _reasons: list[tuple[float, str, int]] = field(default_factory=list)
    _first_figures: dict[str, float] = field(default_factory=dict)

    def take(self, at: float, entry: dict[str, Any]) -> None:
        read = {
            "joined": self._joined,
            "drawn": self._drawn,
            "called": self._called,
            "status": self._status,
            "rules": self._rules,
            "stock": self._stock,
            # An import of many SKUs.
            "received": self._stock,
            "revoked": self._gone,
            "stepped_aside": self._gone,
            "void": self._gone,
            "sold_out": self._sold_out,
        }.get(str(entry.get("kind")))
        if read is None:
            return
        since = max(at - self.opening, 0.0)
        try:
            read(since, entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ScenarioError(
                f"{self.recording.name}: entry {entry.get('seq')} cannot be read: {error!r}"
            ) from error
        self.recording.length_s = max(self.recording.length_s, since)

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
        """Return which number of all lines a line's number is."""
        for first, before in reversed(self._numbers.get(line, [])):
            if number >= first:
                return before + number - first + 1
        return None

    def _joined(self, at: float, entry: dict[str, Any]) -> None:
        self._give(at, entry["line"], entry["first"], entry["last"])
        if entry.get("called"):
            self.recording.calls.append((at, entry["called"], 0))

    def _drawn(self, at: float, entry: dict[str, Any]) -> None:
        if entry["count"]:
            self._give(at, entry["line"], 1, entry["count"])

    def _called(self, at: float, entry: dict[str, Any]) -> None:
        again = len(entry.get("again") or ())
        new = max(entry["to"] - entry["from"] + 1, 0)
        if new + again:
            self.recording.calls.append((at, new, again))
        # Who gave up while waiting was stepped over. The log counts them, and does not name them.
        for number in range(entry["from"], entry["from"] + new - entry.get("called", new)):
            self._lose(at, entry["line"], number)
        self._reasons.append((at, str(entry.get("reason")), new + again))
        figures = {k: float(v) for k, v in (entry.get("figures") or {}).items() if v is not None}
        if not self._first_figures and len(self.recording.calls) <= 1:
            self._first_figures = figures
        self.recording.figures |= figures

    def _status(self, at: float, entry: dict[str, Any]) -> None:
        self.recording.open.append((at, entry["to"] == "open"))
        if entry.get("rules"):
            # The log leaves out what has no value.
            self.recording.rules |= {"calls_per_minute": None, "order_units_max": None}
            self.recording.rules |= _known(entry["rules"])

    def _rules(self, at: float, entry: dict[str, Any]) -> None:
        changed = entry["changed"]
        if not isinstance(changed, dict):
            # Older entries name what was changed, and not from what to what.
            return
        pairs = {k: v for k, v in changed.items() if isinstance(v, list) and len(v) == 2}
        before = _known({name: pair[0] for name, pair in pairs.items()})
        after = _known({name: pair[1] for name, pair in pairs.items()})
        if at > 0:
            self.recording.rules = before | self.recording.rules
            self.recording.rule_changes.append((at, after))
        else:
            self.recording.rules |= after

    def _stock(self, at: float, entry: dict[str, Any]) -> None:
        sku, units = str(entry.get("sku", "unit")), int(entry["quantity"])
        if entry.get("movement") == "returned":
            return
        if at > 0 and self.recording.calls:
            self.recording.stock_changes.append((at, sku, units))
        else:
            self.recording.units[sku] = self.recording.units.get(sku, 0) + units

    def _gone(self, at: float, entry: dict[str, Any]) -> None:
        first, last = (
            (entry["number"], entry["number"])
            if "number" in entry
            else (entry["first"], entry["last"])
        )
        for number in range(first, last + 1):
            self._lose(at, entry["line"], number)

    def _lose(self, at: float, line: str, number: int) -> None:
        of_all = self._of_all(line, number)
        if of_all is not None:
            self.recording.gone.setdefault(of_all, at)

    def _sold_out(self, at: float, _entry: dict[str, Any]) -> None:
        self.recording.sold_out_s = at

    def _infer(self) -> None:
        """Conclude what the log does not state: policy and rate by reasons, seats by figures."""
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


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    # In place of a text that is nobody's business stands its hash.
    return {n: value for n, value in values.items() if n in _RULES and not isinstance(value, dict)}

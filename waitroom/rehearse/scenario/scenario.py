"""The subject of a rehearsal: the stock, the room's rules and the crowd, read from TOML. Pure."""

import difflib
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Share = Annotated[float, Meta(ge=0, le=1)]
FromZero = Annotated[float, Meta(ge=0, le=1e9)]
# For example the median of a log-normal time: its logarithm needs a value above zero.
AboveZero = Annotated[float, Meta(gt=0, le=1e9)]
Spread = Annotated[float, Meta(ge=0, le=3)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
Positive = Annotated[int, Meta(ge=1, le=10**9)]
# Memory and time are linear in these; larger values would show nothing new.
SHOPPERS_MAX, UNITS_MAX, SKUS_MAX = 5_000_000, 1_000_000, 1000


class ScenarioError(Exception):
    """A scenario cannot be used; the message is one line that says which, where and why."""


class Sku(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One SKU: its share of the units, and the share of shoppers whose first choice it is."""

    sku: str
    units_share: AboveZero = 1.0
    demand_share: FromZero = 1.0


class Stock(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The stock for sale: the units of all SKUs together, and the SKUs that share them."""

    units: Annotated[int, Meta(ge=1, le=UNITS_MAX)] = 500
    skus: Annotated[tuple[Sku, ...], Meta(min_length=1, max_length=SKUS_MAX)] = (Sku(sku="unit"),)

    def units_of_skus(self) -> list[int]:
        """Divide the units among the SKUs by largest remainder, so that they add up."""
        whole = sum(sku.units_share for sku in self.skus)
        exact = [self.units * sku.units_share / whole for sku in self.skus]
        units = [int(part) for part in exact]
        order = sorted(range(len(exact)), key=lambda i: units[i] - exact[i])
        for i in order[: self.units - sum(units)]:
            units[i] += 1
        return units

    def first_choice(self, die: float) -> int:
        """Return the SKU that a shopper with this die came for, by its index."""
        steps = list(accumulate(sku.demand_share for sku in self.skus))
        return min(bisect_right(steps, die * steps[-1]), len(steps) - 1)


class Rules(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The room's own settings, under the names that they have in the room.

    `policy` may also be `fixed`, for comparison with rooms that ignore the stock.
    """

    policy: str = "guaranteed"
    disappointed_max: Annotated[float, Meta(ge=0, le=0.5)] = 0.01
    seats_max: Count = 1000
    calls_per_minute: Count | None = None
    batch_max: Positive = 500
    units_promised: Positive = 1
    order_units_max: Positive | None = None
    claim_window_s: AboveZero = 120
    session_s: AboveZero = 600
    hold_s: AboveZero = 300
    grace_s: FromZero = 1800


class Crowd(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The arrivals and their patience. A shopper out of patience usually leaves without saying so.

    `opening_share` of the shoppers come evenly within `opening_s` of the opening. The others come
    after it, with an exponentially falling density of mean `tail_s`. A steady stream may be added.
    `leave_told_share` of the shoppers say so when they give up. `named_share` of them name the SKU
    of their first choice as they join.
    """

    shoppers: Count = 20_000
    opening_share: Share = 0.6
    opening_s: FromZero = 10.0
    tail_s: AboveZero = 120.0
    steady_per_minute: FromZero = 0.0
    steady_s: FromZero = 0.0
    patience_s: AboveZero = 7200.0
    patience_spread: Spread = 0.8
    leave_told_share: Share = 0.1
    named_share: Share = 0.0

    def __post_init__(self) -> None:
        if self.shoppers + self.steady_per_minute * self.steady_s / 60 > SHOPPERS_MAX:
            raise ValueError(f"a crowd has at most {SHOPPERS_MAX:,} shoppers")


class Shopping(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The behaviour of called shoppers. Times are log-normal, given by median and spread (sigma).

    `told_share` of the quitting shoppers say so, which frees seat and units at once. `stay_s` is
    how long a refused shopper stays in the shop for units that may come free.
    """

    no_show_share: Share = 0.15
    back_share: Share = 0.2
    back_s: AboveZero = 300.0
    claim_s: AboveZero = 8.0
    claim_spread: Spread = 1.0
    browse_s: AboveZero = 40.0
    browse_spread: Spread = 0.7
    hold_share: Share = 0.7
    quantity_shares: Annotated[tuple[Share, ...], Meta(min_length=1, max_length=100)] = (1.0,)
    flexible_share: Share = 0.6
    fewer_share: Share = 0.8
    pay_share: Share = 0.8
    pay_s: AboveZero = 70.0
    pay_spread: Spread = 0.6
    told_share: Share = 0.4
    stay_s: AboveZero = 300.0
    stay_spread: Spread = 0.8

    def __post_init__(self) -> None:
        if not 0.999 < sum(self.quantity_shares) < 1.001:
            raise ValueError("quantity_shares are the shares of 1, 2, 3 … units and add up to 1")


class Bots(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Programs: they take many places at the opening, claim at once, hold, and hardly ever pay."""

    bots: Annotated[int, Meta(ge=0, le=SHOPPERS_MAX)] = 0
    bots_s: FromZero = 2.0
    bot_units: Positive = 1
    bot_pay_share: Share = 0.05


class Trouble(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A time of slow or failing payments. A declined shopper retries while the hold lasts.

    `checkout_p95_s` is how long checkout's own answers take in that time, which slows the calls.
    """

    trouble_from_s: FromZero = 0.0
    trouble_until_s: FromZero = 0.0
    fail_share: Share = 0.0
    delay_s: FromZero = 0.0
    checkout_p95_s: FromZero = 0.0

    def at(self, now: float) -> bool:
        return self.trouble_from_s <= now < self.trouble_until_s


class Shift(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """True rates that change in mid-sale: at a moment, or when a share of the units is sold.

    A rate without a value stays unchanged.
    """

    shift_at_s: FromZero | None = None
    shift_at_sold_share: Share | None = None
    no_show_share: Share | UnsetType = UNSET
    claim_s: AboveZero | UnsetType = UNSET
    browse_s: AboveZero | UnsetType = UNSET
    hold_share: Share | UnsetType = UNSET
    pay_share: Share | UnsetType = UNSET
    pay_s: AboveZero | UnsetType = UNSET
    told_share: Share | UnsetType = UNSET

    @property
    def comes(self) -> bool:
        return self.shift_at_s is not None or self.shift_at_sold_share is not None

    def is_due(self, now: float, *, sold_share: float) -> bool:
        at, share = self.shift_at_s, self.shift_at_sold_share
        return (at is not None and now >= at) or (share is not None and sold_share >= share)

    def applied_to(self, shopping: Shopping) -> Shopping:
        named = {f: getattr(self, f) for f in self.__struct_fields__ if not f.startswith("shift_")}
        changes = {name: value for name, value in named.items() if value is not UNSET}
        return msgspec.structs.replace(shopping, **changes)


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that defines a rehearsal except its seed. Times are seconds from the opening.

    A run ends when no event is left, and at `until_s` at the latest.
    """

    title: str = ""
    until_s: Annotated[float, Meta(gt=0, le=86_400)] = 21_600.0
    stock: Stock = Stock()
    rules: Rules = Rules()
    crowd: Crowd = Crowd()
    shopping: Shopping = Shopping()
    bots: Bots = Bots()
    trouble: Trouble = Trouble()
    shift: Shift = Shift()
    second_shift: Shift = Shift()

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """The shifts that come, one after the other."""
        return tuple(shift for shift in (self.shift, self.second_shift) if shift.comes)

    def shopping_after(self, shifts: int) -> Shopping:
        """Return the true rates once so many shifts have come."""
        shopping = self.shopping
        for shift in self.shifts[:shifts]:
            shopping = shift.applied_to(shopping)
        return shopping


SECTIONS: dict[str, type[Struct]] = {
    "stock": Stock,
    "rules": Rules,
    "crowd": Crowd,
    "shopping": Shopping,
    "bots": Bots,
    "trouble": Trouble,
    "shift": Shift,
    "second_shift": Shift,
}
_TOP = ("title", "until_s")


def parse_scenario(text: str, *, where: str) -> Scenario:
    """Read a scenario from TOML. Raises `ScenarioError` for a value that cannot be used."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{where} is not valid TOML: {error}") from error
    _refuse_unknown(values, [*_TOP, *SECTIONS], where=where)
    for section, kind in SECTIONS.items():
        held = values.get(section, {})
        if isinstance(held, dict):
            _refuse_unknown(held, kind.__struct_fields__, where=f"[{section}] of {where}")
    return _converted(values, where=where)


def changed(scenario: Scenario, changes: Mapping[str, str], *, where: str = "--set") -> Scenario:
    """Return the scenario with some keys set, each by its name or as `section.name`.

    A name that stands in several sections means the first of them. Values are read as TOML reads
    them, and `none` clears a value. Raises `ScenarioError` as `parse_scenario`.
    """
    values: dict[str, Any] = msgspec.to_builtins(scenario)
    for name, text in changes.items():
        section, key = _find(name, where=where)
        (values[section] if section else values)[key] = _read_value(text)
    return _converted(values, where=where)


def _find(name: str, *, where: str) -> tuple[str | None, str]:
    section, dot, key = name.partition(".")
    if dot and section in SECTIONS and key in SECTIONS[section].__struct_fields__:
        return section, key
    if name in _TOP:
        return None, name
    for candidate, kind in SECTIONS.items():
        if name in kind.__struct_fields__:
            return candidate, name
    known = [f"{s}.{k}" for s, kind in SECTIONS.items() for k in kind.__struct_fields__]
    short = [known_name.split(".")[1] for known_name in known]
    _refuse_unknown([name], known if dot else [*short, *_TOP], where=where)
    raise AssertionError(name)


def _read_value(text: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _refuse_unknown(keys: Any, known: Any, *, where: str) -> None:
    for key in keys:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0)[0]
            raise ScenarioError(f"unknown key {key} in {where}; did you mean {nearest}?")


def _converted(values: Any, *, where: str) -> Scenario:
    try:
        return msgspec.convert(values, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{where} cannot be used: {error}") from error

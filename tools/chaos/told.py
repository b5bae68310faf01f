"""All that is known of a run: what shoppers were told, when the fault was, and what the books say.

Times are seconds since the run began. Tickets and sessions are secrets, and are kept as hashes.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

# A step is a request with all its tries, or the wait for a call.
JOIN, STATE, STANDING, CLAIM = "join", "state", "standing", "claim"
HOLD, PAY, ORDER, LEAVE, PAGE = "hold", "pay", "order", "leave", "page"
# What can be tried again under the same key, and is.
PASSING = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One answer, or none (status 0). All tries of one step have its number, `step`.

    `due_at` is when the shopper was to ask, by what they had been told: a client that was late
    itself is not obedient. `said` has those fields of the body that a promise is about.
    """

    shopper: int
    step: int
    kind: str
    key: str
    due_at: float
    sent_at: float
    at: float
    status: int
    code: str = ""
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A time that a shopper was given, and the act by which they meant to use it.

    `acted_at` is when they first sent it, None if they never meant to; `kept` says how it ended.
    """

    shopper: int
    kind: str
    until: float
    acted_at: float
    kept: bool
    code: str = ""


@dataclass(slots=True, kw_only=True)
class Story:
    """One run as its shoppers saw it."""

    fault: str
    seed: int
    policy: str
    units: int
    fault_began_at: float = 0.0
    fault_ended_at: float = 0.0
    # The line has to go on so soon after the fault's end.
    within_s: float = 40.0
    # Whether no request may fail.
    silent: bool = False
    ended_at: float = 0.0
    answers: list[Told] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    # Shoppers who came when they liked, or never: they may miss a call.
    careless: set[int] = field(default_factory=set)
    # Shoppers who were let in and got nothing, whatever they tried.
    found_nothing: set[int] = field(default_factory=set)
    # Steps that a shopper had to leave unfinished at the end, by kind.
    undecided: list[tuple[int, str]] = field(default_factory=list)

    def steps(self, *kinds: str) -> Iterator[list[Told]]:
        """Yield the tries of each step of these kinds, in the order in which they were sent."""
        found: dict[int, list[Told]] = {}
        for told in self.answers:
            if told.kind in kinds:
                found.setdefault(told.step, []).append(told)
        yield from found.values()

    def save(self, path: Path) -> None:
        """Write one line of JSON for the run, and one for each thing that was told."""
        head = asdict(self)
        rows = {name: head.pop(name) for name in ("answers", "deadlines")}
        head["careless"], head["found_nothing"] = sorted(self.careless), sorted(self.found_nothing)
        lines = [{"run": head}]
        lines += [{"deadline": row} for row in rows["deadlines"]]
        lines += [{"told": row} for row in sorted(rows["answers"], key=lambda row: row["at"])]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A row of `purchase`, with its units, and what the test gateway knows of its payment."""

    order_id: str
    hold_id: str
    state: str
    units: int
    at_gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All that the program keeps and the checker looks at. `tails` has the last number by line.

    `breaches` are rows of the views in which nothing may stand, `log_says` is the complaint of
    `waitroom verify`, "" for none.
    """

    received: int
    sold: int
    orders: list[Order] = field(default_factory=list)
    tails: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    log_says: str = ""


def mark(secret: str) -> str:
    """Return what stands for a secret in the record."""
    return sha256(secret.encode()).hexdigest()[:16]

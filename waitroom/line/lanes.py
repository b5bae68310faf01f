"""Lanes: how the calls of a tick are shared among the lines of one room. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from waitroom.line.policy import (
    AdmissionPolicy,
    Decision,
    PolicyInput,
    budget_of,
    calls_again,
    decide,
    figures_of,
)
from waitroom.line.snapshot import BEHIND, LineSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One line of a room.

    `came_back` are admissions, by number; `first_called` says when each was called first, in
    seconds of the shoppers' clock. A lane that is `behind` has its turn only while no shopper waits
    in another.
    """

    line_id: int
    gate: int
    tail: int
    share: float
    came_back: tuple[int, ...] = ()
    first_called: tuple[float, ...] = ()
    behind: bool = False

    @property
    def head(self) -> int:
        return min(self.gate, self.tail)


def lane_of(line: LineSnapshot) -> Lane:
    return Lane(
        line_id=line.line_id,
        gate=line.gate,
        tail=line.tail,
        share=line.share,
        came_back=line.came_back,
        first_called=line.first_called,
        behind=line.lane == BEHIND,
    )


@dataclass(slots=True)
class LaneTurns:
    """The calls owed to each lane, between ticks. Losing it costs a lane less than one call."""

    owed: dict[int, float] = field(default_factory=dict)

    def next(self, lanes: Sequence[Lane]) -> Lane:
        """Return the lane that is called next, by smooth weighted round-robin.

        Each waiting lane is credited its share, and the one that is owed most pays for the call
        with all their shares together. So over time each has its share of the calls, evenly
        spread. The scheme is that of nginx's upstream balancer.
        """
        for lane in lanes:
            self.owed[lane.line_id] = self.owed.get(lane.line_id, 0.0) + lane.share
        # Of equals the one that stands first, which is the main lane.
        chosen = max(lanes, key=lambda lane: self.owed[lane.line_id])
        self.owed[chosen.line_id] -= sum(lane.share for lane in lanes)
        return chosen

    def forget(self, lanes: Sequence[Lane]) -> None:
        """Let empty lanes save no calls up."""
        for lane in lanes:
            self.owed.pop(lane.line_id, None)


def decide_lanes(
    policy: AdmissionPolicy, room: PolicyInput, lanes: Sequence[Lane], turns: LaneTurns
) -> dict[int, Decision]:
    """Return the decision for each line; `room` has the figures that all lanes share.

    Shoppers who came back go first, whatever their lane, in the order in which the room first
    called them. The rest of the budget goes to the lanes in which shoppers wait, by their shares;
    calls that one lane cannot use go to the others. The lane behind gets what the others leave over
    in the same way. Once all lanes are empty, the gates are set ahead of the tails, by shares too,
    but never that of the lane behind: an arrival there waits for a tick, and overtakes no one. A
    single lane is decided as if there were no lanes.
    """
    if len(lanes) == 1:
        lane = lanes[0]
        alone = replace(room, gate=lane.gate, tail=lane.tail, came_back=lane.came_back)
        return {lane.line_id: decide(policy, alone)}
    if not room.open:
        return {
            lane.line_id: Decision(gate=lane.head, again=(), reason="not open") for lane in lanes
        }
    together = replace(
        room,
        gate=sum(lane.head for lane in lanes),
        tail=sum(lane.tail for lane in lanes),
        came_back=_by_first_call(lanes),
    )
    reason, left = budget_of(policy, together)
    again: set[int] = set()
    calls: dict[int, int] = {}
    for group in _groups(lanes):
        back, left = calls_again(policy, replace(together, came_back=_by_first_call(group)), left)
        again.update(back)
        given, left = _share_out(left, group, turns)
        calls |= given
        if any(lane.tail > lane.head + given[lane.line_id] for lane in group):
            left = 0
    front = _groups(lanes)[0]
    if left:
        _set_ahead(left, front, calls)
    figures = figures_of(together)
    return {
        lane.line_id: Decision(
            gate=lane.head + calls[lane.line_id],
            again=tuple(one for one in lane.came_back if one in again),
            reason=reason,
            figures=figures,
        )
        for lane in lanes
    }


def _groups(lanes: Sequence[Lane]) -> list[list[Lane]]:
    """Return the lanes in the order in which they are served: the lane behind comes last."""
    front = [lane for lane in lanes if not lane.behind]
    return [front, [lane for lane in lanes if lane.behind]]


def _by_first_call(lanes: Sequence[Lane]) -> tuple[int, ...]:
    """Return those who came back in all lanes, by first call and then by number.

    Numbers of two lanes say nothing of each other, and each lane has its own in order.
    """
    back = [
        (first, order, one)
        for lane in lanes
        for order, (first, one) in enumerate(zip(lane.first_called, lane.came_back, strict=True))
    ]
    return tuple(one for _, _, one in sorted(back))


def _share_out(calls: int, lanes: Sequence[Lane], turns: LaneTurns) -> tuple[dict[int, int], int]:
    """Return the calls of each lane in which shoppers wait, and how many are left over."""
    given = {lane.line_id: 0 for lane in lanes}
    waiting = [lane for lane in lanes if lane.tail > lane.head]
    turns.forget([lane for lane in lanes if lane not in waiting])
    while calls and waiting:
        lane = turns.next(waiting)
        given[lane.line_id] += 1
        calls -= 1
        if given[lane.line_id] == lane.tail - lane.head:
            waiting.remove(lane)
            turns.forget([lane])
    return given, calls


def _set_ahead(calls: int, lanes: Sequence[Lane], given: dict[int, int]) -> None:
    """Set the gates ahead of the tails; what shares leave over goes to the first lane."""
    total = sum(lane.share for lane in lanes)
    parts = {lane.line_id: int(calls * lane.share / total) for lane in lanes}
    parts[lanes[0].line_id] += calls - sum(parts.values())
    for line_id, part in parts.items():
        given[line_id] += part

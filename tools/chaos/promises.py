"""The promises, each a function that returns how it was broken. Pure: no program, no engine.

It holds what shoppers were told against each other, and against the books.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from chaos.told import CLAIM, HOLD, JOIN, ORDER, PAY, STANDING, STATE, Books, Story, Told

# A client that comes later than it was told to by more than this was late itself.
LATE_S = 1.0
# A shopper who acts later than this before a deadline cannot be sure that a retry is in time.
MARGIN_S = 5.0
# However bad it was, soon after the fault the line goes on.
GOES_ON_S = 40.0
# Steps that begin so long after the fault are still looked at for their length.
SOON_S = 8.0

Judge = Callable[[Story, Books], Iterator[str]]
PROMISES: dict[str, Judge] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A promise that was broken, and how."""

    promise: str
    how: str


def promise(name: str) -> Callable[[Judge], Judge]:
    def keep(judge: Judge) -> Judge:
        PROMISES[name] = judge
        return judge

    return keep


def broken_in(story: Story, books: Books) -> list[Broken]:
    """Return every way in which a promise was broken."""
    return [
        Broken(promise=name, how=how)
        for name, judge in PROMISES.items()
        for how in judge(story, books)
    ]


@promise("units sold are units received, and those of orders told as paid")
def _units(story: Story, books: Books) -> Iterator[str]:
    told = sum(_paid_orders(story).values())
    if books.received != story.units:
        yield f"{story.units} units were received, and the books have {books.received}"
    if books.sold > books.received:
        yield f"{books.sold} units of {books.received} are sold"
    if books.sold != told and not story.undecided:
        yield f"{books.sold} units are sold, and shoppers were told of {told}"


@promise("no order is told as paid and lost")
def _lost(story: Story, books: Books) -> Iterator[str]:
    kept = {order.order_id: order for order in books.orders}
    for order_id, units in _paid_orders(story).items():
        order = kept.get(order_id)
        if order is None or order.state != "paid" or order.units != units:
            yield f"order {order_id} of {units} units was told as paid, and the books have {order}"


@promise("nothing is sold or charged that nobody asked for")
def _unasked(story: Story, books: Books) -> Iterator[str]:
    payers = {told.shopper for told in story.answers if told.kind == PAY}
    meant = {told.said.get("hold_id") for told in _good(story, HOLD) if told.shopper in payers}
    paid = set(_paid_orders(story))
    for order in books.orders:
        if order.hold_id not in meant:
            yield f"order {order.order_id} is for a hold that nobody who paid was told of"
        charged = order.at_gateway == "captured"
        if (order.state == "paid") > charged or charged > (order.state in {"paid", "refunded"}):
            yield f"order {order.order_id} is {order.state}, its payment {order.at_gateway}"
        if order.state == "paid" and order.order_id not in paid and not story.undecided:
            yield f"order {order.order_id} is paid, and its shopper was never told"


@promise("no number, session, hold or order has two owners")
def _owners(story: Story, books: Books) -> Iterator[str]:
    for name in ("number", "ticket", "session", "hold_id", "order_id"):
        owners: defaultdict[Any, set[int]] = defaultdict(set)
        for told in story.answers:
            if told.good and told.kind in {JOIN, CLAIM, HOLD, PAY, ORDER} and name in told.said:
                value = told.said[name]
                owners[(told.said.get("line"), value) if name == "number" else value].add(
                    told.shopper
                )
        for value, shoppers in owners.items():
            if len(shoppers) > 1:
                yield f"{name} {value} was given to shoppers {sorted(shoppers)}"


@promise("a key has one answer")
def _keys(story: Story, books: Books) -> Iterator[str]:
    names = {JOIN: "number", HOLD: "hold_id", PAY: "order_id"}
    given: defaultdict[tuple[int, str, str], set[Any]] = defaultdict(set)
    for told in story.answers:
        if told.good and told.kind in names and names[told.kind] in told.said:
            given[told.shopper, told.kind, told.key].add(told.said[names[told.kind]])
        if told.good and told.kind == CLAIM:
            given[told.shopper, told.kind, ""].add(told.said.get("session"))
    for (shopper, kind, _), values in given.items():
        if len(values) > 1:
            yield f"one {kind} of shopper {shopper} got {sorted(map(str, values))}"


@promise("a number that was told is in the line, and every number is somebody's")
def _numbers(story: Story, books: Books) -> Iterator[str]:
    given = set()
    for told in _good(story, JOIN):
        line, number = told.said.get("line"), told.said.get("number", 0)
        given.add((line, number))
        if not 0 < number <= books.tails.get(str(line), 0):
            yield f"shopper {told.shopper} has number {number} of {line}, which has {books.tails}"
    # Whoever was still asking at the end may have one that they do not know.
    joining = {told.key for told in story.answers if told.kind == JOIN}
    left = len(joining - {told.key for told in _good(story, JOIN)})
    nobodys = sum(books.tails.values()) - len(given)
    if nobodys > left:
        yield f"{nobodys} numbers are unknown to all, and {left} shoppers got no answer"


@promise("a place never rises")
def _places(story: Story, books: Books) -> Iterator[str]:
    last: dict[int, int] = {}
    for told in sorted(story.answers, key=lambda told: told.at):
        waits = told.kind == STATE or told.said.get("status") == "waiting"
        if told.kind not in {STATE, STANDING} or "place" not in told.said or not waits:
            continue
        place = told.said["place"]
        if place > last.get(told.shopper, place):
            before = last[told.shopper]
            yield f"shopper {told.shopper} was at {before} and then at {place}, {told.at:.1f} s"
        last[told.shopper] = place


@promise("who comes when called is let in, and keeps session and hold for their time")
def _deadlines(story: Story, books: Books) -> Iterator[str]:
    for one in story.deadlines:
        if not one.kept and one.acted_at is not None and one.acted_at < one.until - MARGIN_S:
            yield (
                f"shopper {one.shopper} used a {one.kind} at {one.acted_at:.1f} s that was theirs"
                f" until {one.until:.1f} s, and got {one.code}"
            )


@promise("who asks when told to misses no call")
def _missed(story: Story, books: Books) -> Iterator[str]:
    late = {t.shopper for t in story.answers if t.sent_at > t.due_at + LATE_S} | story.careless
    for told in story.answers:
        missed = told.said.get("status") == "missed" or told.code == "missed"
        if missed and told.shopper not in late:
            yield f"shopper {told.shopper} missed a call, as told at {told.at:.1f} s"
            late.add(told.shopper)


@promise("in a guaranteed room nobody who is let in finds nothing")
def _nothing(story: Story, books: Books) -> Iterator[str]:
    if story.policy == "guaranteed":
        for shopper in sorted(story.found_nothing):
            yield f"shopper {shopper} was let in and found nothing"


@promise("a room that is there is found, and nothing fails inside")
def _statuses(story: Story, books: Books) -> Iterator[str]:
    for told in story.answers:
        if told.status in {404, 500}:
            yield f"shopper {told.shopper} got {told.status} to {told.kind} at {told.at:.1f} s"


@promise("every refusal is one that shoppers can understand")
def _refusals(story: Story, books: Books) -> Iterator[str]:
    for told in story.answers:
        if 400 <= told.status < 500 and told.status != 404 and told.code not in UNDERSTOOD:
            yield f"shopper {told.shopper} got {told.status} {told.code} to {told.kind}"


UNDERSTOOD = {
    *("sold_out", "missed", "out_of_stock", "limit_reached", "payment_declined"),
    # The places of careless shoppers, and late acts: other promises look at those in time.
    *("ticket_over", "session_over", "hold_expired", "too_many_requests", "payment_running"),
}


@promise("every walk comes to its end")
def _undecided(story: Story, books: Books) -> Iterator[str]:
    for shopper, kind in story.undecided:
        yield f"shopper {shopper} was still waiting for an answer at the end: {kind}"


@promise("the books agree and the log verifies")
def _books(story: Story, books: Books) -> Iterator[str]:
    yield from books.breaches
    if books.log_says:
        yield books.log_says.strip()[-300:]


@promise("no request fails while versions change")
def _silent(story: Story, books: Books) -> Iterator[str]:
    for told in story.answers if story.silent else ():
        if told.status == 0 or told.status >= 500:
            yield f"shopper {told.shopper} got {told.status or 'no answer'} to {told.kind}"


@promise("the line goes on after the fault")
def _goes_on(story: Story, books: Books) -> Iterator[str]:
    for kind, seconds in goes_on(story).items():
        if seconds is None or seconds > story.within_s:
            said = "not at all" if seconds is None else f"after {seconds:.1f} s"
            yield f"{kind}: {said}"


def goes_on(story: Story) -> dict[str, float | None]:
    """Return the seconds from the fault's end to the first join, claim and payment.

    None: there was none until the run's end. A kind is left out where all was sold before.
    """
    found: dict[str, float | None] = {}
    sold_out = any(told.code in {"sold_out", "out_of_stock"} for told in story.answers)
    for name, kinds in {"join": (JOIN,), "claim": (CLAIM,), "paid": (PAY, ORDER)}.items():
        times = [
            told.at - story.fault_ended_at
            for told in _good(story, *kinds)
            if told.at >= story.fault_ended_at
            and (name != "paid" or told.said.get("status") == "paid")
        ]
        if times or not sold_out:
            found[name] = min(times, default=None)
    return found


def slowest(story: Story) -> dict[str, float]:
    """Return the longest that a join, a claim and a payment took from the fault's end on.

    Those count that were under way then, or began soon after. A payment ends when its shopper is
    told of it, be it by asking again.
    """
    since = story.fault_ended_at
    spans = {
        "join": [(tries[0].sent_at, tries[-1].at) for tries in story.steps(JOIN)],
        "claim": [(tries[0].sent_at, tries[-1].at) for tries in story.steps(CLAIM)],
        "paid": _payments(story),
    }
    return {
        kind: max(
            (end - max(begin, since) for begin, end in found if end > since > begin - SOON_S),
            default=0.0,
        )
        for kind, found in spans.items()
    }


def _payments(story: Story) -> list[tuple[float, float]]:
    """Return when each paid order was first asked for, and when its shopper was told."""
    keys: dict[str, tuple[int, str]] = {}
    began: dict[tuple[int, str], float] = {}
    told_at: dict[str, float] = {}
    for told in sorted(story.answers, key=lambda told: told.at):
        if told.kind == PAY:
            mine = told.shopper, told.key
            began[mine] = min(began.get(mine, told.sent_at), told.sent_at)
            keys.setdefault(str(told.said.get("order_id")), mine)
        if told.kind in {PAY, ORDER} and told.said.get("status") == "paid":
            told_at.setdefault(told.said["order_id"], told.at)
    return [(began[keys[order_id]], at) for order_id, at in told_at.items()]


def _good(story: Story, *kinds: str) -> Iterator[Told]:
    return (told for told in story.answers if told.kind in kinds and told.good)


def _paid_orders(story: Story) -> dict[str, int]:
    """Return the units of each order that a shopper was told is paid."""
    return {
        told.said["order_id"]: told.said["units"]
        for told in _good(story, PAY, ORDER)
        if told.said.get("status") == "paid"
    }

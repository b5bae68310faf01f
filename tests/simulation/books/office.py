"""The office, the shoppers' clock, the documents, and what boards and leaders read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from simulation.books.tables import Books, Holder, Line, Room, Row, answers, moment

SILENCE_S, GAP_S = 3.0, 2.0


def _of_room(_: Books, room_id: int, *__: Any) -> int:
    return room_id


@answers("beat")
def beat(books: Books, me: str, term: int, lease_s: float) -> list[Row]:
    t = books.clock()
    if not (books.leader == me and books.term == term):
        if books.leader and t - books.beat_at < lease_s:
            return [{"leader": books.leader, "term": books.term}]
        books.leader, books.term = me, books.term + 1
    books.wind(beat=t, report=books.served_at, t=t)
    return [{"leader": books.leader, "term": books.term}]


@answers("resign")
def resign(books: Books, me: str, term: int) -> list[Row]:
    if (books.leader, books.term) == (me, term):
        books.leader = ""
    return []


@answers("report_serving")
def report_serving(books: Books) -> list[Row]:
    t = books.clock()
    if books.served_at <= t - 0.5:
        books.wind(beat=books.beat_at, report=t, t=t)
    return [{"report_serving": None}]


@answers("rooms_to_lead")
def rooms_to_lead(books: Books) -> list[Row]:
    return [{"room_id": room.room_id} for room in books.rooms.values() if not room.is_final]


@answers("publish_state")
def publish_state(
    books: Books, room_id: int, term: int, version: int, body: bytes, is_over: bool, row: str
) -> list[Row]:
    room = books.rooms[room_id]
    if books.term != term or room.version >= version:
        return []
    room.version, room.body, room.is_final = version, body, is_over
    return [{"published_at": moment(books.clock())}]


@answers("note_sold_out", locks=_of_room)
def note_sold_out(books: Books, room_id: int) -> list[Row]:
    room = books.rooms[room_id]
    sold_out = room.on_hand > 0 and room.sold >= room.on_hand
    if sold_out != room.rules["sold_out"]:
        room.rules["sold_out"] = sold_out
        books.log(room, "sold_out" if sold_out else "stock_back")
    return []


@answers("note_forecast", locks=_of_room)
def note_forecast(books: Books, room_id: int, term: int, facts: str) -> list[Row]:
    if books.term <= term:
        books.log(books.rooms[room_id], "forecast", told=facts)
    return []


@answers("snapshot")
def snapshot(books: Books, room_id: int) -> list[Row]:
    room = books.rooms.get(room_id)
    if room is None:
        return []
    skus = [sku for sku in books.skus.values() if sku.room_id == room_id]
    about = {
        **room.rules,
        "stock_heard": False,
        "session_units_max": skus[0].limit if len(skus) == 1 else None,
        "version": room.version,
        "row_version": "1",
        "now": moment(books.clock()),
        "shopper_s": books.now() + EPOCH_S,
        "clock_goes": books.goes_until > books.clock(),
        "value_missing": False,
        "on_hand": room.on_hand,
        "promised": room.promised,
        "held": room.held,
        "sold": room.sold,
        "kept": 0,
        "has_stock": bool(skus),
        "seats_taken": books.seats(room_id),
        "seats_without_units": 0,
    }
    return [{**about, **_line(books, room, line)} for line in books.lines_of(room_id)]


EPOCH_S = moment(0.0).timestamp()


def _line(books: Books, room: Room, line: Line) -> Row:
    back = sorted(
        (
            a
            for a in books.admissions.values()
            if a.line_id == line.line_id and a.state == "missed" and a.came_back_at is not None
        ),
        key=lambda a: a.number,
    )[: room.rules["batch_max"]]
    first = [next(t for t in (a.passed_at, a.called_at, a.came_back_at) if t) for a in back]
    return {
        "line_id": line.line_id,
        "line": line.line,
        "lane": line.lane,
        "share": 1.0,
        "gate": line.gate,
        "tail": line.tail,
        "passed_by": 0,
        "entries": line.entries,
        "draw_announced": line.draw is not None,
        "draw_due": line.draw is not None and line.draw.is_due,
        "closing_signed": line.draw is not None and line.draw.signature is not None,
        "came_back": [a.admission_id for a in back],
        "first_called": [t + EPOCH_S for t in first],
        "for_returns": [],
    }


@answers("list_rooms")
def list_rooms(books: Books, name: str | None, same: list[str]) -> list[Row]:
    found = sorted(books.rooms.values(), key=lambda room: str(room.rules["room"]))
    return [
        {
            **room.rules,
            "log_seq": len(room.log),
            "line_id": line.line_id,
            "line": line.line,
            "lane": line.lane,
            "drawn_count": None if line.draw is None else line.draw.count,
            "draw_key": None if line.draw is None else line.draw.key,
            "former_lines": [],
            "networks_behind": [],
        }
        for room in found
        if name == room.rules["room"] or (name is None and room.rules["room"] not in same)
        for line in books.lines_of(room.room_id)
    ]


@answers("read_states")
def read_states(books: Books, name: str | None) -> list[Row]:
    return [
        {"room": room.rules["room"], "version": room.version, "body": room.body}
        for room in books.rooms.values()
        if room.version > 0 and name in {None, room.rules["room"]}
    ]


@answers("name_rooms")
def name_rooms(books: Books, names: list[str]) -> list[Row]:
    return [{"room": r.rules["room"]} for r in books.rooms.values() if r.rules["room"] in names]


@answers("places_horizon")
def places_horizon(_: Books) -> list[Row]:
    return [{"horizon": 1}]


@answers("list_unchanged", "read_places")
@answers("list_waiting_joins", "note_series", "forget_journey_changes", "list_open_admissions")
@answers("list_past_admissions", "take_journey_changes", "read_journeys", "read_shelves")
@answers("take_choice_changes", "forget_choice_changes", "list_choices", "rooms_to_serve")
@answers("rooms_with_times_passed", "count_money_elsewhere", "find_unknown_payments")
def nothing(_: Books, *__: Any) -> list[Row]:
    """Answer with no row: there are no notes of places here, and leaders learn nothing."""
    return []


@answers("beat_lease_holder")
def beat_lease_holder(books: Books, me: UUID) -> list[Row]:
    t = books.clock()
    mine = books.holders.setdefault(me, Holder(t, t))
    if mine.beat_at < t - GAP_S:
        mine.steady_since = t
    mine.beat_at = t
    dead = [holder for holder, at in books.holders.items() if at.beat_at < t - SILENCE_S]
    if mine.steady_since > t - SILENCE_S:
        dead = []
    for holder in dead:
        end_leases(books, holder)
    return [{"beat_lease_holder": len(dead)}]


@answers("free_forgotten")
def free_forgotten(books: Books, holder: UUID, driven: list[UUID], left_max_s: float) -> list[Row]:
    t = books.clock()
    forgotten = [
        order
        for order in books.orders.values()
        if order.driven_by == holder
        and order.state in MOVING
        and t <= order.driven_until <= t + left_max_s
        and order.order_id not in driven
    ]
    unknown = [
        refund
        for refund in books.refunds.values()
        if refund.driven_by == holder
        and refund.state == "asked"
        and t <= refund.driven_until <= t + left_max_s
        and refund.refund_id not in driven
    ]
    for work in (*forgotten, *unknown):
        work.driven_until, work.driven_by = t, None
    return [{"?column?": len(forgotten) + len(unknown)}]


@answers("end_leases")
def end_leases(books: Books, holder: UUID) -> list[Row]:
    t = books.clock()
    for order in books.orders.values():
        if order.driven_by == holder and order.state in MOVING:
            order.driven_until, order.driven_by = min(order.driven_until, t), None
    for refund in books.refunds.values():
        if refund.driven_by == holder and refund.state == "asked":
            refund.driven_until, refund.driven_by = min(refund.driven_until, t), None
    books.holders.pop(holder, None)
    return []


MOVING = frozenset({"authorizing", "authorized", "voiding", "returning"})


def at_wall(at: float | None) -> datetime | None:
    return None if at is None else moment(at)

"""Joins, calls, claims and leavings."""

from datetime import datetime
from typing import Any

from simulation.books.tables import (
    Admission,
    Books,
    Entry,
    JoinKey,
    Line,
    Room,
    Row,
    answers,
    seconds,
)


def _of_line(books: Books, line_id: int, *_: Any) -> int:
    return books.lines[line_id].room_id


@answers("join_line", locks=_of_line)
def join_line(
    books: Books,
    line_id: int,
    joins: int,
    root: bytes,
    again: bool,
    persons: list[bytes | None] | None,
    _: Any,
    keys: list[bytes | None],
    ids: list[bytes],
    for_returns: bool,
    sku_ids: list[int | None] | None,
) -> list[Row]:
    assert not persons
    assert not for_returns
    assert sku_ids is None
    line, answer = books.lines[line_id], _join_answer(books.lines[line_id])
    room = books.rooms[line.room_id]
    if again:
        found = [e for e in room.log if e.facts.get("root") == root.hex()]
        if found:
            return [{**answer, **_found(books, line, found[0])}]
    if any((line_id, key) in books.join_keys for key in [*keys, root] if key is not None):
        return [{**answer, "refusal": "has_number"}]
    entered = room.rules["status"] == "scheduled" and room.rules["order_by"] == "draw"
    refusal = "not_open" if entered and line.draw is None else why_closed(room)
    if refusal is not None:
        return [{**answer, "refusal": refusal}]
    return [_give(books, room, line, root, keys, ids, entered=entered)]


def _give(
    books: Books,
    room: Room,
    line: Line,
    root: bytes,
    keys: list[bytes | None],
    ids: list[bytes],
    *,
    entered: bool,
) -> Row:
    """Give the next numbers, or entries while a draw is ahead."""
    joins = len(ids)
    if entered:
        line.entries += joins
    else:
        line.tail += joins
    first = (line.entries if entered else line.tail) - joins + 1
    wanted, called, until = 0 if entered else line.head - first + 1, 0, None
    if wanted > 0:
        called, until = _call_joins(books, room, line, first, wanted)
        if called < wanted:
            line.gate = first - 1 + called
    for number, (key, ticket_id) in enumerate(zip(keys, ids, strict=True), first):
        if key is not None:
            known = JoinKey(number=number, ticket_id=ticket_id, entered=entered)
            books.join_keys[line.line_id, key] = known
    facts = {"line": line.line, "first": first, "last": first + joins - 1, "root": root.hex()}
    if not entered:
        facts["called"] = called
    return {
        **_join_answer(line),
        "entered": entered,
        "first_number": first,
        "called": called,
        "claim_until": books.wall(until),
        "claim_seconds": float(room.rules["claim_window_s"]) if called else None,
        "seq": books.log(room, "entered" if entered else "joined", **facts),
    }


def _join_answer(line: Line) -> Row:
    return {
        "refusal": None,
        "entered": False,
        "first_number": None,
        "called": 0,
        "gate": line.gate,
        "tail": line.tail,
        "claim_until": None,
        "claim_seconds": None,
        "seq": None,
    }


def _found(books: Books, line: Line, entry: Entry) -> Row:
    facts, entered = entry.facts, entry.kind == "entered"
    a = None if entered else books.by_number.get((line.line_id, facts["first"]))
    until = a.claim_until if a is not None and a.state == "called" else None
    left = None if until is None else until + books.stopped - books.clock()
    return {
        "entered": entered,
        "first_number": facts["first"],
        "called": facts.get("called", 0),
        "claim_until": books.wall(until),
        "claim_seconds": left,
        "seq": entry.seq,
    }


def why_closed(room: Room) -> str | None:
    if room.rules["status"] == "ended":
        return "room_ended"
    if room.rules["status"] == "scheduled" and not room.rules["doors_open"]:
        return "not_open"
    return "sold_out" if room.rules["sold_out"] else None


def promise_of(books: Books, room: Room) -> int:
    sells = any(sku.room_id == room.room_id for sku in books.skus.values())
    guaranteed = room.rules["policy"] == "guaranteed" and sells
    if not guaranteed:
        return 0
    each = int(room.rules["units_promised"])
    return each if room.held or room.promised else min(each, max(room.free, 0)) or each


def _afford(room: Room, promise: int) -> int:
    return max(room.free, 0) // promise


def _call_joins(
    books: Books, room: Room, line: Line, first: int, wanted: int
) -> tuple[int, float | None]:
    promise = promise_of(books, room)
    called = min(wanted, _afford(room, promise)) if promise else wanted
    room.promised += called * promise
    if not called:
        return 0, None
    t = books.now()
    until = t + room.rules["claim_window_s"]
    for number in range(first, first + called):
        books.admit(
            line,
            number,
            state="called",
            promised=promise,
            called_at=t,
            passed_at=t,
            claim_until=until,
        )
    return called, until


@answers("find_join_keys", locks=_of_line)
def find_join_keys(books: Books, line_id: int, keys: list[bytes]) -> list[Row]:
    found = []
    for key in sorted(set(keys)):
        known = books.join_keys.get((line_id, key))
        if known is None or known.number == 0:
            continue
        if known.state == "lost":
            _step_back(books, books.lines[line_id], known)
        known.state = "heard"
        found.append(
            {
                "key": key,
                "entered": known.entered,
                "number": known.number,
                "ticket_id": known.ticket_id,
                "sku": None,
            }
        )
    return found


def _step_back(books: Books, line: Line, key: JoinKey) -> None:
    """Give a lost number or entry its place again."""
    if key.entered:
        if line.left.get(key.number) == key.ticket_id and not entries_are_fixed(line):
            del line.left[key.number]
        return
    a = books.by_number.get((line.line_id, key.number))
    if a is None or a.ticket_id != key.ticket_id or a.state not in {"aside", "missed"}:
        return
    room = books.rooms[a.room_id]
    if room.rules["status"] == "ended":
        return
    if not a.had_its_turn:
        del books.by_number[line.line_id, key.number], books.admissions[a.admission_id]
        return
    graceful = a.ended_at is not None and a.ended_at > books.now() - room.rules["grace_s"]
    if a.came_back_at is not None or graceful:
        a.state, a.came_back_at = "missed", books.now()


@answers("lose_joins", locks=_of_line)
def lose_joins(
    books: Books, line_id: int, root: bytes, keys: list[bytes | None], ids: list[bytes]
) -> list[Row]:
    line = books.lines[line_id]
    if (line_id, root) in books.join_keys:
        return [{"lose_joins": 0}]
    books.join_keys[line_id, root] = JoinKey(number=0, ticket_id=root)
    t, lost = books.now(), 0
    for key, ticket_id in zip(keys, ids, strict=True):
        known = None if key is None else books.join_keys.get((line_id, key))
        if known is None or known.ticket_id != ticket_id or known.state != "given":
            continue
        known.state = "lost"
        lost += 1
        if known.entered:
            if not entries_are_fixed(line):
                line.left[known.number] = ticket_id
            continue
        aside = {"state": "aside", "ticket_id": ticket_id, "ended_at": t}
        if books.admit(line, known.number, **aside, end_reason="answer_lost") is not None:
            continue
        a = books.by_number[line_id, known.number]
        if a.state == "called":
            return_promise(books, a)
            a.state, a.ended_at, a.ticket_id = "aside", t, ticket_id
            a.end_reason = "answer_lost"
    return [{"lose_joins": lost}]


def entries_are_fixed(line: Line) -> bool:
    return line.draw is not None and line.draw.fixed


def return_promise(books: Books, a: Admission) -> None:
    books.rooms[a.room_id].promised -= a.promised
    a.promised = 0


@answers("call_numbers", locks=_of_line)
def call_numbers(
    books: Books,
    line_id: int,
    term: int,
    gate_read: int,
    wanted: int,
    again: list[int],
    heard_by: datetime,
    reason: str,
    figures: str,
) -> list[Row]:
    line = books.lines[line_id]
    room = books.rooms[line.room_id]
    answer = {"gate": line.gate, "tail": line.tail, "called": 0, "called_again": 0}
    if books.term > term:
        return [{**answer, "verdict": "stale_term"}]
    if line.gate != gate_read:
        return [{**answer, "verdict": "gate_moved"}]
    head = line.head
    back = [books.admissions[id_] for id_ in again if id_ in books.admissions]
    back = [a for a in back if a.state == "missed" and a.came_back_at is not None]
    back.sort(key=lambda a: a.number)
    if not room.open or _waits_behind(books, line):
        wanted, back = head, []
    promise = promise_of(books, room)
    if promise:
        calls = min(_afford(room, promise), len(back) + wanted - head)
        back = back[: max(calls, 0)]
        wanted = head + min(wanted - head, calls - len(back))
    gate = _step_over(books, line, head, wanted)
    t = books.now()
    until = _call_ends(books, room, heard_by, t)
    called = _call_passed(books, line, head, min(gate, line.tail), promise, t, until)
    for a in back:
        a.state, a.promised, a.called_at, a.claim_until = "called", promise, t, until
        a.came_back_at = a.ended_at = None
    room.promised += (called + len(back)) * promise
    moved_back, line.gate = gate < line.gate, gate
    if called or back or moved_back:
        facts = {"line": line.line, "from": head + 1, "to": min(gate, line.tail), "called": called}
        books.log(room, "called", **facts, gate=gate, again=[a.number for a in back], term=term)
    return [
        {
            "verdict": "done",
            "gate": gate,
            "tail": line.tail,
            "called": called,
            "called_again": len(back),
        }
    ]


def _waits_behind(books: Books, line: Line) -> bool:
    return line.lane == "behind" and any(
        other.lane != "behind" and other.tail > other.gate for other in books.lines_of(line.room_id)
    )


def _step_over(books: Books, line: Line, head: int, wanted: int) -> int:
    """Let the gate pass numbers that left or stand aside without counting them as calls."""
    gone = sorted(
        a.number
        for a in books.admissions.values()
        if a.line_id == line.line_id
        and a.called_at is None
        and a.state in {"left", "aside"}
        and a.number > head
    )
    for number in gone:
        if number > wanted:
            break
        wanted += 1
    return max(wanted, head)


def _call_ends(books: Books, room: Room, heard_by: datetime, t: float) -> float:
    stands = max(books.clock() - books.goes_until, 0.0)
    heard = seconds(heard_by) - (books.stopped + stands)
    return max(heard, t) + float(room.rules["claim_window_s"])


def _call_passed(
    books: Books, line: Line, head: int, last: int, promise: int, t: float, until: float
) -> int:
    called = 0
    for number in range(head + 1, last + 1):
        made = books.admit(
            line,
            number,
            state="called",
            promised=promise,
            called_at=t,
            passed_at=t,
            claim_until=until,
        )
        called += made is not None
        a = books.by_number[line.line_id, number]
        if a.state == "aside" and a.called_at is None:
            a.passed_at = a.ended_at = t
    return called


@answers("add_lane_behind", locks=lambda _, room_id: room_id)
def add_lane_behind(books: Books, room_id: int) -> list[Row]:
    if all(line.lane != "behind" for line in books.lines_of(room_id)):
        line = books.add_line(room_id, "behind")
        books.log(books.rooms[room_id], "lane_added", line=line.line, share=1)
    return []

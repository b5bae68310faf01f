"""Claims, standings, leavings, and the ends of calls and sessions."""

from simulation.books.line import return_promise
from simulation.books.shelf import end_holds
from simulation.books.tables import Admission, Books, Line, Row, answers


@answers("claim_numbers")
def claim_numbers(
    books: Books,
    lines: list[int],
    numbers: list[int],
    ticket_ids: list[bytes],
    networks: list[bytes | None],
) -> list[Row]:
    t, fresh = books.now(), set[int]()
    for line_id, number, ticket_id in zip(lines, numbers, ticket_ids, strict=True):
        a = books.by_number.get((line_id, number))
        if a is None or (a.ticket_id is not None and a.ticket_id != ticket_id):
            continue
        rules = books.rooms[a.room_id].rules
        if a.state == "called":
            a.state, a.ticket_id, a.claimed_at = "claimed", ticket_id, t
            a.expires_at = t + rules["session_s"]
            fresh.add(a.admission_id)
        elif (
            a.state in {"missed", "aside"}
            and a.had_its_turn
            and a.came_back_at is None
            and a.ended_at is not None
            and a.ended_at > t - rules["grace_s"]
            and rules["status"] != "ended"
        ):
            a.state, a.came_back_at, a.ticket_id = "missed", t, ticket_id
    wanted = zip(lines, numbers, ticket_ids, strict=True)
    return [_claimed(books, *one, t=t, fresh=fresh) for one in wanted]


def _claimed(
    books: Books, line_id: int, number: int, ticket_id: bytes, *, t: float, fresh: set[int]
) -> Row:
    room = books.rooms[books.lines[line_id].room_id]
    a = books.by_number.get((line_id, number))
    if a is not None and a.ticket_id is not None and a.ticket_id != ticket_id:
        verdict = "other_ticket"
    elif room.rules["status"] == "ended" and (a is None or a.state in {"missed", "aside"}):
        verdict = "room_ended"
    elif a is None or a.state == "called":
        verdict = "not_yet_called"
    elif a.state in {"missed", "aside"} and a.had_its_turn and a.came_back_at is None:
        verdict = "over"
    else:
        verdict = a.state
    return {
        "verdict": verdict,
        "fresh": None if a is None else a.admission_id in fresh,
        "session_id": None if a is None else a.admission_id,
        "expires_at": None if a is None else books.wall(a.expires_at),
        "seconds_left": None if a is None or a.expires_at is None else a.expires_at - t,
    }


@answers("read_admissions")
def read_admissions(
    books: Books,
    lines: list[int],
    numbers: list[int],
    ticket_ids: list[bytes],
    entered: list[bool],
) -> list[Row]:
    return [_on_file(books, *one) for one in zip(lines, numbers, entered, strict=True)]


def _on_file(books: Books, line_id: int, number: int, entered: bool) -> Row:
    line, t = books.lines[line_id], books.now()
    room = books.rooms[line.room_id]
    a = None if entered else books.by_number.get((line_id, number))
    grace_until = None
    if a is not None and a.ended_at is not None:
        grace_until = a.ended_at + room.rules["grace_s"]
    until = None if a is None else a.claim_until
    is_promised: bool | None = room.rules["policy"] == "guaranteed"
    if is_promised:
        is_promised = None if a is None else a.promised > 0
    return {
        "state": None if a is None else a.state,
        "ticket_id": (line.left.get(number) if entered else None) if a is None else a.ticket_id,
        "came_back": a is not None and a.came_back_at is not None,
        "passed": a is not None and a.had_its_turn,
        "revoked": False,
        "has_left": entered and number in line.left,
        "profile": None,
        "gate": line.gate,
        "tail": line.tail,
        "version": room.version,
        "claim_until": books.wall(until),
        "claim_seconds": None if until is None else until - t,
        "in_grace": grace_until is not None and grace_until > t,
        "grace_until": books.wall(grace_until),
        "returns_email": None,
        "promised": is_promised,
        "named": None,
        "awaits": False,
        "may_be_had": False,
        "for_returns": False,
    }


@answers("leave_line")
def leave_line(books: Books, line_id: int, number: int, ticket_id: bytes) -> list[Row]:
    return [{"leave_line": _leave(books, books.lines[line_id], number, ticket_id)}]


def _leave(books: Books, line: Line, number: int, ticket_id: bytes) -> str:
    ended = books.rooms[line.room_id].rules["status"] == "ended"
    gone = {"state": "left", "ticket_id": ticket_id, "ended_at": books.now()}
    if not ended and books.admit(line, number, **gone) is not None:
        return "left"
    a = books.by_number.get((line.line_id, number))
    if a is not None and a.ticket_id is not None and a.ticket_id != ticket_id:
        return "other_ticket"
    if a is not None and a.state in {"left", "ended"}:
        return "left"
    if a is None or (a.state not in {"called", "claimed"} and ended):
        return "room_ended"
    if a.state == "claimed":
        verdict = end_session(books, a, "left")
        if verdict != "ended":
            return verdict
    return_promise(books, a)
    a.state, a.ticket_id, a.came_back_at = "left", ticket_id, None
    a.ended_at = books.now()
    return "left"


def end_session(books: Books, a: Admission, reason: str) -> str:
    """End a session with its holds."""
    if a.state != "claimed":
        return "over"
    holds = [h for h in books.holds.values() if h.session_id == a.admission_id]
    if any(h.paying for h in holds):
        return "payment_running"
    return_promise(books, a)
    a.state, a.end_reason, a.ended_at = "ended", reason, books.now()
    end_holds(books, [h for h in holds if h.state == "held"], "released")
    return "ended"


@answers("end_session")
def end_session_of(books: Books, session_id: int, reason: str) -> list[Row]:
    a = books.admissions.get(session_id)
    return [{"end_session": "unknown" if a is None else end_session(books, a, reason)}]


@answers("rooms_with_due_admissions")
def rooms_with_due_admissions(books: Books) -> list[Row]:
    t = books.now()
    due = {a.room_id for a in books.admissions.values() if _is_due(a, t)}
    return [{"room_id": room_id} for room_id in sorted(due)]


def _is_due(a: Admission, t: float) -> bool:
    if a.state == "called":
        return a.claim_until is not None and a.claim_until <= t
    return a.state == "claimed" and a.expires_at is not None and a.expires_at <= t


@answers("end_due_admissions")
def end_due_admissions(books: Books, batch_max: int, rooms: list[int]) -> list[Row]:
    t, missed, ended = books.now(), 0, 0
    holding = {h.session_id for h in books.holds.values() if h.state == "held"}
    for a in list(books.admissions.values()):
        if a.room_id not in rooms or not _is_due(a, t) or a.admission_id in holding:
            continue
        return_promise(books, a)
        a.ended_at = t
        if a.state == "called":
            a.state = "missed"
            missed += 1
        else:
            a.state, a.end_reason = "ended", "expired"
            ended += 1
    return [{"missed": missed, "ended": ended}]

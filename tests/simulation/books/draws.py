"""The opening of a room and the draw before it: announced, closed, signed, fixed, revealed."""

from typing import Any

from simulation.books.tables import Books, Draw, Line, Row, answers, seconds


def _of_line(books: Books, line_id: int, *_: Any) -> int:
    return books.lines[line_id].room_id


@answers("keep_hours", locks=lambda _, room_id: room_id)
def keep_hours(books: Books, room_id: int) -> list[Row]:
    room = books.rooms[room_id]
    opens_at = room.rules["opens_at"]
    if room.rules["status"] == "scheduled" and opens_at and seconds(opens_at) <= books.clock():
        room.rules["status"] = "open"
        books.log(room, "status", **{"from": "scheduled", "to": "open"})
        for line in books.lines_of(room_id):
            if line.draw is not None and line.draw.count is None:
                books.log(room, "entries_closed", line=line.line, count=line.entries)
                line.draw.count, line.draw.head = line.entries, room.log[-1].hash
                line.tail = line.entries
    return []


@answers("announce_draw", locks=_of_line)
def announce_draw(
    books: Books, line_id: int, commitment: bytes, sealed: str, key: bytes
) -> list[Row]:
    line = books.lines[line_id]
    room = books.rooms[line.room_id]
    rules = room.rules
    if rules["order_by"] == "draw" and rules["status"] == "scheduled" and line.draw is None:
        line.draw = Draw(commitment=commitment, sealed_seed=sealed, key_of_log=key)
        books.log(room, "draw_announced", line=line.line, commitment=commitment.hex())
    return []


@answers("read_draw")
def read_draw(books: Books, line_id: int) -> list[Row]:
    line = books.lines[line_id]
    if line.draw is None:
        return []
    return [
        {
            "room": books.rooms[line.room_id].rules["room"],
            "line": line.line,
            "count": line.draw.count,
            "head": line.draw.head,
            "value": None,
            "sealed_seed": line.draw.sealed_seed,
        }
    ]


@answers("sign_closing", locks=_of_line)
def sign_closing(books: Books, line_id: int, signature: bytes) -> list[Row]:
    line = books.lines[line_id]
    draw = line.draw
    if draw is not None and draw.count is not None and draw.signature is None:
        draw.signature = signature
        books.log(books.rooms[line.room_id], "closing_signed", line=line.line, count=draw.count)
    return []


def _verdict(books: Books, line: Line, term: int) -> str:
    if books.term > term:
        return "stale_term"
    draw = line.draw
    due = draw is not None and draw.seed is None and draw.signature is not None
    return "done" if due else "not_due"


@answers("fix_entries", locks=_of_line)
def fix_entries(books: Books, line_id: int, term: int) -> list[Row]:
    line = books.lines[line_id]
    verdict = _verdict(books, line, term)
    if verdict != "done" or line.draw is None:
        return [{"verdict": verdict, "entries": None}]
    line.draw.fixed = True
    return [{"verdict": verdict, "entries": sorted(line.left)}]


@answers("reveal_draw", locks=_of_line)
def reveal_draw(
    books: Books,
    line_id: int,
    term: int,
    seed: bytes,
    key: bytes,
    entries: list[int],
    numbers: list[int],
) -> list[Row]:
    line = books.lines[line_id]
    verdict, draw = _verdict(books, line, term), line.draw
    if verdict != "done" or draw is None:
        return [{"reveal_draw": verdict}]
    if not draw.fixed:
        return [{"reveal_draw": "not_due"}]
    draw.seed, draw.key = seed, key
    for entry, number in zip(entries, numbers, strict=True):
        gone = {"state": "left", "ticket_id": line.left[entry], "ended_at": books.now()}
        books.admit(line, number, **gone)
    books.log(books.rooms[line.room_id], "drawn", line=line.line, seed=seed.hex())
    return [{"reveal_draw": "done"}]

"""Holds: placing, ending and reading them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from simulation.books.line import promise_of
from simulation.books.tables import Admission, Books, HoldRow, Row, answers


def _room_of(books: Books, sessions: list[int]) -> int | None:
    found = (books.admissions.get(id_) for id_ in sessions)
    return next((a.room_id for a in found if a is not None), None)


@answers("place_holds", locks=lambda books, *values: _room_of(books, values[5]))
def place_holds(
    books: Books,
    hold_ids: list[UUID],
    keys: list[UUID],
    hashes: list[bytes],
    partial: list[bool],
    request_session: list[int],
    sessions: list[int],
    line_first: list[int],
    line_sku: list[int],
    line_pair: list[int],
    line_units: list[int],
    skus: list[str],
    pair_session: list[int],
    pair_sku: list[int],
    final: bool,
) -> list[Row]:
    assert not any(partial)
    t = books.now()
    answer: Row = {
        "verdicts": [],
        "culprits": [],
        "figures": [],
        "expires": [],
        "seconds_left": [],
        "given": [0] * len(line_sku),
        "must_settle": False,
    }
    wanted = []
    for i, hold_id in enumerate(hold_ids):
        span = range(line_first[i] - 1, line_first[i + 1] - 1)
        lines = {skus[line_sku[j] - 1]: line_units[j] for j in span}
        session = books.admissions.get(sessions[request_session[i] - 1])
        wanted.append((hold_id, keys[i], hashes[i], session, lines, span))
    if not final and _must_settle(books, wanted, t):
        return [{**answer, "must_settle": True}]
    for hold_id, key, digest, session, lines, span in wanted:
        verdict, at, figure = _judge(books, session, key, digest, lines, t)
        expires = None
        if verdict == "placed":
            assert session is not None
            expires = _write(books, session, hold_id, key, digest, lines, t)
            for j in span:
                answer["given"][j] = line_units[j]
        answer["verdicts"].append(verdict)
        answer["culprits"].append(0 if at is None else span.start + list(lines).index(at) + 1)
        answer["figures"].append(figure)
        answer["expires"].append(books.wall(expires))
        answer["seconds_left"].append(None if expires is None else expires - t)
    known = [books.skus.get(sku) for sku in skus]
    answer["prices"] = [None if sku is None else sku.price_minor for sku in known]
    answer["currencies"] = [None if sku is None else "EUR" for sku in known]
    answer["names"] = [None if sku is None else sku.sku.title() for sku in known]
    return [answer]


@answers("place_hold", locks=lambda books, *values: _room_of(books, [values[4]]))
def place_hold(
    books: Books,
    hold_id: UUID,
    key: UUID,
    digest: bytes,
    partial: bool,
    session: int,
    sku: str,
    units: int,
    final: bool,
) -> list[Row]:
    request = [hold_id], [key], [digest], [partial], [1], [session]
    lines = [1, 2], [1], [1], [units], [sku], [1], [1]
    (batch,) = place_holds(books, *request, *lines, final)
    if batch["must_settle"]:
        return [batch]
    return [
        {
            "verdict": batch["verdicts"][0],
            "figure": batch["figures"][0],
            "expires": batch["expires"][0],
            "seconds_left": batch["seconds_left"][0],
            "given": batch["given"][0],
            "price": batch["prices"][0],
            "currency": batch["currencies"][0],
            "name": batch["names"][0],
            "must_settle": False,
        }
    ]


def _must_settle(books: Books, wanted: list[Any], t: float) -> bool:
    """Say whether a request is short of units that an overdue hold may free."""
    tried = Try(books)
    for _, key, digest, session, lines, _span in wanted:
        verdict, sku, _figure = _judge(books, session, key, digest, lines, t, tried)
        if verdict == "placed":
            tried.take(session, lines)
        elif verdict == "out_of_stock":
            overdue = [h for h in books.holds.values() if _is_overdue(h, t)]
            enough_of_it = tried.free(books.skus[sku]) >= lines[sku]
            for hold in overdue:
                of_room = hold.room_id == books.skus[sku].room_id
                if sku in hold.lines or (enough_of_it and of_room):
                    return True
    return False


class Try:
    """What a batch has taken so far, without writing it."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._taken: dict[str, int] = {}
        self._of_session: dict[tuple[int, str], int] = {}
        self._of_room: dict[int, int] = {}
        self._promises: dict[int, int] = {}

    def free(self, sku: Any) -> int:
        return int(sku.on_hand - sku.held - sku.sold - self._taken.get(sku.sku, 0))

    def room_free(self, room_id: int) -> int:
        return self._books.rooms[room_id].free - self._of_room.get(room_id, 0)

    def promised(self, a: Admission) -> int:
        return a.promised - self._promises.get(a.admission_id, 0)

    def had(self, a: Admission, sku: str) -> int:
        return self._of_session.get((a.admission_id, sku), 0)

    def take(self, a: Admission, lines: dict[str, int]) -> None:
        total = sum(lines.values())
        used = min(self.promised(a), total)
        self._promises[a.admission_id] = self._promises.get(a.admission_id, 0) + used
        self._of_room[a.room_id] = self._of_room.get(a.room_id, 0) + total - used
        for sku, units in lines.items():
            self._taken[sku] = self._taken.get(sku, 0) + units
            one = (a.admission_id, sku)
            self._of_session[one] = self._of_session.get(one, 0) + units


def _judge(
    books: Books,
    a: Admission | None,
    key: UUID,
    digest: bytes,
    lines: dict[str, int],
    t: float,
    tried: Try | None = None,
) -> tuple[str, str, int]:
    """Return the verdict on one request, the SKU that stands in the way, and a figure."""
    tried = tried or Try(books)
    own = [] if a is None else [h for h in books.holds.values() if h.session_id == a.admission_id]
    for hold in own:
        if hold.key == key:
            return ("replay" if hold.body_hash == digest else "other_body"), None, 0  # type: ignore[return-value]
    if a is None or a.state != "claimed" or a.expires_at is None or a.expires_at <= t:
        return "session_over", None, 0  # type: ignore[return-value]
    live = [h for h in own if h.state in {"held", "confirmed"}]
    returned = sum(
        (o.returned for o in books.orders.values() if o.session_id == a.admission_id),
        Counter[str](),
    )
    open_units = sum(sum(h.lines.values()) for h in own if h.state == "held")
    total = 0
    for code, want in lines.items():
        sku = books.skus.get(code)
        if sku is None or sku.room_id != a.room_id:
            return "unknown_sku", code, 0
        had = sum(h.lines.get(code, 0) for h in live) - returned[code] + tried.had(a, code)
        of_session = sku.limit - had
        units_max = books.rooms[a.room_id].rules["order_units_max"]
        of_order = units_max - open_units - total
        if want > min(of_session, of_order):
            if of_session <= of_order:
                return "session_limit", code, sku.limit
            return "order_units", code, units_max
        spare = min(tried.free(sku), tried.room_free(a.room_id) + tried.promised(a) - total)
        if spare < want:
            return "out_of_stock", code, max(spare, 0)
        total += want
    return "placed", None, 0  # type: ignore[return-value]


def _write(
    books: Books,
    a: Admission,
    hold_id: UUID,
    key: UUID,
    digest: bytes,
    lines: dict[str, int],
    t: float,
) -> float:
    room, total = books.rooms[a.room_id], sum(lines.values())
    assert hold_id not in books.holds
    assert promise_of(books, room) or not a.promised
    used = min(a.promised, total)
    a.promised -= used
    room.promised -= used
    room.held += total
    for code, units in lines.items():
        books.skus[code].held += units
    expires = t + room.rules["hold_s"]
    books.holds[hold_id] = HoldRow(
        hold_id=hold_id,
        session_id=a.admission_id,
        room_id=a.room_id,
        key=key,
        body_hash=digest,
        lines=dict(lines),
        expires_at=expires,
    )
    return float(expires)


def _is_overdue(hold: HoldRow, t: float) -> bool:
    return hold.state == "held" and not hold.paying and hold.expires_at <= t


def end_holds(books: Books, holds: Iterable[HoldRow], state: str) -> int:
    ended = 0
    for hold in holds:
        if hold.state != "held" or (hold.paying and state != "confirmed"):
            continue
        hold.state, hold.paying = state, False
        room, total = books.rooms[hold.room_id], sum(hold.lines.values())
        room.held -= total
        room.sold += total if state == "confirmed" else 0
        for code, units in hold.lines.items():
            books.skus[code].held -= units
            books.skus[code].sold += units if state == "confirmed" else 0
        ended += 1
    return ended


@answers("expire_holds")
def expire_holds(
    books: Books, batch_max: int, skus: list[str], rooms: list[int] | None
) -> list[Row]:
    t = books.now()
    if rooms is None:
        rooms = [books.skus[sku].room_id for sku in skus if sku in books.skus]
    due = [h for h in books.holds.values() if _is_overdue(h, t) and h.room_id in rooms]
    return [{"expire_holds": end_holds(books, due, "expired")}]


@answers("serve_wishes_beside")
def serve_wishes_beside(books: Books, batch_max: int, skus: list[str]) -> list[Row]:
    return [{"serve_wishes": 0}]


@answers("rooms_to_expire")
def rooms_to_expire(books: Books) -> list[Row]:
    t = books.now()
    return [
        {"room_id": id_}
        for id_ in sorted({h.room_id for h in books.holds.values() if _is_overdue(h, t)})
    ]


@answers("release_hold")
def release_hold(books: Books, hold_id: UUID, session_id: int) -> list[Row]:
    hold = books.holds.get(hold_id)
    if hold is None or hold.session_id != session_id or hold.state != "held":
        return []
    done = end_holds(books, [hold], "released")
    return [{"end_holds": [hold_id] if done else []}]


@answers("find_replay")
def find_replay(books: Books, session_id: int, key: UUID) -> list[Row]:
    found = (h for h in books.holds.values() if (h.session_id, h.key) == (session_id, key))
    return [{"hold_id": hold.hold_id} for hold in found]


@answers("read_hold")
def read_hold(books: Books, session_id: int, hold_id: UUID) -> list[Row]:
    hold = books.holds.get(hold_id)
    if hold is None or hold.session_id != session_id:
        return []
    return [
        {
            "hold_id": hold.hold_id,
            "session_id": session_id,
            "state": hold.state,
            "paying": hold.paying,
            "expires_at": books.wall(hold.expires_at),
            "seconds_left": hold.expires_at - books.now(),
            "extensions_left": books.rooms[hold.room_id].rules["hold_extensions_max"],
            "sku": code,
            "name": code.title(),
            "currency": "EUR",
            "quantity": hold.lines[code],
            "price_minor": books.skus[code].price_minor,
        }
        for code in sorted(hold.lines)
    ]

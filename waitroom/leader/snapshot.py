"""What the rows of a room's snapshot say, and the documents that are made of them."""

from collections.abc import Sequence

import asyncpg

from waitroom.line.forecast.demand import Demand
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.lanes import Lane
from waitroom.line.policy import RoomSnapshot
from waitroom.line.state import LineState, RoomState, shown_status
from waitroom.line.wait import Circumstances, WaitRow
from waitroom.store.office_store import Called


def new_demand(row: asyncpg.Record) -> Demand:
    bounds = [row["order_units_max"], row["session_units_max"]]
    known = [bound for bound in bounds if bound is not None]
    return Demand(
        claim_window_s=float(row["claim_window_s"]),
        session_s=float(row["session_s"]),
        hold_s=float(row["hold_s"]),
        units_max=min(known) if known else None,
    )


def part_of(row: asyncpg.Record, rows: Sequence[asyncpg.Record]) -> float:
    """Return a line's share of the room's calls."""
    return float(row["share"] / sum(line["share"] for line in rows))


def head_of(row: asyncpg.Record) -> int:
    return int(min(row["gate"], row["tail"]))


def units_free(row: asyncpg.Record) -> int:
    """Return the units for new calls: neither waited for by refused sessions nor off sale."""
    spoken_for = row["held"] + row["sold"] + row["promised"] + row["kept"]
    return max(int(row["on_hand"] - spoken_for), 0)


def is_sold_out(row: asyncpg.Record) -> bool:
    """Nothing on the shelf, in a basket or promised: what is left is sold."""
    if row["stock_elsewhere"]:
        return bool(row["stock_heard"] and row["on_hand"] == 0)
    return bool(0 < row["on_hand"] <= row["sold"])


def hours_are_due(row: asyncpg.Record) -> bool:
    opens = row["status"] == "scheduled" and row["opens_at"] is not None
    closes = row["status"] != "ended" and row["closes_at"] is not None
    return (opens and row["opens_at"] <= row["now"]) or (closes and row["closes_at"] <= row["now"])


def snapshot_of(
    row: asyncpg.Record,
    calls_allowed: int,
    outlook: Outlook | None,
    *,
    checkout_calls: int | None,
) -> RoomSnapshot:
    return RoomSnapshot(
        open=row["status"] == "open" and not row["draw_due"],
        seats_max=row["seats_max"],
        seats_taken=row["seats_taken"],
        batch_max=row["batch_max"],
        calls_allowed=calls_allowed,
        has_stock=row["has_stock"],
        units_available=units_free(row),
        units_promised_each=row["units_promised"],
        gate=row["gate"],
        tail=row["tail"],
        came_back=tuple(row["came_back"]),
        demand=outlook,
        disappointed_max=row["disappointed_max"],
        checkout_calls=checkout_calls,
    )


def lane_of(row: asyncpg.Record) -> Lane:
    return Lane(
        line_id=row["line_id"],
        gate=row["gate"],
        tail=row["tail"],
        share=row["share"],
        came_back=tuple(row["came_back"]),
    )


def line_state_of(row: asyncpg.Record, called: Called, table: list[WaitRow]) -> LineState:
    return LineState(
        line=row["line"],
        lane=row["lane"],
        head=min(called.gate, called.tail),
        tail=called.tail,
        entries=row["entries"],
        table=table,
    )


def document_of(
    row: asyncpg.Record,
    lines: list[LineState],
    *,
    version: int,
    sold_out: bool,
    per_second: float | None,
    wait_note: str | None,
) -> RoomState:
    return RoomState(
        version=version,
        room=row["room"],
        status=shown_status(
            row["status"],
            sold_out=sold_out,
            doors_open=row["doors_open"],
            drawing=row["draw_due"],
        ),
        message=row["message"],
        message_at=row["message_at"],
        updated_at=row["now"],
        opens_at=row["opens_at"],
        available=units_free(row),
        held=row["held"],
        has_stock=row["has_stock"],
        calling_per_min=None if per_second is None else round(per_second * 60, 1),
        wait_note=wait_note,
        lines=lines,
    )


def circumstances_of(
    row: asyncpg.Record, *, wait_s: float | None, checkout_slow: bool
) -> Circumstances:
    return Circumstances(
        paused=row["status"] == "paused",
        calls_per_minute=row["calls_per_minute"],
        seats_max=row["seats_max"],
        on_hand=row["on_hand"],
        came_back=len(row["came_back"]),
        checkout_slow=checkout_slow,
        wait_s=wait_s,
    )

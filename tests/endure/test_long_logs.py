"""A room whose log has a great many entries has a fairness report as any other."""

import msgspec
from sale_log import called, joined
from support import (
    as_owner,
    eventually,
    execute,
    open_room,
    size,
)

from inventory.kit.problem import Busy
from waitroom.reports.fairness.fairness_report import FairnessReport
from waitroom.reports.fairness.fairness_store import FairnessStore
from waitroom.run.app import Service

# More than fit exactly into a report's memory.
JOINS = size("LOG_JOINS", 300_000)
CHUNK = 10_000


async def fill(service: Service) -> None:
    """Let two shoppers join in each entry, and be called in the next."""
    (head,) = await execute(service, "SELECT room_id, seq FROM log_head")
    room_id, seq = head["room_id"], head["seq"]
    for start in range(0, JOINS, CHUNK):
        rows = []
        for number in range(2 * start + 1, 2 * min(start + CHUNK, JOINS), 2):
            given = joined(seq + 1, number, number + 1)
            then = called(seq + 2, number, number + 1)
            rows += [(room_id, each.seq, _text(each), b"") for each in (given, then)]
            seq += 2
        async with as_owner(service.pool) as connection:
            await connection.copy_records_to_table("log_entry", records=rows)
    await execute(service, "UPDATE log_head SET seq = $1", seq)


def _text(entry: object) -> str:
    return msgspec.json.encode(entry).decode()


async def test_a_log_of_any_length_has_a_report(service: Service) -> None:
    await open_room(service, seats_max=0)
    await fill(service)
    store = FairnessStore(service.pool)

    async def made() -> FairnessReport | None:
        try:
            return await store.report("drop")
        except Busy:
            return None

    report = await eventually(made, within_s=900)

    assert (report.joined, report.called, report.waiting) == (2 * JOINS, 2 * JOINS, 0)
    assert report.overtaken.total.people == 0
    assert 0 < report.exact_to_s <= 2 * 3600
    await store.close()

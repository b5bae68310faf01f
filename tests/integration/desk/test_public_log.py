"""A head is signed once for everybody who asks within a second."""

from support import execute, open_room

from waitroom.desk.public_log import HEAD_KEPT_S, PublicLog
from waitroom.log.signing import LogKey
from waitroom.run.app import Service
from waitroom.store.log_store import LogStore


async def test_a_head_is_kept_for_a_second_and_then_signed_again(service: Service) -> None:
    now = 100.0
    key, store = LogKey(b"s" * 32), LogStore(service.pool)
    public_log = PublicLog(service.board, store=store, log_key=key, clock=lambda: now)
    await open_room(service)
    await open_room(service, "other", skus={"cap": 1})

    first = await public_log.head("drop")
    await execute(service, "SELECT append_log(room_id, 'sold_out', '{}') FROM room")
    kept = await public_log.head("drop")
    other = await public_log.head("other")
    now += HEAD_KEPT_S
    later = await public_log.head("drop")

    assert kept is first
    assert later.seq == first.seq + 1
    assert [head.room for head in (first, other, later)] == ["drop", "other", "drop"]
    assert all(head.is_signed() for head in (first, other, later))

"""Every kind of entry as the database really writes it, and the log read part by part."""

import os

import msgspec
from support import (
    as_owner,
    execute,
    open_room,
    tick,
)

from inventory.kit.language.catalogues import english
from waitroom.line.ticket import Ticket
from waitroom.log.audit import audit
from waitroom.log.entries import KINDS, ROUTINE
from waitroom.log.reading import read_entry
from waitroom.log.verify.finding import all_holds
from waitroom.run.app import Service
from waitroom.store.elsewhere_store import ElsewhereStore
from waitroom.store.log_store import LogStore
from waitroom.store.place_store import PlaceStore
from waitroom.web.told.entries import tell_entry

LAST = 10**9


async def join(service: Service, count: int, room: str = "drop") -> list[Ticket]:
    line_id = service.board.room(room).line_id
    joined = await service.lines.join(line_id, count, os.urandom(32))
    assert joined.refusal is None
    return [
        Ticket(
            line_id=line_id,
            number=joined.first + index,
            ticket_id=os.urandom(16),
            entered=joined.entered,
        )
        for index in range(count)
    ]


async def a_sale_with_a_draw(service: Service) -> None:
    """Take a room from its announced draw to its calls, and let everything befall its places."""
    places = PlaceStore(service.pool)
    await open_room(
        service, skus={"mug": 9}, status="scheduled", order_by="draw", public_value_source="dice"
    )
    await tick(service)
    mover, slow, *_ = await join(service, 5)
    assert await places.move(mover, to_ticket=os.urandom(16)) == "moved"
    assert await places.give_profile(slow, "extra-time") == "given"
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service)
    assert await service.draws.give_value("drop", "4", who="test") == 1
    await tick(service, 3)
    aside, revoked = (await join(service, 4))[-2:]
    assert await places.step_aside(aside) == "aside"
    revoke = places.revoke("drop", "main-1", revoked.number, who="test", reason="a bot")
    assert await revoke == "revoked"
    back = places.give_back("drop", "main-1", revoked.number, who="test", reason="a person")
    assert await back == "given_back"


async def acts_of_operators(service: Service) -> None:
    await service.rooms.set_lane("drop", "members", share=0.5, who="test")
    sql = "SELECT invite('drop', 'members', 3, '', clock_timestamp() + interval '1 day', 'test')"
    ((batch,),) = await execute(service, sql)
    await execute(service, "SELECT revoke_invitations('drop', $1, 'test')", batch)
    await service.rooms.change("drop", '{"seats_max": 9}', who="test", reason="more staff")
    await execute(service, "SELECT set_profile('drop', 'slow', 'Slow', 3, 5, 'test')")
    await service.ledger.move("mug", kind="adjusted", quantity=-1, who="test", reason="broken")
    rows = "[[1, 0.5, 60, 1.0], [2, null, null, 0.5]]"
    facts = f'{{"line": "main-1", "head": 5, "tail": 7, "rows": {rows}}}'
    await execute(service, "SELECT note_forecast(room_id, 1000, $1) FROM room", facts)
    line, *_ = await service.places.note_restored("drop", who="test", reason="")
    upto = line.last_number + 2
    assert await service.lines.take_up(line.line_id, upto=upto) == upto
    await service.rooms.reset("drop", who="test", reason="the wrong day")


async def a_sale_elsewhere(service: Service) -> None:
    """Let another shop sell out, and find something more."""
    await open_room(service, "there", skus={}, stock_elsewhere=True)
    shop = ElsewhereStore(service.pool)
    for available in (3, 0, 2):
        await shop.hear("there", available=available, held=0, as_of=None, outcomes=[])
        await tick(service, 2)


async def test_every_kind_is_written_read_told_and_checked(service: Service) -> None:
    await a_sale_with_a_draw(service)
    await acts_of_operators(service)
    await a_sale_elsewhere(service)

    seen = set()
    for room in ("drop", "there"):
        entries = await service.public_log.entries(room, after=0, limit=1000)
        for raw in entries:
            entry, text = read_entry(raw.body), msgspec.json.decode(raw.body)
            assert isinstance(entry, KINDS[text.pop("kind")])
            assert set(text) <= set(entry.__struct_encode_fields__), raw.body
            assert tell_entry(raw.seq, raw.body, english()).known
            seen.add(entry.kind)
        findings = audit(entries, room=room)
        assert all_holds(findings), findings
        assert "kinds" not in {finding.check for finding in findings}
    assert seen == set(KINDS)


async def test_the_database_and_the_vocabulary_agree_on_what_is_routine(service: Service) -> None:
    for kind in KINDS:
        sql = "SELECT is_routine(jsonb_build_object('kind', $1::text, 'line', 'a')::text) AS it"
        (row,) = await execute(service, sql, kind)

        assert row["it"] == (kind in ROUTINE), kind


async def test_a_log_is_read_in_parts_from_either_end(service: Service) -> None:
    store = LogStore(service.pool)
    await open_room(service)
    await tick(service)
    for _ in range(3):
        await join(service, 1)
    everything = await store.entries("drop", start=0, last=LAST, limit=1000)
    last = everything[-1].seq
    exceptions = [e for e in everything if read_entry(e.body).kind not in ROUTINE]

    async def read(start: int, limit: int = 1000, **part: bool) -> list[int]:
        found = await store.entries("drop", start=start, last=last - 1, limit=limit, **part)
        return [entry.seq for entry in found]

    assert [entry.seq for entry in everything] == list(range(1, last + 1))
    assert await read(2, limit=3) == [3, 4, 5]
    assert await read(LAST, limit=2, newest_first=True) == [last - 1, last - 2]
    assert await read(3, newest_first=True) == [2, 1]
    assert await read(0, exceptions=True) == [e.seq for e in exceptions if e.seq < last]
    assert await read(4, exceptions=True, newest_first=True) == [
        e.seq for e in reversed(exceptions) if e.seq < 4
    ]


async def test_exceptions_are_read_from_an_index_of_their_own(service: Service) -> None:
    await open_room(service)

    async with as_owner(service.pool) as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(
            """EXPLAIN SELECT e.seq FROM log_entry e JOIN room m USING (room_id)
               WHERE m.room = 'drop' AND NOT is_routine(e.body) ORDER BY e.seq LIMIT 50"""
        )

    assert any("log_entry_exceptions" in row["QUERY PLAN"] for row in plan)

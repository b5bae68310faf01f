"""Functions go on working when PostgreSQL plans them anew."""

from support import execute, open_room, tick

from waitroom.run.app import Service

TABLES = ("line", "room", "admission", "hold", "hold_line", "stock", "room_stock", "log_head")


async def test_statistics_in_mid_sale_change_nothing(service: Service) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    await service.lines.join(1, 3, b"\x01" * 32)

    for table in TABLES:
        await execute(service, f"ANALYZE {table}")

    joined = await service.lines.join(1, 3, b"\x02" * 32)
    assert joined.first == 4
    await tick(service)
    assert await service.office.end_due(10) == (0, 0)

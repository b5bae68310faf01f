"""Functions go on working when PostgreSQL plans them anew, and statistics keep up with a sale."""

import pytest
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


@pytest.mark.parametrize(
    "table", ["admission", "hold", "hold_line", "hold_change", "stock_movement"]
)
async def test_tables_that_grow_at_once_are_looked_at_often(service: Service, table: str) -> None:
    (row,) = await execute(
        service, "SELECT reloptions FROM pg_class WHERE oid = to_regclass($1)", table
    )

    options = dict(option.split("=") for option in row["reloptions"])
    assert float(options["autovacuum_analyze_scale_factor"]) <= 0.02

"""Another version comes in the middle of a sale: its migrations, and its processes one by one."""

from random import Random

from chaos.faults.processes import renewed
from chaos.faults.registry import fault
from chaos.stage import Stage
from waitroom.run.engines.postgres import RUNNING
from waitroom.store.migrate import OUTSIDE, Migration, load_migrations, migrate

# The tables that a sale writes to all the time.
BUSY = ("admission", "hold", "line", "office", "purchase", "stock")
# The first step adds what the next version needs and the present one does not know.
WIDER = Migration(
    name="9997_wider.sql",
    sql="".join(f"ALTER TABLE {table} ADD COLUMN later text;\n" for table in BUSY),
)
INDEXES = Migration(
    name="9998_indexes.sql",
    sql=f"{OUTSIDE}\n"
    + "".join(
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {table}_later ON {table} (later);\n"
        for table in BUSY
    ),
)
# The second one takes away what no process uses any more.
NARROWER = Migration(
    name="9999_narrower.sql",
    sql="".join(f"ALTER TABLE {table} DROP COLUMN later;\n" for table in BUSY),
)


@fault(
    "waitroom migrate adds columns and indexes to the busy tables",
    note="the indexes concurrently",
    silent=True,
)
async def migrated(stage: Stage, dice: Random) -> None:
    await _migrate(stage, WIDER, INDEXES)


@fault(
    "a new version in two steps: migrate, a rolling restart, migrate",
    note="the second migration drops columns",
    silent=True,
)
async def renewed_in_two_steps(stage: Stage, dice: Random) -> None:
    await _migrate(stage, WIDER, INDEXES)
    await renewed(stage, dice)
    await _migrate(stage, WIDER, INDEXES, NARROWER)


async def _migrate(stage: Stage, *more: Migration) -> None:
    await migrate(stage.database_url, [*load_migrations(), *more], running_role=RUNNING)

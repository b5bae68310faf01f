"""The catalogue with a hundred thousand SKUs: `python tools/bench/catalogue.py [--skus N]`.

Imports a file of as many rows, variants five to a product, each with three units to receive: dry,
in earnest, once more as it is, and with another price in every tenth row; and exports it. Then it
reads pages and searches, from the database, and one as the cache gives it. Commits are durable.
The memory is the most that the importing process had, beyond what it had before.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from inventory.api import Catalogue
from inventory.catalogue_csv import ROWS_MAX
from inventory.catalogue_import_store import CatalogueImportStore, Report, Source
from inventory.kit.database import Pool, open_pool
from inventory.product_store import CatalogueStore
from inventory.sku_store import StockStore
from waitroom.run.engines import EmbeddedEngines
from waitroom.store.migrate import migrate
from waitroom.store.room_store import RoomStore

ROOM = "bench"
READS = 200
PATIENCE_S = 300
WORDS = ("Mug", "Bowl", "Vase", "Plate", "Lamp", "Scarf", "Print", "Chair", "Candle", "Tote")
COLOURS = ("ash", "rust", "moss", "iron", "oat")


def write_file(path: Path, skus: int, *, dearer: bool) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("sku,product,product_name,variant,description,price_minor,receive\n")
        for n in range(skus):
            product = n // len(COLOURS)
            word, rare = WORDS[product % len(WORDS)], " rare" if n % 1000 == 0 else ""
            price = 1000 + n % 5000 + (100 if dearer and n % 10 == 0 else 0)
            file.write(
                f"s-{n:06},p-{product:06},{word} no. {product},{COLOURS[n % len(COLOURS)]}{rare},"
                f'"Made by hand, one of a series.",{price},3\n'
            )


@dataclass(slots=True)
class Clock:
    """Time what is done: seconds that pass, and those of CPU, here and in PostgreSQL."""

    pool: Pool
    pids: list[int]
    figures: dict[str, dict[str, float]]

    async def take(self, name: str, call: Callable[[], Awaitable[Any]], *, times: int = 1) -> Any:
        """Repeat it and keep the median of the seconds and the mean of the CPU."""
        walls, here, there = [], time.process_time(), self._engine_s()
        for _ in range(times):
            started = time.perf_counter()
            answer = await call()
            walls.append(time.perf_counter() - started)
        self.figures[name] = {
            "s": statistics.median(walls),
            "program_cpu_s": (time.process_time() - here) / times,
            "postgres_cpu_s": (self._engine_s() - there) / times,
        }
        return answer

    def _engine_s(self) -> float:
        ticks = os.sysconf("SC_CLK_TCK")
        found = 0.0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # User and system time are the 14th and 15th field, and two stand before the bracket.
            found += (int(fields[11]) + int(fields[12])) / ticks
        return found


async def files(clock: Clock, folder: Path, skus: int) -> float:
    """Import and export; return the memory in MiB."""
    plain, dearer = folder / "plain.csv", folder / "dearer.csv"
    write_file(plain, skus, dearer=False)
    write_file(dearer, skus, dearer=True)
    store = CatalogueImportStore(clock.pool)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def load(path: Path, *, dry_run: bool = False) -> Report:
        with path.open("rb") as file, tempfile.TemporaryFile() as fates:
            source = Source(file=file, who="bench")
            return await store.load(ROOM, source, fates, dry_run=dry_run)

    async def dump() -> int:
        return sum([len(piece) async for piece in store.dump(ROOM)])

    for name, call, fate in (
        ("dry run", lambda: load(plain, dry_run=True), "added"),
        ("import", lambda: load(plain), "added"),
        ("import again", lambda: load(plain), "unchanged"),
        ("import with every tenth price changed", lambda: load(dearer), "unchanged"),
    ):
        report = await clock.take(name, call)
        assert report.refused == 0
        assert getattr(report, fate) >= skus * 9 // 10
    assert await clock.take("export", dump) > skus
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


async def reads(clock: Clock, skus: int) -> None:
    stock, products = StockStore(clock.pool), CatalogueStore(clock.pool)
    middle = f"s-{skus // 2:06}"
    for name, call in (
        ("one SKU", lambda: stock.read(middle, private=False)),
        ("a page of 50", lambda: stock.page(room=ROOM, after=middle)),
        ("a page of 50 by a rare word", lambda: stock.page(room=ROOM, search="rare")),
        ("a page of 50 by a tenth's word", lambda: stock.page(room=ROOM, search="scarf")),
        ("a page of 50 by two words", lambda: stock.page(room=ROOM, search="moss scar")),
        ("a page of 50 by a word of all", lambda: stock.page(room=ROOM, search="no")),
        ("a search for nothing there", lambda: stock.page(room=ROOM, search="teapot")),
        ("a page of 20 products", lambda: products.page(room=ROOM, after="p-000100")),
    ):
        await clock.take(name, call, times=READS)
    catalogue = Catalogue(stock, products)
    await clock.take(
        "a page of 50 for a thousand readers at once",
        lambda: asyncio.gather(*(catalogue.skus(room=ROOM) for _ in range(1000))),
    )


async def measure(url: str, folder: Path, skus: int) -> dict[str, Any]:
    await migrate(url)
    # One connection, so that all of PostgreSQL's work is that of one process.
    pool = await open_pool(url, size_max=1)
    try:
        await RoomStore(pool).create(ROOM, "Bench", who="bench")
        clock = Clock(pool, [await pool.fetchval("SELECT pg_backend_pid()")], {})
        memory_mib = await files(clock, folder, skus)
        # Autovacuum does this within a minute.
        await pool.execute("VACUUM ANALYZE", timeout=PATIENCE_S)
        await reads(clock, skus)
        return {"skus": skus, "memory_mib": memory_mib, "figures": clock.figures}
    finally:
        await pool.close()


def show(found: dict[str, Any]) -> None:
    table = Table(f"{found['skus']:,} SKUs", "ms", "CPU here, ms", "CPU in PostgreSQL, ms")
    for name, figures in found["figures"].items():
        table.add_row(name, *(f"{1000 * seconds:,.1f}" for seconds in figures.values()))
    Console(width=110).print(table, f"memory for the files: {found['memory_mib']:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--skus", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="one line of JSON and no table")
    options = parser.parse_args()
    if not 1000 <= options.skus <= ROWS_MAX:
        parser.error(f"--skus is from 1000 to {ROWS_MAX}")
    with tempfile.TemporaryDirectory() as name, EmbeddedEngines(Path(name) / "data") as urls:
        found = asyncio.run(measure(str(urls.postgres_owner_url), Path(name), options.skus))
    if options.json:
        print(json.dumps(found))  # noqa: T201 - the answer
    else:
        show(found)


if __name__ == "__main__":
    main()

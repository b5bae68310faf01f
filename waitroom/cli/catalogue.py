"""`waitroom catalogue`: whole catalogues in and out, as CSV."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from inventory.catalogue_import_store import CatalogueImportStore, Report, Source
from inventory.kit.database import Pool
from waitroom.cli.options import NOTE, OUTPUT_FILE, plainly, settings_options, with_pool

MEMORY_BYTES_MAX = 1024 * 1024


@click.group()
def catalogue() -> None:
    """Import and export a room's catalogue as CSV."""


@catalogue.command(name="import")
@settings_options
@click.argument("room")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Report the fate of each row, and change nothing.")
@click.option(
    "--delivery",
    default="",
    help="The delivery that the units belong to: each SKU is received once of each delivery.",
)
@click.option("--reason", type=NOTE, default="import", show_default=True, help="For the record.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON line for each row, and the totals last."
)
@plainly
def catalogue_import(
    *,
    room: str,
    file: BinaryIO,
    dry_run: bool,
    delivery: str,
    reason: str,
    as_json: bool,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Import FILE into ROOM, or nothing of it if a row is refused. `-` reads standard input."""
    with _seekable(file) as source, _spool() as fates, _progress() as progress:
        task = progress.add_task("", total=None)

        def tell(step: str, share: float | None) -> None:
            progress.update(
                task, description=step, completed=share or 0, total=None if share is None else 1
            )

        async def run(pool: Pool) -> Report:
            return await CatalogueImportStore(pool).load(
                room,
                Source(file=source, who="cli", delivery=delivery, reason=reason),
                fates,
                dry_run=dry_run,
                tell=tell,
            )

        report = with_pool(config, overrides, run)
        progress.stop()
        fates.seek(0)
        for line in fates:
            if as_json:
                click.echo(line, nl=False)
            elif (said := _told(msgspec.json.decode(line))) is not None:
                click.echo(said)
    _tell(report, dry_run=dry_run, as_json=as_json)
    sys.exit(1 if report.refused else 0)


@catalogue.command(name="export")
@settings_options
@click.argument("room")
@click.option(
    "--output",
    type=OUTPUT_FILE,
    help="The file to write; default: standard output.",
)
@plainly
def catalogue_export(room: str, output: Path | None, config: Path | None, **overrides: Any) -> None:
    """Write the catalogue of ROOM as CSV, in the form that `import` takes."""

    async def run(pool: Pool) -> None:
        # Written beside its place and then moved there, so that half a file is never taken for all.
        half = output and output.with_name(f".{output.name}.half")
        out = half.open("wb") if half else sys.stdout.buffer
        try:
            async for piece in CatalogueImportStore(pool).dump(room):
                out.write(piece.encode())
            out.flush()
            if half and output:
                out.close()
                half.replace(output)
        finally:
            if half:
                out.close()
                half.unlink(missing_ok=True)

    with _progress() as progress:
        progress.add_task("writing", total=None)
        with_pool(config, overrides, run)


@contextmanager
def _seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    """Return a file that can be read twice: a pipe is copied first."""
    if file.seekable():
        yield file
        return
    with _spool() as copy:
        while piece := file.read(MEMORY_BYTES_MAX):
            copy.write(piece)
        copy.seek(0)
        yield copy


def _spool() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES_MAX)


def _progress() -> Progress:
    """Show progress on a terminal's error output, apart from the printed rows."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description} …"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _told(fate: dict[str, Any]) -> str | None:
    """Say the fate of a row in a line; None for one without units that changes nothing."""
    if fate["fate"] == "unchanged" and "receive" not in fate:
        return None
    said = f"line {fate['line']}: {fate['sku'] or '?'} {fate['fate']}"
    changes = fate.get("changes", {})
    parts = [
        f"{field} {_short(change[0])} → {_short(change[1])}"
        for field, change in changes.items()
        if isinstance(change, list)
    ]
    if "receive" in fate:
        parts.append(f"receive {fate['receive']}")
    if "received_before" in fate:
        parts.append(f"received before, at {fate['received_at']} by {fate['received_by']}")
    parts += fate.get("reasons", [])
    return f"{said}: {'; '.join(parts)}" if parts else said


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


_SHOWN_MAX = 40


def _tell(report: Report, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    figures = (
        f"{report.rows} rows: {report.added} added, {report.changed} changed, "
        f"{report.unchanged} unchanged, {report.refused} refused; {report.received} units received"
    )
    if report.received_before:
        figures += (
            f"{os.linesep}{report.received_before} units came with an earlier import and are not "
            "received again; if they came twice, name their delivery with --delivery"
        )
    if dry_run:
        click.echo(f"a dry run: nothing was imported{os.linesep}{figures}")
    elif report.imported:
        click.echo(figures)
    else:
        click.echo(f"nothing was imported{os.linesep}{figures}", err=True)

"""Rows as lines of a CSV file that is safe to open in a spreadsheet. Pure."""

import csv
import io
from collections.abc import Iterable

from inventory.kit.tables.cells import guarded


def write_rows(
    rows: Iterable[Iterable[str]], *, separator: str = ",", numbers_stay: bool = False
) -> str:
    """Return rows as lines of a file, each cell guarded against formulas."""
    lines = io.StringIO(newline="")
    csv.writer(lines, delimiter=separator, lineterminator="\r\n").writerows(
        [guarded(cell, numbers_stay=numbers_stay) for cell in row] for row in rows
    )
    return lines.getvalue()

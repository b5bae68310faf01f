"""Cells of files that people open in a spreadsheet. Pure."""

import re

# A spreadsheet takes a cell that begins with one of these characters for a formula. Some take their
# full-width forms for the same characters. Apostrophes before them count too, so that `guarded`
# can be undone for every cell.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def is_formula(cell: str) -> bool:
    """Say whether a spreadsheet would calculate this cell, or would once it is unguarded."""
    return _FORMULA.match(cell) is not None


def guarded(cell: str) -> str:
    """Return the cell, with an apostrophe before a formula so that it is taken for text."""
    return f"'{cell}" if is_formula(cell) else cell


def unguarded(cell: str) -> str:
    """Return the cell as it was before `guarded`."""
    return cell[1:] if cell.startswith("'") and is_formula(cell) else cell

"""Cells that a spreadsheet must not calculate, and their way back. Pure.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, some take the
full-width forms for the same signs, and some drop a tab or a line end before them. A file with
commas is opened with semicolons or tabs in many countries, and the quotes do not help then: the
quoted cell `Mug;=cmd` becomes a cell of its own from the `=` on. So every separator, and every line
end, counts as the beginning of a cell.

The guard is an apostrophe at each such beginning. Apostrophes, quotes and spaces that stand between
the beginning and the sign are part of what is looked for, therefore `guarded` never writes the same
text for two cells, and `unguarded` gives back each of them.
"""

import re

_BEGINS = r"(?:\A|(?<=[,;\t\r\n]))"
_SIGN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
# Spaces of any kind, but none that begins a cell by itself.
_RUN = r"(?:[\"']|[^\S\t\r\n])*"
_DANGER = rf"(?:{_RUN}{_SIGN}|\A'*[\t\r\n])"
# Most cells have none of these, and are looked through at once.
_MARKS = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
_FORMULA = re.compile(rf"{_BEGINS}(?={_DANGER})")
# Behind the apostrophe that is taken away the text's own beginning follows.
_GUARD = re.compile(rf"{_BEGINS}'(?={_RUN}{_SIGN}|(?<=\A')'*[\t\r\n])")
# Telephone numbers and negative amounts begin like formulas and do no harm.
_NUMBER = r"[^\S\t\r\n]*[+-][0-9 ()./-]*(?:[,;\t\r\n]|\Z)"
_FORMULA_NO_NUMBER = re.compile(rf"{_BEGINS}(?!{_NUMBER})(?={_DANGER})")


def guarded(cell: str, *, numbers_stay: bool = False) -> str:
    """Return the cell with an apostrophe before each part that would be a formula.

    With `numbers_stay` numbers with a sign are left as they are; such a cell has no way back.
    """
    if not _MARKS.search(cell):
        return cell
    return (_FORMULA_NO_NUMBER if numbers_stay else _FORMULA).sub("'", cell)


def unguarded(cell: str) -> str:
    """Return the cell as it was before `guarded`."""
    return _GUARD.sub("", cell) if "'" in cell else cell

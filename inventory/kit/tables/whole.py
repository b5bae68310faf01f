"""Whole numbers as spreadsheets write them, where they can mean one thing alone. Pure."""

import re

# Groups of three digits, or digits without a sign between them, and perhaps decimals.
_NUMBER = re.compile(
    r"([0-9]{1,3}(?:([.,' \u00a0\u202f\u2019])[0-9]{3})(?:\2[0-9]{3})*|[0-9]{1,18})"
    r"(?:([.,])0{1,2})?"
)
_SHORTENED = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_DECIMAL = re.compile(r"[0-9][0-9.,' \u00a0\u202f\u2019]*[.,][0-9]{1,2}")


class NotWhole(ValueError):
    """The cell is no whole number. The message is empty, or goes on after the cell was quoted."""


def read_whole(cell: str, *, decimals: bool) -> int:
    """Return the whole number in a cell; raises `NotWhole`.

    Thousands may be set apart by spaces and apostrophes, and by points or commas if there are two
    of them or decimals behind: `1,234` alone may be 1234 or little more than 1. With `decimals`
    the number may have decimals of zero, as in `10,00`. Amounts in minor units may not, since
    `22,00` may be 22 or 2200 of them. A number that was shortened to `1E+06` may have lost digits.
    """
    text = cell.strip()
    if text.isdecimal() and text.isascii() and len(text) <= 18:
        return int(text)
    if _SHORTENED.fullmatch(text):
        raise NotWhole(", which the spreadsheet has shortened: format the cell as a number")
    if not decimals and _DECIMAL.fullmatch(text):
        raise NotWhole(": an amount in minor units, such as cents, has no decimals")
    found = _NUMBER.fullmatch(text)
    if found is None or (found[3] and found[3] == found[2]):
        raise NotWhole
    if found[2] in {".", ","} and found[1].count(found[2]) == 1 and not found[3]:
        raise NotWhole(", where the sign may stand before thousands or decimals")
    return int(re.sub("[^0-9]", "", found[1]))

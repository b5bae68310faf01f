"""Cells of files that people open in a spreadsheet. Pure."""

import re

# A spreadsheet would take such a cell for a formula; an apostrophe before it says that it is text.
# One more is put before what begins with an apostrophe and a sign already, so that none is lost.
# Also the full-width forms, which some spreadsheets read as the same signs.
FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

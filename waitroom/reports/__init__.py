"""Reports on a sale, without HTTP: how fair it was, and what it came to.

Nothing is gathered for a report while a sale runs. Figures are counted when they are asked for,
from the room's public log and from the books, in one snapshot and without locks
(`test_a_report_waits_for_nobody_and_holds_nobody_up`). Waits are read off the log, since a shopper
who waits has no row. No figure is about one person.
"""

"""The tables in memory, and the answers of the named queries: what the SQL promises, kept small.

`tables.py` has the tables and the clock, `office.py` the office and the documents, `draws.py` the
opening and the draw, `line.py` joins and calls, `claims.py` what follows a call, `shelf.py` holds,
`till.py` orders, `refunds.py` money and units that go back. One call of `ask` is
one statement in a transaction of its own. See `simulation` for what is left out.
"""

from simulation.books import claims, draws, line, office, refunds, shelf, till
from simulation.books.tables import QUERIES, Books, ask, room_locked_by

__all__ = [
    "QUERIES",
    "Books",
    "ask",
    "claims",
    "draws",
    "line",
    "office",
    "refunds",
    "room_locked_by",
    "shelf",
    "till",
]

"""The public log as a page for people: in words, with each entry's exact text beside them."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from aiohttp import web

from inventory.kit.database import Pool, connection
from inventory.kit.http import query_int
from inventory.kit.pages import Pages
from inventory.kit.problem import BadRequest
from waitroom.desk.board import RoomView
from waitroom.log.entries import ROUTINE
from waitroom.log.words import Told, tell_entry
from waitroom.reports.fairness.fairness_store import SQL

ENTRIES_SHOWN = 50
# How far one page looks for exceptions among what the line does of itself.
LOOKED_AT_MAX = 20_000
HASH_SHOWN = 12
# By whether exceptions alone are wanted, and whether the newest come first.
_QUERIES = {
    (False, False): "read_page_forward",
    (False, True): "read_page_backward",
    (True, False): "read_exceptions_forward",
    (True, True): "read_exceptions_backward",
}
_ROUTINE_KINDS = [f'%"kind": "{kind}"%' for kind in sorted(ROUTINE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which part of a log is shown: from `start` on in one direction, all or exceptions alone."""

    newest_first: bool
    start: int
    exceptions: bool

    def href(self, **changes: Any) -> str:
        """Return the query of a page that differs from this one."""
        newest_first = changes.get("newest_first", self.newest_first)
        start = changes.get("start")
        exceptions = changes.get("exceptions", self.exceptions)
        parts = ["order=newest" if newest_first else "order=oldest"]
        if start is not None:
            parts.append(f"before={start}" if newest_first else f"after={start}")
        if exceptions:
            parts.append("only=exceptions")
        return "?" + "&".join(parts)


class LogPages:
    def __init__(self, pool: Pool, *, pages: Pages) -> None:
        self._pool = pool
        self._pages = pages

    async def show(
        self, request: web.Request, view: RoomView, head: dict[str, Any]
    ) -> web.Response:
        """Show a part of a room's log under its signed head; who may see it was decided before."""
        wanted = _wanted(request, head["seq"])
        rows, following = await self._read(view.room, wanted, head["seq"])
        entries = [_shown(row) for row in rows]
        context = {
            "room": {"room": view.room, "name": view.rules.name},
            "draw": view.rules.order_by == "draw",
            "public_value_source": view.rules.public_value_source,
            "fairness_public": view.rules.fairness_public,
            "head": head,
            "days": [
                {"day": day, "entries": list(of_day)}
                for day, of_day in groupby(entries, key=lambda entry: entry["day"])
            ],
            "newest_first": wanted.newest_first,
            "exceptions": wanted.exceptions,
            "links": _links(wanted, following),
            # Where nothing was found, further on there may be something.
            "looked_at": LOOKED_AT_MAX if wanted.exceptions and not rows and following else None,
        }
        return self._pages.render("log.html", context, title=f"Log of {view.rules.name}")

    async def _read(
        self, room: str, wanted: Wanted, last: int
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return what is shown, and where the next page starts, or None at the end."""
        query = SQL[_QUERIES[wanted.exceptions, wanted.newest_first]]
        # Not beyond the signed head, so that nothing is shown that it does not cover.
        end = (
            max(wanted.start - LOOKED_AT_MAX, 1)
            if wanted.newest_first
            else min(wanted.start + LOOKED_AT_MAX, last)
        )
        values: list[Any] = [room, wanted.start, end, ENTRIES_SHOWN]
        if wanted.exceptions:
            values.append(_ROUTINE_KINDS)
        async with connection(self._pool) as borrowed:
            rows = [dict(row) for row in await borrowed.fetch(query, *values)]
        seen = rows[-1]["seq"] if len(rows) == ENTRIES_SHOWN else end
        done = seen <= 1 if wanted.newest_first else seen >= last
        return rows, None if done else seen


def _wanted(request: web.Request, last: int) -> Wanted:
    order = request.query.get("order")
    only = request.query.get("only", "")
    if order not in {None, "newest", "oldest"} or only not in {"", "exceptions"}:
        raise BadRequest("order must be newest or oldest, and only, if given, exceptions.")
    # A program's address has `after`, and a person may open it.
    newest_first = order == "newest" or (order is None and "after" not in request.query)
    if newest_first:
        start = query_int(request, "before", default=last + 1, low=1, high=2**62)
        start = min(start, last + 1)
    else:
        start = query_int(request, "after", default=0, low=0, high=2**62)
    return Wanted(newest_first=newest_first, start=start, exceptions=only == "exceptions")


def _links(wanted: Wanted, following: int | None) -> dict[str, str | None]:
    return {
        "newest": wanted.href(newest_first=True),
        "oldest": wanted.href(newest_first=False),
        "all": wanted.href(exceptions=False),
        "exceptions": wanted.href(exceptions=True),
        "following": None if following is None else wanted.href(start=following),
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    told: Told = tell_entry(row["seq"], row["body"])
    return {
        "seq": told.seq,
        "day": told.at.strftime("%Y-%m-%d") if told.at else "",
        "at": told.at.isoformat() if told.at else "",
        "time": told.at.strftime("%H:%M:%S") if told.at else "",
        "text": told.text,
        "more": told.more,
        "known": told.known,
        "routine": told.routine,
        "body": row["body"],
        "hash": row["hash"],
        "short_hash": row["hash"][:HASH_SHOWN],
    }

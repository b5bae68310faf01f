"""The public log as a page for people: in words, with each entry's exact text beside them."""

from dataclasses import replace
from itertools import groupby

from aiohttp import web

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.query import Choice, Whole
from inventory.kit.http import read_query
from inventory.kit.language.asked import ROOM_LANGUAGE, language_of
from inventory.kit.language.language import Language
from inventory.kit.pages import Pages
from waitroom.desk.board import RoomView
from waitroom.desk.public_log import LogPart, PublicLog
from waitroom.log.chain import LogEntry
from waitroom.web.told.entries import HASH_SHOWN, tell_entry

ENTRIES_SHOWN = 50


AFTER = Whole(
    name="after", text="The entry before the first one to return.", default=0, low=0, high=2**62
)
_BEFORE = Whole(
    name="before", text="The entry after the last one to show.", default=0, low=1, high=2**62
)
_ORDER = Choice(name="order", text="Which entries come first.", words=("newest", "oldest"))
_ONLY = Choice(name="only", text="The exceptions alone, or all.", words=("exceptions", ""))


class LogPages:
    """Renders parts of a room's log."""

    def __init__(self, public_log: PublicLog, *, pages: Pages) -> None:
        self._public_log = public_log
        self._pages = pages

    async def show(self, request: web.Request, view: RoomView) -> web.Response:
        """Show a part of a room's log under its signed head; the caller decides who may see it."""
        head = await self._public_log.head(view.room)
        part = _wanted(request, head.seq)
        # The page shows no entry that the signed head does not cover.
        entries, following = await self._public_log.part(
            view.room, part, last=head.seq, limit=ENTRIES_SHOWN
        )
        request[ROOM_LANGUAGE] = view.rules.language
        language = language_of(request)
        shown = [_shown(entry, language) for entry in entries]
        context = {
            "room": {"room": view.room, "name": view.rules.name},
            "draw": view.rules.order_by == "draw",
            "public_value_source": view.rules.public_value_source,
            "fairness_public": view.rules.fairness_public,
            "head": head,
            "days": [
                {"at": of_day[0]["at"], "entries": of_day}
                for of_day in (
                    list(entries) for _, entries in groupby(shown, key=lambda one: one["day"])
                )
            ],
            "newest_first": part.newest_first,
            "exceptions": part.exceptions,
            "links": _links(part, following),
        }
        return self._pages.render(
            "log.html", context, title=f"Log of {view.rules.name}", request=request
        )


def _wanted(request: web.Request, last: int) -> LogPart:
    """Return the part that a request asks for; `last` is the last entry of the log."""
    query = read_query(request)
    order, only = _ORDER.of(query), _ONLY.of(query)
    # A program's address has `after`, and a person may open it.
    newest_first = order == "newest" or (order is None and "after" not in query)
    start = _BEFORE.of(query) or last + 1 if newest_first else AFTER.of(query)
    return LogPart(newest_first=newest_first, start=start, exceptions=only == "exceptions")


def _links(part: LogPart, following: int | None) -> dict[str, str | None]:
    return {
        "newest": _href(replace(part, newest_first=True)),
        "oldest": _href(replace(part, newest_first=False)),
        "all": _href(replace(part, exceptions=False)),
        "exceptions": _href(replace(part, exceptions=True)),
        "following": None if following is None else _href(part, start=following),
    }


def _href(part: LogPart, *, start: int | None = None) -> str:
    """Return the query of a part; without a start it is the beginning, or the newest entries."""
    parts = ["order=newest" if part.newest_first else "order=oldest"]
    if start is not None:
        parts.append(f"before={start}" if part.newest_first else f"after={start}")
    if part.exceptions:
        parts.append("only=exceptions")
    return "?" + "&".join(parts)


def _shown(entry: LogEntry, language: Language) -> Json:
    told = tell_entry(entry.seq, entry.body, language)
    hash_ = entry.hash.hex()
    return {
        "seq": told.seq,
        "day": told.at.strftime("%Y-%m-%d") if told.at else "",
        "at": told.at.isoformat() if told.at else "",
        "text": told.text,
        "more": told.more,
        "known": told.known,
        "routine": told.routine,
        "body": entry.body,
        "hash": hash_,
        "short_hash": hash_[:HASH_SHOWN],
    }

"""Moments in the query strings of operators' calls."""

import re
from datetime import datetime

from aiohttp import web

from inventory.kit.doors.moments import UnreadableMoment, parse_moment
from inventory.kit.problem import BadRequest

# In a query string a plus sign that was not escaped has become a space.
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:[0-9]{2}\Z)")


def query_moment(request: web.Request, name: str) -> datetime | None:
    """Return a moment from the query string, None if it is missing; raises `BadRequest`."""
    text = request.query.get(name, "").strip()
    if not text:
        return None
    try:
        return parse_moment(_LOST_PLUS.sub("+", text))
    except UnreadableMoment as error:
        raise BadRequest(f"{name} must be {error}.") from error

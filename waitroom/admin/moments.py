"""Moments in the query strings of operators' calls."""

from datetime import UTC, datetime

from aiohttp import web

from inventory.kit.problem import BadRequest


def query_moment(request: web.Request, name: str) -> datetime | None:
    """Return a moment from the query string; one without an offset is UTC."""
    text = request.query.get(name)
    if not text:
        return None
    try:
        # A plus sign that was not escaped has become a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name} must be a moment such as 2026-11-22T10:00:00Z.") from error

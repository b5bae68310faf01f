"""Texts of a query string, with the bounds that bodies have. Pure."""

from collections.abc import Callable, Mapping

from inventory.kit.doors.texts import UnfitText
from inventory.kit.problem import BadRequest

SEARCH_LENGTH_MAX = 100


def query_text(
    query: Mapping[str, str], name: str, read: Callable[[str], str], *, default: str = ""
) -> str:
    """Return a text of the query string as `read` takes it; raises `BadRequest` with its name."""
    text = query.get(name)
    if text is None:
        return default
    try:
        return read(text)
    except UnfitText as error:
        raise BadRequest(f"The parameter `{name}` {error}.") from error


def query_search(query: Mapping[str, str]) -> str:
    """Return what the parameter `q` searches for, "" for nothing; raises `BadRequest`."""
    search = query.get("q", "").strip()
    if len(search) > SEARCH_LENGTH_MAX:
        raise BadRequest(f"A search has at most {SEARCH_LENGTH_MAX} letters.")
    return search

"""The answer of a gate to a request that it does not let through. Pure."""

from enum import Enum, auto

# These carry nothing that a redirect would lose.
_BODILESS = frozenset({"GET", "HEAD"})


class Answer(Enum):
    """How a refused request is answered."""

    # A proxy such as nginx turns the bare status into an answer of its own.
    STATUS = auto()
    # A browser goes to the room and comes back later.
    REDIRECT = auto()
    # A browser that sent a form reads that nothing was passed on: a redirect would lose the form.
    PAGE = auto()
    # A program reads where the room is, and when to ask again.
    WAIT = auto()


def answer_to(method: str, *, redirects: bool, is_browser: bool) -> Answer:
    """Return how to answer a request; `redirects` says that the proxy passes our answer on."""
    if not redirects:
        return Answer.STATUS
    if not is_browser:
        return Answer.WAIT
    return Answer.REDIRECT if method.upper() in _BODILESS else Answer.PAGE

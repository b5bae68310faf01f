"""The description of a route, what it takes and what it answers, said once above its handler.

`described` notes it on the handler and does nothing else, so a request costs what it did before.
`waitroom/run/openapi/` reads it from the routes and writes the document for programs.

    @described(caller=Caller.SESSION, headers=(KEY,), body=Basket, answer=HoldBody, status=201,
               refusals=(OutOfStock, LimitReached))
    async def place_hold(self, request: web.Request) -> web.Response:
        \"\"\"Hold units of one or more SKUs until a deadline.\"\"\"

The docstring tells callers what the route does: its first line is the summary. What all routes of a
kind share is not repeated here: the parameters of the path, the sign-in of operators, and the
refusals that a body, a query or a caller brings with it are added by the reader.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from inventory.kit.doors.query import Parameter
from inventory.kit.problem import Refusal

JSON = "application/json"
CSV = "text/csv"

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Caller(StrEnum):
    """The caller of a route, and with it the credential that a request carries."""

    ANYONE = "anyone"
    # A shopper in line, by the room's ticket.
    TICKET = "ticket"
    # An admitted shopper, by the session that a claim gave.
    SESSION = "session"
    # A shopper whom the shop's identity provider has signed in.
    CUSTOMER = "customer"
    # An operator, unless the request comes from the machine itself.
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header of a request or of an answer; `pattern` bounds its value."""

    name: str
    text: str
    required: bool = False
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One good answer. `body` is the type of its JSON, None for an answer without a body.

    A body in another form than JSON, such as a file, has `bytes` or `str` and its content type.
    """

    status: int = 200
    body: Any = None
    text: str = ""
    content_type: str = JSON
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The request that a handler takes, and its answers.

    `body` is the type of the request's JSON, or `bytes` for a file of one of the types that
    `accepts` lists. `also` has good answers besides the first.
    """

    caller: Caller
    query: tuple[Parameter, ...]
    headers: tuple[Header, ...]
    body: Any
    body_required: bool
    accepts: tuple[str, ...]
    answers: tuple[Answer, ...]
    refusals: tuple[type[Refusal], ...]


# Headers that several routes share.
KEY = Header(
    name="Idempotency-Key",
    text="Names this act. A repeat with the same key finds the first result, and acts only once.",
    required=True,
    pattern=r"^[^\x00-\x1f\x7f-\xa0\xad]{1,128}$",
)
# An empty one is none.
OPTIONAL_KEY = Header(name=KEY.name, text=KEY.text, pattern=KEY.pattern.replace("{1,", "{0,"))
CLIENT_KEY = Header(
    name="Waitroom-Client-Key",
    text="A secret of the app: 32 to 128 random hex digits. The ticket and the session of an "
    "answer are bound to it, and each request that uses one has to send it too.",
    pattern="^(?:[0-9A-Fa-f]{32,128})?$",
)
# Where nothing is bound anew any other value is as good as none.
SHOWN_KEY = Header(
    name=CLIENT_KEY.name,
    text="The secret of the app that the ticket or the session is bound to, if it is to one.",
)
IF_NONE_MATCH = Header(
    name="If-None-Match",
    text="The ETag of the version that the client has. If it still stands, the answer is 304.",
)
ETAG = Header(name="ETag", text="Names this version of the answer, for If-None-Match.")
LOCATION = Header(name="Location", text="The address of what was made.")
RETRY_AFTER = Header(name="Retry-After", text="Seconds until the next try.", pattern="^[0-9]+$")
RATE_LIMIT = (
    Header(
        name="RateLimit",
        text="The limit that refused, `r` requests left and `t` seconds until the next try.",
    ),
    Header(
        name="RateLimit-Policy",
        text="The size of that limit: `q` requests at once, all free again after `w` seconds.",
    ),
)

NOT_MODIFIED = Answer(status=304, text="The client has this version.", headers=(ETAG,))


def described(
    *,
    caller: Caller = Caller.ANYONE,
    query: tuple[Parameter, ...] = (),
    headers: tuple[Header, ...] = (),
    body: Any = None,
    body_required: bool = True,
    accepts: tuple[str, ...] = (JSON,),
    answer: Any = None,
    status: int = 200,
    content_type: str = JSON,
    answer_headers: tuple[Header, ...] = (),
    also: tuple[Answer, ...] = (),
    refusals: tuple[type[Refusal], ...] = (),
) -> Callable[[Handler], Handler]:
    """Note on a handler what it takes and answers; its docstring says what it does."""
    first = Answer(status=status, body=answer, content_type=content_type, headers=answer_headers)
    noted = Described(
        caller=caller,
        query=query,
        headers=headers,
        body=body,
        body_required=body_required,
        accepts=accepts,
        answers=(first, *also),
        refusals=refusals,
    )

    def note(handler: Handler) -> Handler:
        handler.__described__ = noted  # type: ignore[attr-defined]
        return handler

    return note


def description_of(handler: Callable[..., Any]) -> Described | None:
    """Return what is noted on a route's handler, None for one that is not described."""
    found: Described | None = getattr(action_of(handler), "__described__", None)
    return found


def action_of(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a route does once its guard has let a request through."""
    action: Callable[..., Any] = getattr(handler, "__wrapped__", handler)
    return action

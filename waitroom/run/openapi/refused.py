"""The refusals of an operation: its own, and those that every route of a kind has. Pure."""

from collections.abc import Iterator

from checkout.refusals import (
    CustomersNotConfigured,
    CustomerTokenInvalid,
    IdentityProviderAway,
    NotSigned,
    RoomNeeded,
    UnknownRefund,
    UnknownRoom,
)
from inventory.kit.doors.described import KEY, Caller
from inventory.kit.problem import (
    BadRequest,
    Busy,
    CrossSite,
    EngineDown,
    Failed,
    Forbidden,
    IdempotencyKeyMissing,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooLarge,
    TooManyRequests,
    Unprocessable,
    UnsupportedMediaType,
)
from inventory.refusals import SessionBound, SessionOver
from waitroom.admin.accounts.refusals import (
    ClosedToKeys,
    FreshSignInNeeded,
    KeyNarrowed,
    KeyRefused,
    NoAccount,
    ProviderAway,
    ProviderRefused,
    ProviderUndated,
    ScopeLacking,
    SecondFactorNeeded,
    SignInNeeded,
    TwoCredentials,
    WrongCode,
)
from waitroom.refusals import LineOver, NoTicket, TicketBound, TicketMoved
from waitroom.run.openapi.operations import Operation

# Each of these may come from any route.
ALWAYS: tuple[type[Refusal], ...] = (Busy, EngineDown, Failed, TooManyRequests)
OF_CALLER: dict[Caller, tuple[type[Refusal], ...]] = {
    Caller.ANYONE: (),
    Caller.TICKET: (NoTicket, LineOver, TicketMoved, TicketBound),
    Caller.SESSION: (SessionOver, SessionBound, RoomNeeded),
    Caller.OPERATOR: (SignInNeeded, Forbidden, KeyRefused, TwoCredentials, ScopeLacking),
    Caller.CUSTOMER: (CustomerTokenInvalid, CustomersNotConfigured, IdentityProviderAway),
}
# These come where no route is: from the router, from forms of browsers alone, or never to a client.
BEYOND_ROUTES: set[type[Refusal]] = {
    *(MethodNotAllowed, NotSigned, UnknownRefund, WrongCode),
    *(NoAccount, ProviderAway, ProviderRefused, ProviderUndated),
}


def refusals_of(operation: Operation) -> list[type[Refusal]]:
    """Return every refusal of an operation, by status and code."""
    found = {*operation.described.refusals, *_of_its_kind(operation)}
    return sorted(found, key=lambda kind: (kind.status, kind.code, kind.title))


def _of_its_kind(operation: Operation) -> Iterator[type[Refusal]]:
    described = operation.described
    yield from ALWAYS
    yield from OF_CALLER[described.caller]
    if operation.access is not None:
        yield from (SignInNeeded, Forbidden, KeyRefused, TwoCredentials)
        yield from (ScopeLacking, KeyNarrowed) if operation.access.scopes else (ClosedToKeys,)
        if not operation.access.before_factor:
            yield SecondFactorNeeded
        if operation.access.fresh:
            yield FreshSignInNeeded
    if operation.method not in {"get", "head"}:
        # The Origin header of a browser may be another site's, or unreadable.
        yield from (CrossSite, BadRequest)
    if described.body is not None:
        yield from (BadRequest, Unprocessable, TooLarge, UnsupportedMediaType)
    if described.query or described.headers or operation.parts or described.caller in _NAMES_ROOM:
        # The tables store no NUL, so any text may be refused.
        yield from (BadRequest, Unprocessable)
    if operation.parts:
        yield NotFound
    if any(part.name == "room" for part in operation.parts):
        yield UnknownRoom
    if KEY in described.headers:
        yield IdempotencyKeyMissing


_NAMES_ROOM = frozenset({Caller.SESSION})

"""Tokens, entries and cancellations of KnownUser V3, without a clock and without a room. Pure."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from inventory.catalogue import ROOM

# Customers and events stand in tokens, cookies and paths, whose separators they must not hold. The
# connector hashes an event's lower-case form and later checks it as written, so capitals would
# lose each visitor at the second request.
NAME = re.compile(ROOM)
# A token that is used later is refused, so a link that is passed on is soon worth nothing.
# The clocks of room and site may differ by less than this.
TOKEN_S = 240
TARGET_LENGTH_MAX = 4000
TOKEN_LENGTH_MAX = 1000
# The rooms of one `cancel/multiple`.
CANCELLED_MAX = 20
PURPOSE = b"waitroom.known-user.1:"
PARAMETER = "queueittoken"
_QUEUE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_DIGITS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token tells the site.

    `expires_at` is in seconds since 1970: the site takes the token up until then. With `extends`
    the site's cookie may be renewed while its visitor is active; `cookie_min` fixes the minutes
    that it lasts instead. `address_hash` binds the token to a network address, "" to none.
    """

    event: str
    queue_id: str
    expires_at: int
    extends: bool = False
    cookie_min: int | None = None
    redirect_type: str = "queue"
    address_hash: str = ""


def mint(token: Token, secret: str) -> str:
    """Return the token's text, with its hash."""
    fields = [
        ("e", token.event),
        ("q", token.queue_id),
        ("ts", str(token.expires_at)),
        ("ce", "true" if token.extends else "false"),
        ("cv", "" if token.cookie_min is None else str(token.cookie_min)),
        ("rt", token.redirect_type),
        ("hip", token.address_hash),
    ]
    text = "~".join(f"{name}_{value}" for name, value in fields if value)
    return f"{text}~h_{keyed_hash(text, secret)}"


def read(text: str, secret: str) -> Token | None:
    """Return what a token says, or None unless its hash is by this secret."""
    signed, separator, given = text.rpartition("~h_")
    if (
        not text.isascii()
        or not separator
        or not hmac.compare_digest(keyed_hash(signed, secret).encode(), given.encode())
    ):
        return None
    fields = dict(field.split("_", 1) for field in signed.split("~") if field.count("_") == 1)
    moment, minutes = fields.get("ts", ""), fields.get("cv", "")
    if not _DIGITS.fullmatch(moment):
        return None
    return Token(
        event=fields.get("e", ""),
        queue_id=fields.get("q", ""),
        expires_at=int(moment),
        extends=fields.get("ce") == "true",
        cookie_min=int(minutes) if _DIGITS.fullmatch(minutes) else None,
        redirect_type=fields.get("rt", ""),
        address_hash=fields.get("hip", ""),
    )


def keyed_hash(text: str, secret: str) -> str:
    """Return the protocol's hash: lower-case hex of HMAC-SHA256, also of a network address."""
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def configuration_key(secret: str) -> str:
    """Return the key with which the site pulls its configuration; it does not give the secret."""
    return keyed_hash("integration configuration", secret)


def queue_id_of(session_id: int, secret: str) -> str:
    """Return the name of a session in tokens, cookies and cancellations.

    A visitor cannot compute another's, and it tells nothing of the session's number.
    """
    named = hmac.digest(secret.encode(), f"queue id:{session_id}".encode(), "sha256")
    return str(UUID(bytes=named[:16], version=4))


def minutes_of(seconds: float) -> int:
    """Return the whole minutes that cover this time, at least one: connectors read 0 as none."""
    return max(1, int(-(-seconds // 60)))


def with_token(target: str, token: str) -> str:
    """Return the target with the token in its query, in place of a former one."""
    base, mark, fragment = target.partition("#")
    path, _, query = base.partition("?")
    others = [one for one in query.split("&") if one.partition("=")[0].lower() != PARAMETER]
    return f"{path}?{'&'.join([*filter(None, others), f'{PARAMETER}={token}'])}{mark}{fragment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A visitor that a connector sends to its room.

    `target` is where the visitor wants to go, "" for the event's own address; `culture` is the
    language that the site asks for, and `enqueue_token` what it vouches for the visitor with.
    """

    customer: str
    event: str
    target: str
    culture: str
    enqueue_token: str


def parse_entry(query: Mapping[str, str]) -> Entry | None:
    """Return the entry that a query describes; None if it names no customer and event."""
    customer, event = query.get("c", "").lower(), query.get("e", "").lower()
    if not (NAME.fullmatch(customer) and NAME.fullmatch(event)):
        return None
    return Entry(
        customer=customer,
        event=event,
        target=_target(query.get("t", "")),
        culture=query.get("cid", "")[:35],
        enqueue_token=query.get("enqueuetoken", "")[:TOKEN_LENGTH_MAX],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Visits that a site ends: the queue id of each event, "" where none is named.

    `leads_to` is where the visitor goes afterwards, "" for nowhere.
    """

    customer: str
    visits: Mapping[str, str]
    leads_to: str


def parse_cancellation(
    customer: str, event: str, queue_id: str, query: Mapping[str, str]
) -> Cancellation | None:
    """Return what `cancel/{customer}/{event}[/{queue id}]` asks for; None if it names no event."""
    return _cancellation(customer, [(event, queue_id)], query)


def parse_cancellations(customer: str, query: Mapping[str, str]) -> Cancellation | None:
    """Return what `cancel/multiple/{customer}?wrl={event}[~{queue id}][_…]` asks for."""
    named = query.get("wrl", "").split("_")[:CANCELLED_MAX]
    pairs = [(event, queue_id) for event, _, queue_id in (one.partition("~") for one in named)]
    return _cancellation(customer, pairs, query)


def _cancellation(
    customer: str, pairs: list[tuple[str, str]], query: Mapping[str, str]
) -> Cancellation | None:
    visits = {
        event.lower(): queue_id if _QUEUE_ID.fullmatch(queue_id) else ""
        for event, queue_id in pairs
        if NAME.fullmatch(event.lower())
    }
    if not visits or not NAME.fullmatch(customer.lower()):
        return None
    return Cancellation(
        customer=customer.lower(), visits=visits, leads_to=_target(query.get("r", ""))
    )


def _target(address: str) -> str:
    """Return an address that the protocol hands over, "" for one longer than any page's."""
    return address if len(address) <= TARGET_LENGTH_MAX else ""

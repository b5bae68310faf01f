"""The allowances: one class for each kind of route.

A carrier puts hundreds of shoppers behind one address. The allowances of a network are sized so
that 500 of them, who load the page, join and poll in the same moment, are never refused. They bound
programs, which would ask thousands of times. The allowances of a bearer bound one shopper.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from inventory.kit.limits.gcra import Allowance

Handler = TypeVar("Handler", bound=Callable[..., Any])

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitClass:
    """The allowances for the routes of one class: a network's, and that of a ticket or session.

    `bearer` is None where the routes have no allowance for a bearer.
    """

    name: str
    network: Allowance
    bearer: Allowance | None = None


READS = LimitClass(
    name="read", network=Allowance(5_000, 1_000), bearer=Allowance(burst=300, per_s=10)
)
WRITES = LimitClass(
    name="write", network=Allowance(2_000, 100), bearer=Allowance(burst=120, per_s=2)
)
# Each page brings some thirty files along, and a browser keeps them.
FILES = LimitClass(name="file", network=Allowance(40_000, 4_000))
# A shopper joins once. A double click and a lost answer make it three.
JOINS = LimitClass(name="join", network=Allowance(1_500, 10))
CLAIMS = LimitClass(name="claim", network=Allowance(1_500, 50), bearer=Allowance(30, 1))
HOLDS = LimitClass(name="hold", network=Allowance(2_000, 100), bearer=Allowance(90, 2))
PAYMENTS = LimitClass(name="pay", network=Allowance(1_500, 50), bearer=Allowance(60, 1))
CODES = LimitClass(name="code", network=Allowance(600, 10), bearer=Allowance(30, 0.5))
MAILS = LimitClass(name="mail", network=Allowance(600, 10), bearer=Allowance(20, 0.2))
# An attempt costs the hash of a password.
SIGN_INS = LimitClass(name="sign-in", network=Allowance(200, 5))
SEARCHES = LimitClass(name="search", network=Allowance(2_000, 100))
HAND_OVERS = LimitClass(name="hand-over", network=Allowance(1_500, 50))
# Sites, load balancers and payment gateways ask for all their shoppers from one address.
SERVICES = LimitClass(name="service", network=Allowance(40_000, 10_000))
# An operator's account or an API key, over all routes.
ACCOUNT = Allowance(2_000, 50)

CLASSES = (
    READS,
    WRITES,
    FILES,
    JOINS,
    CLAIMS,
    HOLDS,
    PAYMENTS,
    CODES,
    MAILS,
    SIGN_INS,
    SEARCHES,
    HAND_OVERS,
    SERVICES,
)


def limited_as(limit: LimitClass) -> Callable[[Handler], Handler]:
    """Note on a handler the class of its route."""

    def note(handler: Handler) -> Handler:
        handler.__limit__ = limit  # type: ignore[attr-defined]
        return handler

    return note


def class_of(handler: Callable[..., Any], method: str) -> LimitClass:
    """Return the class of a route: the one that its handler names, or else that of its method."""
    default = READS if method in SAFE_METHODS else WRITES
    action = getattr(handler, "__wrapped__", handler)
    found: LimitClass = getattr(action, "__limit__", default)
    return found

"""The list of faults, and how one gets onto it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from chaos.promises import GOES_ON_S
from chaos.stage import Needs, Stage

Act = Callable[[Stage, Random], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault. `note` says what a reader of the table has to know.

    The line has to go on `within_s` after its end. During a `silent` one no request may fail.
    """

    name: str
    act: Act
    needs: Needs
    note: str = ""
    within_s: float = GOES_ON_S
    silent: bool = False


# The promise for the death of one process, and for a standby that takes a primary's place.
DEATH_S, FAILOVER_S = 5.0, 15.0

REGISTERED: dict[str, Fault] = {}


def fault(
    name: str,
    needs: Needs | None = None,
    *,
    note: str = "",
    within_s: float = GOES_ON_S,
    silent: bool = False,
) -> Callable[[Act], Act]:
    """Put a fault on the list, in the order of the table."""

    def keep(act: Act) -> Act:
        assert name not in REGISTERED, name
        REGISTERED[name] = Fault(
            name=name,
            act=act,
            needs=needs or Needs(),
            note=note,
            within_s=within_s,
            silent=silent,
        )
        return act

    return keep

"""The list of faults, and how one gets onto it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from chaos.stage import Needs, Stage

Act = Callable[[Stage, Random], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault. `note` says what a reader of the table has to know."""

    name: str
    act: Act
    needs: Needs
    note: str = ""


REGISTERED: dict[str, Fault] = {}


def fault(name: str, needs: Needs | None = None, *, note: str = "") -> Callable[[Act], Act]:
    """Put a fault on the list, in the order of the table."""

    def keep(act: Act) -> Act:
        assert name not in REGISTERED, name
        REGISTERED[name] = Fault(name=name, act=act, needs=needs or Needs(), note=note)
        return act

    return keep

"""Bodies of calls that have several parts. Pure."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class Steering(msgspec.Struct, frozen=True, kw_only=True):
    """A change of how a room calls; what is left out stays. None lifts the limit of calls."""

    seats_max: int | UnsetType = UNSET
    calls_per_minute: int | None | UnsetType = UNSET
    batch_max: int | UnsetType = UNSET
    message: str | UnsetType = UNSET
    reason: str = ""


class SessionNews(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of a session in another shop, by its token or its id.

    `units` is needed for `held`, and tells how many more for `bought` and `released`; None is all.
    `id` names this piece of news, so that a repeat counts once.
    """

    session: str | int
    outcome: Literal["held", "bought", "released", "nothing", "left"]
    units: int | None = None
    id: str | None = None

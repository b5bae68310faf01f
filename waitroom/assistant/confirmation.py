"""Confirmations of acts: each is good once, for a while, for one act. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass, field

CONFIRM_WITHIN_S = 120.0
# An assistant that plans without end keeps only its newest plans.
PENDING_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An act that waits for its confirmation.

    `act` is the tool with its arguments, `standing` what the room was like when it was planned.
    """

    act: Hashable
    standing: Hashable
    until_s: float


@dataclass(slots=True)
class Confirmations:
    """The acts that wait, by their codes, the oldest first."""

    pending: dict[str, Planned] = field(default_factory=dict)

    def plan(self, code: str, act: Hashable, *, standing: Hashable, now_s: float) -> None:
        """Let an act wait for its confirmation by this code."""
        self.pending[code] = Planned(act=act, standing=standing, until_s=now_s + CONFIRM_WITHIN_S)
        while len(self.pending) > PENDING_MAX:
            del self.pending[next(iter(self.pending))]

    def refusal(self, code: str, act: Hashable, *, standing: Hashable, now_s: float) -> str:
        """Use a code up, and return why its act may not be done, "" if it may."""
        planned = self.pending.pop(code, None)
        if planned is None or planned.until_s <= now_s:
            return "This confirmation is unknown, was used before or is too old."
        if planned.act != act:
            return "This confirmation belongs to another act."
        if planned.standing != standing:
            return "The room has changed since this was planned."
        return ""

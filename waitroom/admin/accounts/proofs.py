"""The proofs of who an operator is: how their session was opened, and how fresh it is. Pure."""

from dataclasses import dataclass, field
from typing import Literal

# A dangerous act needs a proof of the person that is no older.
FRESH_S = 600
# The ways of a sign-in: the password alone, a second factor besides, a passkey alone, a provider.
How = Literal["password", "second", "passkey", "provider"]
# The ways to prove who one is, and a new sign-in for a person who has none of them.
Way = Literal["password", "code", "passkey", "sign_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSession:
    """The session in which a person acts, and the second factors that they have.

    `how` they signed in; `fresh` while they last proved who they are at most `FRESH_S` ago.
    `authenticator` is an app that makes codes.
    """

    fingerprint: bytes = field(repr=False)
    how: How
    fresh: bool
    authenticator: bool
    passkey: bool

    @property
    def has_factor(self) -> bool:
        """Say whether more than a password guards the account."""
        return self.authenticator or self.passkey or self.how == "provider"

    @property
    def ways(self) -> list[Way]:
        """Return the proofs by which the session becomes fresh again."""
        found: list[Way] = [] if self.how == "provider" else ["password"]
        if self.authenticator:
            found.append("code")
        if self.passkey:
            found.append("passkey")
        return found or ["sign_in"]

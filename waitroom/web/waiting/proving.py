"""Proofs on the waiting page: a stamp that waits, and the policy for an outside check."""

from dataclasses import dataclass

from aiohttp import web

from waitroom.desk.board import RoomView
from waitroom.desk.proving.proofs import Proofs
from waitroom.desk.proving.provider import Provider
from waitroom.desk.proving.refusals import ProofNeeded
from waitroom.web.credentials import Credentials

# The parts of a page's policy that a provider needs: its script, its frame, and what these load.
_OPENED = ("script-src 'self'", "style-src 'self'", "connect-src 'self'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """Stamps in the cookies of browsers that cannot work, and the policy of the page."""

    proofs: Proofs
    credentials: Credentials

    def keep(
        self, response: web.StreamResponse, view: RoomView, refusal: ProofNeeded, *, sku: str
    ) -> None:
        """Leave the stamp of a refused join in the browser, which brings it when it is due.

        `sku` is what the shopper came for, one that there is; "" for anything.
        """
        self.credentials.keep_stamp(response, view, refusal.stamp)
        if sku:
            self.credentials.keep_choice(response, view, sku)

    def used(self, request: web.Request, response: web.StreamResponse, view: RoomView) -> None:
        """Take away the stamp of a browser that has its place now."""
        if self.credentials.stamp_of(request):
            self.credentials.keep_stamp(response, view, "")

    def wait_s(self, request: web.Request, view: RoomView) -> int | None:
        """Return the seconds until this browser's stamp counts, None for a browser without one."""
        stamp = self.credentials.stamp_of(request)
        return self.proofs.stamp_wait_s(view, stamp) if stamp else None

    def open_for_check(
        self, response: web.StreamResponse, view: RoomView, policy: str | None
    ) -> None:
        """Set the policy of a room's page, opened for the provider that the room asks.

        `policy` takes the place of the usual one, None for that.
        """
        provider = self.proofs.provider
        policy = policy or response.headers["Content-Security-Policy"]
        if provider is not None and view.rules.human_check != "never":
            policy = open_policy(policy, provider)
        response.headers["Content-Security-Policy"] = policy


def open_policy(policy: str, provider: Provider) -> str:
    """Return a policy that also lets the provider's scripts, styles, calls and frames in."""
    origins = " ".join(provider.origins)
    for part in _OPENED:
        policy = policy.replace(part, f"{part} {origins}")
    return f"{policy}; frame-src {origins}"

"""The news that a site hears from the service of its room: keys, revoked passes, renewals."""

import json
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from waitroom_gate.passes import Revoked, claims_in, keys_of

KEYS_KEPT_S, POLL_S, ASK_WAIT_S, AWAY_AFTER_S = 300.0, 1.0, 3.0, 10.0
# After a failure, or after the keys were fetched, a request does not ask again for so long.
REST_S = 5.0
RENEWALS_AT_ONCE_MAX, RELEASES_MAX, ANSWER_BYTES_MAX = 16, 1000, 16 << 20


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the service; `body` is its JSON, or None."""

    status: int
    body: Any


class RoomAway(Exception):
    """The service of the room did not answer."""


class RoomBusy(RoomAway):
    """The service of the room is there, and cannot be asked for this now."""


class SessionEnded(Exception):
    """The session of a pass is over."""


# The method, the path, and the pass for which the site asks, "" for none.
Ask = Callable[[str, str, str], Answer]


class Room:
    """`reach` is the address at which this machine reaches the service.

    `ask` replaces HTTP, and `ticks` the clock.
    """

    def __init__(
        self,
        reach: str,
        name: str,
        *,
        ask: Ask | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._ticks = ticks
        self.keys: dict[str, Ed25519PublicKey] = {}
        self.revoked = Revoked()
        self._ask = ask or _Http(reach).ask
        self._keys_at = self._heard_at = self._failed_at = float("-inf")
        self._released: queue.Queue[str] = queue.Queue(RELEASES_MAX)
        self._lock, self._renewals = threading.Lock(), threading.Semaphore(RENEWALS_AT_ONCE_MAX)
        self._heard, self._process = threading.Event(), 0

    @property
    def is_away(self) -> bool:
        """Say whether the service has not answered for a while, or not at all yet."""
        silent_s = self._ticks() - self._heard_at
        return not self.keys or (self._failed_at > self._heard_at and silent_s > AWAY_AFTER_S)

    @property
    def may_be_asked(self) -> bool:
        """Say whether a request may ask the service, which did not fail a moment ago."""
        return self._ticks() - self._failed_at > REST_S

    @property
    def may_have_new_keys(self) -> bool:
        """Say whether a request may ask for keys: so no crowd of forged passes asks for them."""
        return self.may_be_asked and self._ticks() - self._keys_at > REST_S

    def is_heard(self, *, may_wait: bool) -> bool:
        """Start to listen, once in each process; say whether the service was asked once."""
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    self._process = os.getpid()
                    threading.Thread(target=self._listen, name="waitroom", daemon=True).start()
        return self._heard.is_set() or (may_wait and self._heard.wait(ASK_WAIT_S)) or may_wait

    def refresh(self) -> None:
        """Ask for the keys if they are old, and for what was revoked since the last time."""
        try:
            if self._ticks() - self._keys_at > KEYS_KEPT_S:
                self._fetch_keys()
            more = True
            while more:
                since = f"?since={self.revoked.version}" if self.revoked.version >= 0 else ""
                document = self._get(f"/rooms/{self.name}/revocations{since}")
                more = self.revoked.take(document, self._ticks())
            self._heard_at = self._ticks()
        except Exception:  # noqa: BLE001 - an answer that cannot be read is none
            self._failed_at = self._ticks()
        self._heard.set()

    def find_keys(self) -> None:
        """Ask for the keys again for a pass of an unknown one, unless another request just did."""
        with self._lock:
            if self.may_have_new_keys:
                self._keys_at = self._ticks()
                try:
                    # A cache in between may keep the keys of before, but not at this address.
                    self._fetch_keys(f"?at={time.time():.0f}")
                except Exception:  # noqa: BLE001 - as in `refresh`
                    self._failed_at = self._ticks()

    def renew(self, text: str) -> str:
        """Exchange a pass for a new one of its session; raises `SessionEnded` and `RoomAway`."""
        if not self.may_be_asked or not self._renewals.acquire(timeout=ASK_WAIT_S):
            raise RoomBusy
        try:
            answer = self._ask("POST", "/checkout/session/pass", text)
            if answer.status == 200:
                return str(answer.body["pass"])
        except Exception as error:
            self._failed_at = self._ticks()
            raise RoomAway from error
        finally:
            self._renewals.release()
        if answer.status >= 500 or answer.status == 429:
            self._failed_at = self._ticks()
            raise RoomBusy if answer.status == 429 else RoomAway
        # It is over for good, so the service is not asked for this pass again.
        self.revoked.add(claims_in(text).sub)
        raise SessionEnded

    def release(self, text: str) -> None:
        """Give the seat of a pass to the next shopper; from now on the pass is worth nothing."""
        self.revoked.add(claims_in(text).sub)
        if not self._released.full():
            self._released.put_nowait(text)

    def _fetch_keys(self, query: str = "") -> None:
        self.keys = keys_of(self._get(f"/.well-known/jwks.json{query}"))
        self._keys_at = self._ticks()

    def _get(self, path: str) -> Any:
        answer = self._ask("GET", path, "")
        if answer.status != 200:
            raise OSError(f"{path} answered {answer.status}")
        return answer.body

    def _listen(self) -> None:
        while True:
            self.refresh()
            until = time.monotonic() + POLL_S
            while (left_s := until - time.monotonic()) > 0:
                try:
                    self._ask(
                        "DELETE", "/checkout/session/pass", self._released.get(timeout=left_s)
                    )
                except queue.Empty:
                    break
                except Exception:  # noqa: BLE001 - the thread goes on whatever it hears
                    self._failed_at = self._ticks()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would send a pass to a stranger."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Http:
    def __init__(self, reach: str) -> None:
        if not reach.startswith(("https://", "http://")):
            raise ValueError("the address of the service begins with https://")
        self._reach = reach.rstrip("/")
        self._opener = urllib.request.build_opener(_NoRedirect)

    def ask(self, method: str, path: str, bearer: str) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": "waitroom-gate"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        request = urllib.request.Request(self._reach + path, method=method, headers=headers)  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=ASK_WAIT_S) as answer:
                raw = answer.read(ANSWER_BYTES_MAX)
                return Answer(status=answer.status, body=json.loads(raw) if raw else None)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, body=None)

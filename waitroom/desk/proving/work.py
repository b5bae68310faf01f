"""Challenges of proof of work, and their solutions (altcha, version 2).

A solver looks for the counter whose key (PBKDF2 with SHA-256, which browsers have built in) is the
one that the challenge shows the beginning of. Counters lie below a bound that grows with the level,
so the work is bounded too. The server draws the counter and signs the key, so it derives a key once
when it makes a challenge, and none when it verifies a solution.
"""

import binascii
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from altcha import Payload, create_challenge, verify_solution

from inventory.kit.doors.decoding import Json

ALGORITHM = "PBKDF2/SHA-256"
# Iterations for each counter: enough that a browser's own overhead counts little.
COST = 1000
# Counters to try at level 1; twice as many at each level above it.
COUNTERS = 200
# A slow phone needs seconds, and a proof that is not used by then cannot be hoarded.
EXPIRES_S = 180
# A proof has some 800 characters.
PROOF_LENGTH_MAX = 2000
_PURPOSES = (b"waitroom.proof.challenge.1", b"waitroom.proof.key.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A solved challenge: its name among all others, and the level at which it was made."""

    name: str
    level: int


class Works:
    """Makes challenges and opens their solutions. `keys` are the service's, the newest last."""

    def __init__(self, keys: Sequence[bytes], *, clock: Callable[[], float] = time.time) -> None:
        self._secrets = [
            tuple(hmac.digest(key, purpose, "sha256") for purpose in _PURPOSES)
            for key in reversed(keys)
        ]
        self._clock = clock

    def challenge_body(self, room: str, level: int) -> Json:
        """Return a challenge for one place in a room."""
        signing, keys = self._secrets[0]
        made = create_challenge(
            ALGORITHM,
            COST,
            counter=secrets.randbelow(COUNTERS << (level - 1)),
            expires_at=int(self._clock()) + EXPIRES_S,
            data={"room": room, "level": level},
            hmac_secret=signing,
            hmac_key_secret=keys,
        )
        return made.to_dict()

    def opened(self, room: str, proof: str) -> Solved | None:
        """Return what a proof is worth in a room, None for nothing."""
        if len(proof) > PROOF_LENGTH_MAX:
            return None
        try:
            payload = Payload.from_base64(proof)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
            return None
        if not any(
            verify_solution(payload, signing, hmac_key_secret=keys).verified
            for signing, keys in self._secrets
        ):
            return None
        # The signature vouches for the parameters from here on.
        parameters = payload.challenge.parameters
        data = parameters.data or {}
        if data.get("room") != room:
            return None
        return Solved(name=parameters.nonce, level=data["level"])

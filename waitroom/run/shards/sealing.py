"""The keys that seal what a shard hands out.

Tickets and sessions name rows by numbers, and each database counts its own. A ticket of one shard
could therefore be taken for another's place in a second one, so each shard seals with keys of its
own. They are derived from the signing keys, which all shards share. What is only kept, such as
the seed of a draw, and the key of the public log come from the shared keys, so a room that moves
takes them along.
"""

import hmac

import msgspec

from waitroom.desk.shards.shard_map import MAIN
from waitroom.run.settings import Secrets

_PURPOSE = b"waitroom.shard.1:"


def sealing(secrets: Secrets, shard: str) -> Secrets:
    """Return secrets whose signing keys are those of a shard; the main one has them as they are."""
    if shard in {"", MAIN}:
        return secrets

    def own(key: str) -> str:
        return hmac.digest(bytes.fromhex(key), _PURPOSE + shard.encode(), "sha256").hex()

    return msgspec.structs.replace(
        secrets,
        signing_keys=[own(key) for key in secrets.signing_keys],
        coming_key=own(secrets.coming_key) if secrets.coming_key else "",
        first_key=secrets.first.hex(),
    )

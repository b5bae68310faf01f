"""Making a room's draw: what the leading controller does for it, a step at each tick."""

import asyncio
import hmac
import os
from collections.abc import Sequence

import structlog

from waitroom.line.snapshot import LineSnapshot, RoomSnapshot
from waitroom.log.draw import SEED_BYTES, Permutation, commitment, draw_key
from waitroom.log.signing import LogKey
from waitroom.store.draw_store import DrawStore

log = structlog.get_logger()

_PURPOSE = b"waitroom.seed.1:"
_ID_BYTES = 8


class SeedBook:
    """Derives seeds from a random salt and a signing key of the service.

    The database keeps the salt and the key's id. So neither the database nor the keys alone tell
    the order beforehand.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {seed_key_id(key): key for key in keys}
        self._newest = seed_key_id(keys[-1])

    def seal(self, salt: bytes) -> str:
        """Return the sealed form of a new seed."""
        return f"{self._newest}.{salt.hex()}"

    def open(self, sealed: str) -> bytes | None:
        """Return the seed, or None when the key that it was derived from is no longer kept."""
        key_id, _, salt = sealed.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            return None
        return hmac.digest(key, _PURPOSE + bytes.fromhex(salt), "sha256")


def seed_key_id(key: bytes) -> str:
    """Return the id of a signing key in a sealed seed."""
    return hmac.digest(key, _PURPOSE + b"id", "sha256")[:_ID_BYTES].hex()


class Drawing:
    """Announces a draw, signs its closing, reveals it: whatever is due at a tick."""

    def __init__(self, store: DrawStore, *, seeds: SeedBook, log_key: LogKey) -> None:
        self._store = store
        self._seeds = seeds
        self._log_key = log_key

    async def step(self, room: RoomSnapshot, line: LineSnapshot, *, term: int) -> None:
        """Take one line's draw as far as it can go now. Every step may be repeated."""
        draw = line.draw
        if room.status == "scheduled" and room.order_by == "draw":
            if not draw.announced:
                await self._announce(room, line)
        elif draw.due and not draw.closing_signed:
            await self._sign(line.line_id)
        elif draw.due and not draw.value_missing:
            await self._reveal(line.line_id, term=term)

    async def _announce(self, room: RoomSnapshot, line: LineSnapshot) -> None:
        sealed = self._seeds.seal(os.urandom(SEED_BYTES))
        seed = self._seeds.open(sealed)
        assert seed is not None, "the newest key is kept"
        said = commitment(room.room, line.line, seed)
        await self._store.announce(
            line.line_id, commitment=said, sealed=sealed, key=self._log_key.public
        )

    async def _sign(self, line_id: int) -> None:
        closing = await self._store.closing(line_id)
        signature = self._log_key.sign_closing(
            room=closing.room, line=closing.line, count=closing.count, head=closing.head
        )
        await self._store.sign(line_id, signature)

    async def _reveal(self, line_id: int, *, term: int) -> None:
        closing = await self._store.closing(line_id)
        seed = self._seeds.open(closing.sealed_seed)
        if seed is None:
            log.error("seed_is_lost", room=closing.room, hint="put the old signing key back")
            return
        key = draw_key(
            closing.room,
            closing.line,
            seed=seed,
            head=closing.head,
            count=closing.count,
            value=closing.value,
        )
        entries = await self._store.fix_entries(line_id, term=term)
        if entries is None:
            return
        # Beside the loop: after a long wait there may be tens of thousands of entries that left.
        numbers = await asyncio.to_thread(_numbers, key, closing.count, entries)
        await self._store.reveal(
            line_id, term=term, seed=seed, key=key, entries=entries, numbers=numbers
        )


def _numbers(key: bytes, count: int, entries: Sequence[int]) -> list[int]:
    order = Permutation(key, count) if count else None
    return [order.number_of(entry) for entry in entries] if order else []

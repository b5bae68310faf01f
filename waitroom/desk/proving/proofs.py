"""Asks for a proof under pressure, and takes each proof for one place."""

import time
from collections.abc import Sequence
from hashlib import sha256

from inventory.kit.doors.client_address import is_loopback
from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy
from waitroom.desk.board import RoomView
from waitroom.desk.entrance import Brought
from waitroom.desk.networks import Networks
from waitroom.desk.proving.human_check import HumanCheck, Verdict
from waitroom.desk.proving.pressure import LEVEL_MAX, ROOM_LEVEL, PressedNetworks, level_of
from waitroom.desk.proving.provider import Provider
from waitroom.desk.proving.refusals import CheckAway, ProofNeeded
from waitroom.desk.proving.spent import Spent
from waitroom.desk.proving.stamps import USED_WITHIN_S, WAIT_S, Stamps
from waitroom.desk.proving.work import EXPIRES_S, Works
from waitroom.store.memory import Memory

# Stamps that are taken from one network in a room in a minute: waiting would else be free for a
# program, which waits for a thousand places at once.
WAITED_PER_MINUTE = 6
# To make a challenge takes some 0.4 ms. A flood of joins that never solve theirs takes no more of a
# process than this, so shoppers who have their places are served.
CHALLENGES_PER_S = 500
# A token of a provider is worth nothing after five minutes, at any of them.
CHECKED_FOR_S = 600
_NOT_PASSED = phrase("The check was not passed. Please try it once more.")


class Proofs:
    """Decides what a join has to prove, and checks what it brings.

    `check` is the outside provider, None without one.
    """

    def __init__(
        self,
        networks: Networks,
        memory: Memory,
        *,
        keys: Sequence[bytes],
        check: HumanCheck | None,
    ) -> None:
        self._networks = networks
        self._memory = memory
        self._works = Works(keys)
        self._stamps = Stamps(keys)
        self._spent = Spent(memory)
        self._check = check
        self._pressed: dict[str, PressedNetworks] = {}
        # The challenges that were made in this second.
        self._second, self._made = 0, 0

    @staticmethod
    def _work(view: RoomView, pressure: int) -> int:
        """Return the level of work that the room's rule asks for under this pressure."""
        rule = view.rules.proof_of_work
        if rule == "never" or view.rules.join_by == "invitation":
            return 0
        return max(pressure, 1) if rule == "always" else pressure

    def _pressure(self, view: RoomView, network: str) -> int:
        """Return the pressure that a network is under, 0 in quiet times."""
        if view.rules.join_by == "invitation":
            # An invitation is worth one place as it is.
            return 0
        level = level_of(self._networks.lately(view.room, network)) if network else 0
        if level and is_loopback(network):
            # Behind a proxy that the settings do not name, this would be every shopper.
            level = 0
        pressed = self._pressed.get(view.room)
        if level:
            if pressed is None:
                pressed = self._pressed.setdefault(view.room, PressedNetworks())
            pressed.note(network, time.monotonic())
        if pressed is not None and level < ROOM_LEVEL and time.monotonic() < pressed.until:
            return ROOM_LEVEL
        return level

    @property
    def provider(self) -> Provider | None:
        """The provider of the outside check, None without one."""
        return None if self._check is None else self._check.provider

    async def close(self) -> None:
        if self._check is not None:
            await self._check.close()

    def asks(self, view: RoomView, network: str) -> bool:
        """Say whether a join from this network has to prove anything. In quiet times none has."""
        pressure = self._pressure(view, network)
        return self._work(view, pressure) > 0 or self._asks_check(view, pressure)

    @staticmethod
    def _asks_check(view: RoomView, pressure: int) -> bool:
        """Say whether the room's rule asks for the outside check under this pressure."""
        rule = view.rules.human_check
        return rule == "always" or (rule == "pressure" and pressure > 0)

    async def require(self, view: RoomView, brought: Brought, owner: str) -> None:
        """Raise `ProofNeeded`, `CheckNeeded` or `CheckAway`, unless the join brings what is asked.

        `owner` recognises a repeat of the same join, "" where nothing does.
        """
        pressure = self._pressure(view, brought.network)
        level = self._work(view, pressure)
        if self._asks_check(view, pressure):
            if await self._checked(view, brought, owner):
                return
            level = max(level, pressure, 1)
        if level and not await self._proved(view, brought, owner, level):
            raise self._refusal(view, owner, level)

    def _refusal(self, view: RoomView, owner: str, level: int) -> ProofNeeded:
        stamp = self._stamps.make(view.room, owner, level, now=time.time()) if owner else ""
        return self._asking(view, level, stamp=stamp, wait_s=WAIT_S * level)

    def _asking(self, view: RoomView, level: int, *, stamp: str, wait_s: int) -> ProofNeeded:
        """Return a refusal with a new challenge; raises `Busy` beyond the bound of this process."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._made = second, 0
        self._made += 1
        if self._made > CHALLENGES_PER_S:
            raise Busy(retry_after_s=2)
        challenge = self._works.challenge_body(view.room, level)
        return ProofNeeded(challenge=challenge, stamp=stamp, wait_s=wait_s)

    async def _proved(self, view: RoomView, brought: Brought, owner: str, level: int) -> bool:
        proof = brought.proof
        if not proof:
            return False
        if "~" in proof:
            return await self._waited(view, brought, owner, level)
        solved = self._works.opened(view.room, proof)
        # The pressure may have risen by a level while the browser worked.
        if solved is None or solved.level < min(level, LEVEL_MAX) - 1:
            return False
        return await self._spent.spend(solved.name, owner, ttl_s=EXPIRES_S)

    async def _waited(self, view: RoomView, brought: Brought, owner: str, level: int) -> bool:
        """Say whether a stamp counts now; one that counts soon is told with the seconds left."""
        if not owner:
            return False
        stamp = self._stamps.opened(view.room, owner, brought.proof, now=time.time())
        if stamp is None:
            return False
        wait_s = float(stamp.wait_s)
        if not wait_s:
            bucket = f"waited:{view.room}:{brought.network}"
            wait_s = await self._memory.allow(bucket, per_minute=WAITED_PER_MINUTE)
        if wait_s:
            raise self._asking(view, level, stamp=brought.proof, wait_s=int(wait_s) + 1)
        return await self._spent.spend(stamp.name, owner, ttl_s=USED_WITHIN_S)

    def stamp_wait_s(self, view: RoomView, stamp: str) -> int | None:
        """Return the seconds until a stamp counts, 0 once it does, None for one that never will."""
        opened = self._stamps.opened(view.room, None, stamp, now=time.time())
        return None if opened is None else opened.wait_s

    async def _checked(self, view: RoomView, brought: Brought, owner: str) -> bool:
        """Say whether the provider vouches for the shopper.

        False where it cannot be asked, and the room then takes work in its place.
        """
        check = self._check
        if check is None:
            return False
        if not brought.check:
            raise check.needed()
        # A provider vouches once for each token. The repeat of a join is no second place.
        name = f"check:{sha256(brought.check.encode()).hexdigest()[:32]}"
        if await self._spent.is_repeat(name, owner):
            return True
        verdict = await check.verdict(brought.check)
        if verdict is Verdict.REFUSED:
            raise check.needed(_NOT_PASSED)
        if verdict is Verdict.HUMAN:
            if not await self._spent.spend(name, owner, ttl_s=CHECKED_FOR_S):
                raise check.needed(_NOT_PASSED)
            return True
        if view.rules.human_check_away == "closed":
            raise CheckAway
        return False

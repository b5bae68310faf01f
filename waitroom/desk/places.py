"""Leaving and coming back: stepping aside, moving to another device, asking for more time."""

import os
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import msgspec
from msgspec.structs import replace

from inventory.catalogue import is_code
from inventory.kit.language.aloud import SIGNS, drawn
from inventory.kit.problem import Busy, NotFound, Refusal
from inventory.refusals import UnknownSku
from waitroom.desk.board import RoomView
from waitroom.desk.standing import TicketStanding
from waitroom.desk.tickets import Tickets
from waitroom.line.admission import AdmissionState
from waitroom.line.ticket import TICKET_ID_BYTES, Ticket, parse_ticket
from waitroom.refusals import (
    AlreadyInside,
    CodesUnavailable,
    CodeUnknown,
    NoneLeft,
    NotDrawnYet,
    PlaceChangedTooOften,
    RoomEnded,
    TicketLeft,
    TicketMoved,
    TicketOver,
)
from waitroom.store.memory import Memory
from waitroom.store.place_store import PlaceStore, Profile

# Ten signs make 6 * 10^13 codes.
CODE_LENGTH = 10
CODE_VALID_S = 600
# Guesses from one address. Ten thousand addresses that guess for ten minutes at a room with a
# thousand valid codes find one with a chance of one in thirty thousand, so no bound for the whole
# room is needed; strangers could use it up and keep everybody out.
GUESSES_PER_MINUTE = 20
# One place may step aside, come back, ask for more time or have a code made this often. Most of
# these are log entries; the database bounds how many of them one place makes in all.
CHANGES_PER_MINUTE = 6
PROFILES_FRESH_S = 5.0
# The states in which a place may be given up for another: its shopper is not inside.
_NOT_INSIDE = frozenset({None, AdmissionState.CALLED, AdmissionState.MISSED, AdmissionState.ASIDE})

_REFUSALS: dict[str, type[Refusal]] = {
    "inside": AlreadyInside,
    "over": TicketOver,
    "left": TicketLeft,
    "ended": TicketOver,
    "other_ticket": TicketMoved,
    "none_left": NoneLeft,
    "too_many_changes": PlaceChangedTooOften,
    "unknown": NotFound,
    "unknown_sku": UnknownSku,
    "drawn": Busy,
    "room_ended": RoomEnded,
}


class ProfileOffer(msgspec.Struct, frozen=True, kw_only=True):
    """More time, as a room offers it: the windows that a place with this profile has, in seconds.

    `left` is how many places may still have it, None for any number.
    """

    profile: str
    name: str
    time_factor: float
    left: int | None
    claim_window_s: int
    session_s: int


class MoveCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that moves a place to the browser that brings it, once, within `valid_s` seconds."""

    code: str
    valid_s: int


class _Move(msgspec.Struct, frozen=True):
    """A move whose code is used up: who makes it, from which ticket, to which ticket id (hex)."""

    by: str
    old: str
    new: str


_MOVE = msgspec.json.Decoder(_Move)


def new_code() -> str:
    return drawn(CODE_LENGTH, secrets.choice)


class Places:
    """A shopper's actions on a place, other than claiming it.

    `on_move` hears from which network a place was moved: one that moves many may trade in them.
    """

    def __init__(
        self,
        tickets: Tickets,
        *,
        store: PlaceStore,
        memory: Memory,
        on_move: Callable[[str], Awaitable[None]],
    ) -> None:
        self._tickets = tickets
        self._board = tickets.board
        self._store = store
        self._memory = memory
        self._on_move = on_move
        self._profiles: dict[str, tuple[float, list[ProfileOffer]]] = {}

    async def step_aside(self, view: RoomView, ticket: Ticket) -> TicketStanding:
        """Let the line go on without this number; return where it stands then."""
        if ticket.entered:
            raise RoomEnded if view.rules.status == "ended" else NotDrawnYet
        await self._limit("aside", ticket)
        _refuse(await self._store.step_aside(ticket))
        return await self._tickets.fresh_standing(view, ticket)

    async def step_back(self, view: RoomView, ticket: Ticket) -> TicketStanding:
        """Bring a number back into the line; one that never stepped aside stays as it is."""
        if not ticket.entered:
            await self._limit("back", ticket)
            _refuse(await self._store.step_back(ticket))
        return await self._tickets.fresh_standing(view, ticket)

    async def give_profile(self, view: RoomView, ticket: Ticket, profile: str) -> TicketStanding:
        """Give a place more time; return where it stands then."""
        await self._limit("profile", ticket)
        give = partial(self._store.give_profile, profile=profile)
        verdict, ticket = await self._tickets.decided(view, ticket, give)
        _refuse(verdict)
        return await self._tickets.fresh_standing(view, ticket)

    async def choose(self, view: RoomView, ticket: Ticket, sku: str | None) -> TicketStanding:
        """Change what a shopper came for, None for anything; return where it stands then."""
        if sku is not None and not is_code(sku):
            raise UnknownSku
        await self._limit("choice", ticket)
        choose = partial(self._store.choose, sku=sku)
        verdict, ticket = await self._tickets.decided(view, ticket, choose)
        _refuse(verdict)
        return await self._tickets.fresh_standing(view, ticket)

    async def profiles(self, view: RoomView) -> list[ProfileOffer]:
        """Return the profiles that a room offers to shoppers who need more time."""
        kept = self._profiles.get(view.room)
        if kept is not None and time.monotonic() - kept[0] < PROFILES_FRESH_S:
            return kept[1]
        try:
            found = await self._store.profiles(view.room)
        except Busy:
            # A page shows a place from memory; what it only offers must not fail it.
            return kept[1] if kept is not None else []
        offered = [_offer(view, profile) for profile in found]
        self._profiles[view.room] = (time.monotonic(), offered)
        return offered

    async def code(self, ticket: Ticket, *, room: str) -> MoveCode:
        """Make a code that moves this place, once, to the browser that brings it."""
        await self._limit("code", ticket)
        found = await self._tickets.place_on_file(ticket)
        if found.ticket_id is not None and found.ticket_id != ticket.ticket_id:
            raise TicketMoved
        if found.state is AdmissionState.CLAIMED:
            raise AlreadyInside
        if found.has_left or found.state in {AdmissionState.LEFT, AdmissionState.ENDED}:
            raise TicketOver
        code = new_code()
        kept = await self._memory.keep_note(
            _code_note(room, code), ticket.text().encode(), ttl_s=CODE_VALID_S
        )
        if not kept:
            raise CodesUnavailable
        return MoveCode(code=code, valid_s=CODE_VALID_S)

    async def move(
        self, view: RoomView, code: str, *, by: str | None, network: str, own: Ticket | None
    ) -> Ticket:
        """Move the place that a code was made for; its former ticket is worth nothing then.

        `by` recognises a browser that never got the answer and asks again: it gets the same ticket.
        `network` is the client's, by which guesses are counted. `own` is the place that this
        browser had. It is given up, or the line would wait for a
        shopper who has gone to another place.
        """
        await self._memory.limit(f"move:address:{network}", per_minute=GUESSES_PER_MINUTE)
        move = await self._redeem(view, code, by=by)
        old = parse_ticket(move.old)
        if old is None or old.line_id not in view.lines:
            raise CodeUnknown
        moved = await self._carry(view, old, ticket_id=bytes.fromhex(move.new), own=own)
        if moved is None:
            # Another code moved it meanwhile; the answer tells no more than that to a wrong code.
            raise CodeUnknown
        await self._on_move(network)
        return moved

    async def bring(
        self, view: RoomView, place: Ticket, *, network: str, own: Ticket | None
    ) -> Ticket:
        """Move the place that a link in a message opens to the browser that follows it.

        A browser that never got the answer follows the link again: it finds the place where it is.
        """
        await self._memory.limit(f"move:address:{network}", per_minute=GUESSES_PER_MINUTE)
        await self._limit("bring", place)
        moved = await self._carry(view, place, ticket_id=os.urandom(TICKET_ID_BYTES), own=own)
        if moved is None:
            raise TicketMoved
        await self._on_move(network)
        return moved

    async def _carry(
        self, view: RoomView, old: Ticket, *, ticket_id: bytes, own: Ticket | None
    ) -> Ticket | None:
        """Let a place belong to this ticket id; None where it is another ticket's by now."""
        move = partial(self._store.move, to_ticket=ticket_id)
        verdict, old = await self._tickets.decided(view, self._board.drawn(view, old), move)
        if verdict == "other_ticket":
            return None
        _refuse(verdict)
        await self._board.refresh_places()
        ticket = replace(old, ticket_id=ticket_id)
        if own is not None and replace(own, ticket_id=ticket_id, sku=ticket.sku) != ticket:
            await self._give_up(view, own)
        return ticket

    async def _redeem(self, view: RoomView, code: str, *, by: str | None) -> _Move:
        """Use a code up; a browser that did so before gets the same move again."""
        code = "".join(sign for sign in code.upper() if sign not in " -\t")
        if len(code) != CODE_LENGTH or not set(code) <= set(SIGNS):
            raise CodeUnknown
        old = await self._memory.take_note(_code_note(view.room, code))
        begun = f"moved:{view.room}:{code}"
        if old is not None:
            move = _Move(by=by or "", old=old.decode(), new=os.urandom(TICKET_ID_BYTES).hex())
            if by:
                # Noted before anything is moved: the answer may be lost, the place may not.
                await self._memory.keep_note(begun, msgspec.json.encode(move), ttl_s=CODE_VALID_S)
            return move
        note = await self._memory.note(begun) if by else None
        if note is None or (move := _MOVE.decode(note)).by != by:
            if not await self._memory.alive():
                raise CodesUnavailable
            raise CodeUnknown
        return move

    async def _give_up(self, view: RoomView, ticket: Ticket) -> None:
        """Leave a place that is of no use any more, unless its shopper is inside."""
        with suppress(Refusal):
            found = await self._tickets.place_on_file(ticket)
            if not found.has_left and found.state in _NOT_INSIDE:
                await self._tickets.leave(view, ticket)

    async def _limit(self, what: str, ticket: Ticket) -> None:
        await self._memory.limit(f"{what}:{ticket.place}", per_minute=CHANGES_PER_MINUTE)


def _refuse(verdict: str) -> None:
    """Raise the refusal that a verdict of the database stands for, if it stands for one."""
    if verdict in _REFUSALS:
        raise _REFUSALS[verdict]


def _offer(view: RoomView, profile: Profile) -> ProfileOffer:
    return ProfileOffer(
        profile=profile.profile,
        name=profile.name,
        time_factor=profile.time_factor,
        left=profile.left,
        claim_window_s=round(view.rules.claim_window_s * profile.time_factor),
        session_s=round(view.rules.session_s * profile.time_factor),
    )


def _code_note(room: str, code: str) -> str:
    return f"move:{room}:{code}"

"""A shopper's ticket from the join to the claim: what every page and API call stands on."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from checkout.session import Session, SessionSeal
from inventory.kit.batcher import Batcher, BatcherByRoom
from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy, Refusal, TooManyRequests
from inventory.refusals import PaymentRunning
from waitroom.desk.board import Board, RoomView
from waitroom.desk.entrance import Brought, Entrance
from waitroom.desk.joining.behind import Behind
from waitroom.desk.joining.chosen import Chosen
from waitroom.desk.joining.join_desk import Place
from waitroom.desk.networks import Networks
from waitroom.desk.proving.proofs import Proofs
from waitroom.desk.refusals import NetworkFull
from waitroom.desk.standing import (
    TicketStanding,
    entered_standing,
    is_over,
    noted_standing,
    standing_on_file,
    version_of,
)
from waitroom.desk.unknown import UnknownNumbers
from waitroom.line.admission import AdmissionState
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    InvitationUsed,
    LineOver,
    Missed,
    NotYetCalled,
    OtherTicket,
    RoomEnded,
    SteppedAside,
    TicketLeft,
    TicketOver,
)
from waitroom.store.line_store import Claimed, LineStore, PlaceOnFile

# A single join looks through at most this many finished places of one browser.
REJOINS_MAX = 20

_CLAIM_REFUSALS: dict[str, type[Refusal]] = {
    "not_yet_called": NotYetCalled,
    "missed": Missed,
    "network_full": NetworkFull,
    "over": TicketOver,
    "left": TicketLeft,
    "ended": TicketOver,
    "other_ticket": OtherTicket,
    "aside": SteppedAside,
    "line_over": LineOver,
    "room_ended": RoomEnded,
}


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed session, its deadline, and the seconds left until then.

    A repeated claim gets the same session, which is not `fresh`.
    """

    session: Session
    expires_at: datetime | None
    seconds_left: float
    fresh: bool


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket whose call is taken up, and the mark of the network that the claim comes from."""

    ticket: Ticket
    network: bytes | None


class Tickets:
    """Joins, standings, claims and leavings, each batched into few engine calls."""

    def __init__(
        self,
        board: Board,
        store: LineStore,
        sessions: SessionSeal,
        *,
        entrance: Entrance,
        networks: Networks,
        proofs: Proofs,
    ) -> None:
        self.board = board
        self.proofs = proofs
        self.networks = networks
        self._entrance = entrance
        self._store = store
        self._sessions = sessions
        self._behind = Behind(board, store, networks, mark=self.mark)
        self._chosen = Chosen(store)
        self._unknown = UnknownNumbers(store)
        self._claims: BatcherByRoom[_Claim, Claimed] = BatcherByRoom("claims", self._take_up)
        # Reads wait for no row, so one batcher serves all rooms.
        self._places: Batcher[Ticket, PlaceOnFile] = Batcher("standings", store.places_on_file)

    async def join(
        self,
        view: RoomView,
        brought: Brought,
        *,
        key: str | None,
        random: bytes = b"",
        former: Ticket | None = None,
        for_returns: bool = False,
        sku: str = "",
    ) -> Place:
        """Give a new place, or the one that this shopper has already.

        `key` recognises a repeated request, `former` is a ticket that is used up. A key whose
        ticket is used up leads on to the next key, so that joining again is as safe to repeat as
        joining. With `for_returns` a place is given also while everything is sold. `sku` is what
        the shopper came for, "" for anything. Raises what the room asks for and the shopper does
        not bring, and `UnknownSku`.
        """
        sku_id = await self._chosen.id_of(view, sku)
        asked = await self._entrance.ask(view, brought)
        if former is not None:
            key = _key_after(former)
        if self.proofs.asks(view, brought.network):
            await self.proofs.require(view, brought, key or brought.customer_token)
        for _ in range(REJOINS_MAX):
            try:
                admitted = await self._entrance.admit(view, asked)
                desk = await self._behind.desk_of(view, admitted.desk, brought.network, key)
                request = admitted.request(
                    key, random, for_returns=for_returns, sku=sku, sku_id=sku_id
                )
                place = await self._behind.place(
                    view, desk, request, of=admitted.desk, network=brought.network
                )
                if place.ticket.line_id not in view.lines:
                    # Another worker gave it, in a lane of which this one has not heard yet.
                    raise Busy
                if place.fresh or place.called:
                    return place
                # The draw may have been made since: then the place has a number now.
                ticket = self.board.drawn(view, place.ticket)
                if await self.still_good(ticket):
                    return msgspec.structs.replace(place, ticket=ticket)
                await self._entrance.release(view, admitted, given=place.ticket, now=ticket)
            except InvitationUsed:
                asked = self._entrance.without_invitation(asked)
            else:
                key = _key_after(place.ticket)
        raise TooManyRequests(headers={"Retry-After": "60"})

    async def place_on_file(self, ticket: Ticket) -> PlaceOnFile:
        """Return a ticket's place as the database has it now."""
        found = await self._places.submit(ticket)
        await self._unknown.met(ticket, tail=found.tail)
        return found

    async def still_good(self, ticket: Ticket) -> bool:
        """Say whether joining again with this ticket gives the same place."""
        found = await self.place_on_file(ticket)
        return not (found.has_left or found.state is AdmissionState.LEFT or is_over(found))

    def mark(self, view: RoomView, network: str) -> bytes | None:
        """Return the mark of a network in a room, None for one that has none."""
        return self._sessions.mark(network, salt=view.rules.log_salt)

    async def _take_up(self, claims: Sequence[_Claim]) -> list[Claimed]:
        return await self._store.claim(
            [claim.ticket for claim in claims], [claim.network for claim in claims]
        )

    async def claim(self, view: RoomView, ticket: Ticket, *, network: str = "") -> OpenedSession:
        """Take up a call; raises the refusal that says what stands in the way.

        The session keeps a mark of the `network` that the claim comes from, "" for none.
        """
        if ticket.entered and view.rules.status == "ended":
            raise RoomEnded
        if ticket.entered:
            raise NotYetCalled(phrase("The draw has not been made yet; your place is safe."))
        mark = self.mark(view, network)
        claimed = await self._claims.of(view.room).submit(_Claim(ticket=ticket, network=mark))
        if claimed.verdict != "claimed":
            raise _CLAIM_REFUSALS[claimed.verdict]
        return OpenedSession(
            session=Session(session_id=claimed.session_id, room=view.room, sku=ticket.sku),
            expires_at=claimed.expires_at,
            seconds_left=claimed.seconds_left,
            fresh=claimed.fresh,
        )

    async def leave(self, view: RoomView, ticket: Ticket) -> None:
        """Give a place up; raises `OtherTicket`, `PaymentRunning`, `RoomEnded` or `Busy`."""
        verdict, _ = await self.decided(view, ticket, self._store.leave)
        if verdict == "other_ticket":
            raise OtherTicket
        if verdict == "room_ended":
            raise RoomEnded
        if verdict == "drawn":
            raise Busy
        if verdict == "payment_running":
            raise PaymentRunning

    async def decided(
        self, view: RoomView, ticket: Ticket, act: Callable[[Ticket], Awaitable[str]]
    ) -> tuple[str, Ticket]:
        """Do an act on a place, and return its verdict, with the ticket that it was done for.

        An entry may have been drawn a moment ago, and this worker has yet to read the draw: the act
        is then done once more, by the number.
        """
        verdict = await act(ticket)
        if verdict == "drawn":
            await self.board.refresh(rooms=True)
            ticket = self.board.drawn(view, ticket)
            verdict = await act(ticket)
        return verdict, ticket

    async def standing(self, view: RoomView, ticket: Ticket, *, seen: int = 0) -> TicketStanding:
        """Return where a ticket stands, for most that wait from the state document alone.

        Only a number that is called, or that the document does not know yet, asks the database.
        So does a shopper who has `seen` a later version than this worker's: another worker was
        ahead, and the place must not rise.
        """
        note = self.board.note_of(ticket)
        if ticket.entered:
            return entered_standing(view, ticket, note)
        line = view.line_of(ticket)
        is_settled = line is not None and line.head < ticket.number <= line.tail
        if line is not None and is_settled and seen <= version_of(view):
            return noted_standing(view, ticket, note, line.head)
        return standing_on_file(view, ticket, await self.place_on_file(ticket))

    async def fresh_standing(self, view: RoomView, ticket: Ticket) -> TicketStanding:
        """Return where a ticket stands after a change that the document does not have yet."""
        await self.board.refresh_places()
        ticket = self.board.as_chosen(ticket)
        if ticket.entered:
            return entered_standing(view, ticket, self.board.note_of(ticket))
        return standing_on_file(view, ticket, await self.place_on_file(ticket))

    async def close(self) -> None:
        """Answer every request that is queued."""
        await self._claims.close()
        await self._places.close()
        await self._chosen.close()
        await self._entrance.close()


def _key_after(ticket: Ticket) -> str:
    """Return the join key of the place that comes after a finished one."""
    return f"after:{ticket.place_text()}"

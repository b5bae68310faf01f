"""The rules for joining: open to all, by invitation, or one place for each customer."""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256

import msgspec

from checkout.customers.customer import Customer
from checkout.customers.identity import Identity
from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy
from waitroom.desk.board import RoomView
from waitroom.desk.joining.join_desk import JoinDesk, JoinRequest
from waitroom.line.invitation import Invitation, InvitationSeal
from waitroom.line.ticket import Ticket
from waitroom.log.chain import fields
from waitroom.refusals import (
    CustomerSignInNeeded,
    InvitationInvalid,
    InvitationNeeded,
    InvitationUsed,
)
from waitroom.store.invitation_store import InvitationStore

_CUSTOMER_PURPOSE = b"waitroom.customer.1"
_TAKEN_BACK = phrase("This invitation was taken back. Please ask the organiser for another.")
_RUN_OUT = phrase("This invitation has run out. Please ask the organiser for another.")


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What a shopper brings to a join: credentials, "" for none, and the way that they came.

    `invitation` is the token of a link, `invitations_kept` are those that links left in the browser
    on earlier visits, `customer_token` is the identity provider's. `network` is what limits count
    for the client's address, `proof` a solved challenge or a stamp (`waitroom.desk.proving`),
    `check` the token of an outside check.
    """

    invitation: str = ""
    invitations_kept: tuple[str, ...] = ()
    customer_token: str = ""
    network: str = ""
    proof: str = ""
    check: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A join that has what its room asks for.

    `customer` is a hash of who the customer is, None in a room that does not ask. A `strict`
    invitation is refused when it is no good; one that the browser kept is ignored then, in a room
    that asks for none.
    """

    invitation: str
    strict: bool
    customer: bytes | None


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """The desk to join at, with the key of a person who may have only one place, if it is known.

    `consumes` is the key of an invitation that the place uses up.
    """

    desk: JoinDesk
    person_key: bytes | None = None
    consumes: bytes | None = None
    is_customer: bool = False

    def request(
        self, key: str | None, random: bytes, *, for_returns: bool, sku: str, sku_id: int | None
    ) -> JoinRequest:
        """Return the request to the desk.

        A known person needs no key to be recognised, and shares none with other people.
        """
        return JoinRequest(
            key=key if self.person_key is None else None,
            random=random,
            person_key=self.person_key,
            consumes=self.consumes,
            for_returns=for_returns,
            sku=sku,
            sku_id=sku_id,
        )


class Entrance:
    """Checks a join against what its room asks for."""

    def __init__(
        self, *, identity: Identity, invitations: InvitationStore, seal: InvitationSeal
    ) -> None:
        self._identity = identity
        self.invitations = invitations
        self.seal = seal

    async def ask(self, view: RoomView, brought: Brought) -> Asked:
        """Check that a join brings what the room asks for.

        Raises `InvitationNeeded`, `CustomerSignInNeeded`, and the identity provider's refusals of
        a token.
        """
        how = view.rules.join_by
        invitation = brought.invitation or self._first_signed(brought.invitations_kept)
        if how == "invitation" and not invitation:
            raise InvitationNeeded
        customer = None
        if how == "customer":
            if not brought.customer_token:
                raise CustomerSignInNeeded
            customer = _customer_key(view, await self._identity.customer(brought.customer_token))
        return Asked(
            invitation=invitation,
            strict=bool(brought.invitation) or how == "invitation",
            customer=customer,
        )

    def _first_signed(self, tokens: Sequence[str]) -> str:
        """Return the first token that we signed, else the first of all, "" for none."""
        for token in tokens:
            with suppress(InvitationInvalid):
                self.seal.open(token)
                return token
        return tokens[0] if tokens else ""

    async def admit(self, view: RoomView, asked: Asked) -> Admitted:
        """Return the desk to join at; raises `InvitationInvalid`.

        An invitation decides the line and is used up by the place. A customer has one place with or
        without one.
        """
        invited = await self._invited(view, asked) if asked.invitation else None
        desk = view.main_line.desk if invited is None else invited[0]
        key = None if invited is None else invited[1]
        if asked.customer is not None:
            return Admitted(desk=desk, person_key=asked.customer, consumes=key, is_customer=True)
        return Admitted(desk=desk, person_key=key)

    async def _invited(self, view: RoomView, asked: Asked) -> tuple[JoinDesk, bytes] | None:
        try:
            invitation, lane = await self.check(view, asked.invitation)
        except InvitationInvalid:
            if asked.strict:
                raise
            return None
        line = view.lane(lane)
        if line is None:
            # The lane was added a moment ago, and this worker has not heard of it yet.
            raise Busy(retry_after_s=1)
        return line.desk, invitation.key()

    async def check(self, view: RoomView, token: str) -> tuple[Invitation, str]:
        """Return an invitation to this room and its lane; raises `InvitationInvalid`.

        A used invitation stays good for its own place, also once it is revoked or has run out.
        """
        invitation = self.seal.open(token)
        batch = await self.invitations.batch(invitation.batch)
        if batch is None or batch.room != view.room or invitation.index > batch.count:
            raise InvitationInvalid
        is_over = batch.revoked or batch.has_run_out()
        if is_over and not await self.invitations.is_used(view.rules.room_id, invitation.key()):
            raise InvitationInvalid(_TAKEN_BACK if batch.revoked else _RUN_OUT)
        return invitation, batch.lane

    async def release(
        self, view: RoomView, admitted: Admitted, *, given: Ticket, now: Ticket
    ) -> None:
        """Release a person's finished place so that they can take a new one.

        `now` is what the ticket `given` has become in the draw. A customer has one place at a time;
        an invitation is worth one place and no more. Raises `InvitationUsed` or `PlaceRevoked`.
        """
        if admitted.person_key is None:
            return
        if not admitted.is_customer:
            raise InvitationUsed
        room_id = view.rules.room_id
        await self.invitations.free(room_id, admitted.person_key, given=given, now=now)

    async def close(self) -> None:
        await self.invitations.close()

    @staticmethod
    def without_invitation(asked: Asked) -> Asked:
        """Return a join without its used invitation; raises `InvitationUsed` if that is needed."""
        if asked.strict:
            raise InvitationUsed
        return msgspec.structs.replace(asked, invitation="")


def _customer_key(view: RoomView, customer: Customer) -> bytes:
    """Return a hash of who a customer is, which differs from room to room."""
    who = (customer.issuer.encode(), customer.subject.encode())
    return sha256(_CUSTOMER_PURPOSE + fields(view.rules.log_salt.bytes, *who)).digest()

"""Who may join a room, and at which line: open, by invitation, one place for each customer."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from checkout.customers.customer import TOKEN_BYTES_MAX, Customer
from checkout.customers.identity import Identity
from inventory.kit.http import bearer, read_form
from inventory.kit.problem import BadRequest, Busy
from waitroom.desk.board import RoomView
from waitroom.desk.join_desk import JoinDesk, JoinRequest
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

INVITATION_COOKIE = "waitroom_invitation_"
RANDOM_BYTES_MAX = 64
_CUSTOMER_PURPOSE = b"waitroom.customer.1"


class JoinBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optional body of a join.

    `random` is hex, the shopper's own part of the receipt; `invitation` the token of a link, and
    `customer_token` the identity provider's, for rooms that ask for one.
    """

    random: str = ""
    invitation: Annotated[str, Meta(max_length=TOKEN_BYTES_MAX)] = ""
    customer_token: Annotated[str, Meta(max_length=TOKEN_BYTES_MAX)] = ""

    def random_bytes(self) -> bytes:
        """Return the shopper's random value; raises `BadRequest`."""
        try:
            random = bytes.fromhex(self.random)
        except ValueError as error:
            raise BadRequest("`random` must be hex.") from error
        if len(random) > RANDOM_BYTES_MAX:
            raise BadRequest(f"`random` has at most {RANDOM_BYTES_MAX} bytes.")
        return random


JOIN = msgspec.json.Decoder(JoinBody)
NOTHING = JoinBody()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a join brings. `strict`: an invitation that is good for nothing is refused.

    Otherwise it came in a cookie to a room that does without, and is passed over.
    """

    invitation: str
    strict: bool
    customer: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The desk to join at; by `sole` one place is due, and `spends` is used up by it."""

    desk: JoinDesk
    sole: bytes | None = None
    spends: bytes | None = None
    is_customer: bool = False

    def request(self, key: str | None, random: bytes) -> JoinRequest:
        """Return what is to be asked at the desk.

        Whoever is known needs no key to be recognised, and shares none with others.
        """
        return JoinRequest(
            key=key if self.sole is None else None,
            random=random,
            sole=self.sole,
            spends=self.spends,
        )


class Entrance:
    def __init__(
        self,
        *,
        identity: Identity,
        invitations: InvitationStore,
        seal: InvitationSeal,
        secure: bool,
    ) -> None:
        self._identity = identity
        self.invitations = invitations
        self.seal = seal
        self._prefix = "__Host-" if secure else ""

    def cookie(self, room: str) -> str:
        return f"{self._prefix}{INVITATION_COOKIE}{room}"

    async def ask(
        self,
        view: RoomView,
        request: web.Request,
        body: JoinBody,
    ) -> Asked:
        """Read what a request brings, in its body, a form, its cookie or as bearer token.

        Raises `InvitationNeeded`, `CustomerSignInNeeded`, and what the identity provider's token is
        refused for.
        """
        how = view.rules.join_by
        invitation, customer_token = body.invitation, body.customer_token
        if request.can_read_body and request.content_type == "application/x-www-form-urlencoded":
            form = await read_form(request)
            invitation = form.get("invitation", "")
            customer_token = form.get("customer_token", "")
        kept = request.cookies.get(self.cookie(view.room), "")
        if how == "invitation" and not (invitation or kept):
            raise InvitationNeeded
        customer = None
        if how == "customer":
            token = customer_token or _customer_token(request)
            if not token:
                raise CustomerSignInNeeded
            customer = _customer_key(view, await self._identity.customer(token))
        return Asked(
            invitation=invitation or kept,
            strict=bool(invitation) or how == "invitation",
            customer=customer,
        )

    async def admit(self, view: RoomView, asked: Asked) -> Admitted:
        """Return the desk of the line to join, and by what one place is due, if one is.

        A customer has one place whatever they bring; an invitation decides their line and is used
        up by it. Raises `InvitationInvalid`.
        """
        invited = await self._invited(view, asked)
        desk = view.lines[view.line_id].desk if invited is None else invited[0]
        key = None if invited is None else invited[1]
        if asked.customer is not None:
            return Admitted(desk=desk, sole=asked.customer, spends=key, is_customer=True)
        return Admitted(desk=desk, sole=key)

    async def _invited(self, view: RoomView, asked: Asked) -> tuple[JoinDesk, bytes] | None:
        if not asked.invitation:
            return None
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

        What was revoked or has run out stays good for the place that it was used for before.
        """
        invitation = self.seal.open(token)
        batch = await self.invitations.batch(invitation.batch)
        if batch is None or batch.room != view.room or invitation.index > batch.count:
            raise InvitationInvalid
        is_over = batch.revoked or batch.has_run_out()
        if is_over and not await self.invitations.is_used(view.rules.room_id, invitation.key()):
            how = "was taken back" if batch.revoked else "has run out"
            raise InvitationInvalid(f"This invitation {how}.")
        return invitation, batch.lane

    async def take_leave(
        self, view: RoomView, admitted: Admitted, *, given: Ticket, now: Ticket
    ) -> None:
        """Clear the way to another place for whom one place is due, now that theirs is over.

        `now` is what the ticket `given` has become in the draw. A customer has one place at a time,
        an invitation is worth one place and no more: raises `InvitationUsed`, or `PlaceRevoked`.
        """
        if admitted.sole is None:
            return
        if not admitted.is_customer:
            raise InvitationUsed
        room_id = view.rules.room_id
        await self.invitations.free(room_id, admitted.sole, given=given, now=now)

    async def close(self) -> None:
        await self.invitations.close()

    @staticmethod
    def without_invitation(asked: Asked) -> Asked:
        """Return what else was brought, after an invitation proved to be used up."""
        if asked.strict:
            raise InvitationUsed
        return replace(asked, invitation="")


def _customer_token(request: web.Request) -> str:
    """Return the bearer token, unless it is a ticket: those have a sign in them that no JWT has."""
    token = bearer(request) or ""
    return "" if "~" in token else token


def _customer_key(view: RoomView, customer: Customer) -> bytes:
    """Return a hash of who a customer is, which differs from room to room."""
    who = (customer.issuer.encode(), customer.subject.encode())
    return sha256(_CUSTOMER_PURPOSE + fields(view.rules.log_salt.bytes, *who)).digest()

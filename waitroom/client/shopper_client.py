"""One shopper's walk: join, look, claim, hold, pay, leave."""

from collections.abc import Mapping
from typing import TypeVar
from uuid import uuid4

import msgspec

from inventory.kit.doors.decoding import Json
from waitroom.client.answers import Bought, Claimed, Held, Joined, Session, SkusPage, Standing
from waitroom.client.http_client import HttpClient, headers_of
from waitroom.client.problem import Problem, problem_of
from waitroom.client.proving import CODE, PROOFS_MAX, solved
from waitroom.line.state import RoomState

SKUS_PAGE = 200
Value = TypeVar("Value")


class ShopperClient:
    """One shopper in one room. It keeps the ticket and the session that the calls answer.

    Every write has an Idempotency-Key: its own, or the one that the caller names to repeat it
    after this process has ended. With a `client_key`, 32 to 128 random hex digits, the ticket and
    the session are bound to it, and work for no one who does not send it too.
    """

    def __init__(
        self,
        http: HttpClient,
        room: str,
        *,
        ticket: str = "",
        session: str = "",
        client_key: str = "",
    ) -> None:
        self._http = http
        self._client_key = client_key
        self._path = f"/rooms/{room}"
        self._room = room
        self._etag = ""
        self._state: RoomState | None = None
        self.ticket = ticket
        self.session = session

    async def join(self, *, sku: str | None = None, key: str = "", returns: bool = False) -> Joined:
        """Take a place, for one SKU if it is named; with `returns` also while all is sold.

        Under pressure the service asks for some work first, which is done here.
        """
        body: Json = {"returns": returns} | ({} if sku is None else {"sku": sku})
        key = key or str(uuid4())
        for proofs in range(PROOFS_MAX + 1):
            try:
                joined = await self._ask(
                    "POST", f"{self._path}/tickets", Joined, key=key, body=body
                )
            except Problem as problem:
                if problem.code != CODE or proofs == PROOFS_MAX:
                    raise
                body["proof"] = await solved(problem.members["challenge"])
            else:
                self.ticket = joined.ticket
                return joined
        raise AssertionError("the last attempt returns or raises")

    async def state(self) -> RoomState:
        """Return the room's document, the newest that this shopper has seen."""
        answer = await self._http.send(
            "GET", f"{self._path}/state", headers=headers_of(etag=self._etag)
        )
        if not answer.good:
            raise problem_of(answer.status, answer.raw, retry_after_s=answer.retry_after_s or None)
        if answer.status != 304:
            found = msgspec.json.decode(answer.raw, type=RoomState)
            if self._state is None or found.version >= self._state.version:
                self._state, self._etag = found, answer.etag
        assert self._state is not None, "only a known document is unchanged"
        return self._state

    async def standing(self) -> Standing:
        """Ask where the ticket stands, no earlier than the document that was seen."""
        version = self._state.version if self._state else 0
        return await self._ask(
            "GET",
            f"{self._path}/tickets/me",
            Standing,
            bearer=self.ticket,
            query={"version": str(version)},
        )

    async def claim(self) -> Claimed:
        """Enter the checkout, once the number is called; again: the same session."""
        claimed = await self._ask(
            "POST", f"{self._path}/claims", Claimed, bearer=self.ticket, key=str(uuid4())
        )
        self.session = claimed.session
        return claimed

    async def leave_line(self) -> None:
        """Give the place up."""
        await self._ask("DELETE", f"{self._path}/tickets/me", type(None), bearer=self.ticket)

    async def skus(self, *, after: str = "") -> SkusPage:
        """Return what the room sells, from a cursor on."""
        query = {"room": self._room, "limit": str(SKUS_PAGE)} | ({"cursor": after} if after else {})
        return await self._ask("GET", "/inventory/skus", SkusPage, query=query)

    async def inside(self) -> Session:
        """Return the session with its holds."""
        return await self._ask("GET", "/checkout/session", Session, bearer=self.session)

    async def hold(self, units: Mapping[str, int], *, key: str = "") -> Held:
        """Set units aside by SKU, all of them or none."""
        items = [{"sku": sku, "quantity": quantity} for sku, quantity in units.items()]
        return await self._ask(
            "POST",
            "/checkout/holds",
            Held,
            bearer=self.session,
            key=key or str(uuid4()),
            body={"items": items},
        )

    async def extend(self, hold_id: str) -> Held:
        """Move a hold's deadline, as often as the room allows."""
        return await self._ask(
            "PATCH",
            f"/checkout/holds/{hold_id}",
            Held,
            bearer=self.session,
            key=str(uuid4()),
            body={"extend": True},
        )

    async def release(self, hold_id: str) -> None:
        """Give held units back."""
        await self._ask("DELETE", f"/checkout/holds/{hold_id}", type(None), bearer=self.session)

    async def order(self, hold: Held, *, token: str, key: str = "") -> Bought:
        """Pay a hold with the gateway's token, for what was shown; raises `Problem` if declined."""
        return await self._ask(
            "POST",
            "/checkout/orders",
            Bought,
            bearer=self.session,
            key=key or str(uuid4()),
            body={
                "hold_id": hold.hold_id,
                "payment": {"token": token},
                "total_minor": hold.total_minor,
                "content": hold.content,
            },
        )

    async def ordered(self, order_id: str) -> Bought:
        """Return an order of this session."""
        return await self._ask("GET", f"/checkout/orders/{order_id}", Bought, bearer=self.session)

    async def leave_checkout(self) -> None:
        """End the session; its seat is free at once."""
        await self._ask("DELETE", "/checkout/session", type(None), bearer=self.session)

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[Value],
        *,
        bearer: str = "",
        key: str = "",
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Value:
        """Ask as this app; the arguments are those of `HttpClient.ask`."""
        return await self._http.ask(
            method,
            path,
            kind,
            bearer=bearer,
            key=key,
            body=body,
            query=query,
            client_key=self._client_key,
        )

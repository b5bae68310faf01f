"""The operators' API and screen for API keys. No key may call it."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.moments import Moment
from inventory.kit.doors.texts import Note
from inventory.kit.http import json_response, read_body, wants_html
from inventory.kit.problem import NotFound
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.keys import ROOMS_MAX, KeyStore, ListedKey, NewKey
from waitroom.admin.accounts.refusals import KeyNameTaken, TooManyKeys, UnknownKey
from waitroom.admin.accounts.scopes import SCOPES_MAY, Scope
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.screens import Screens

KEY_ID_MAX = 2**31 - 1


class KeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The key to make; without `rooms` it works in all, without `expires_at` until it is ended."""

    name: Annotated[str, Meta(max_length=63)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(SCOPES_MAY))]
    rooms: Annotated[list[str], Meta(min_length=1, max_length=ROOMS_MAX)] | None = None
    expires_at: Moment | None = None


class KeyEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason for ending a key, for the record."""

    reason: Note = ""


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """All API keys, without their secrets."""

    keys: list[ListedKey]


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was made. Its secret is shown here and never again."""

    name: str
    secret: str


class KeyEnded(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the key was in force until now."""

    ended: bool


_WISH = decoder(KeyWish)
_END = decoder(KeyEnd)


class KeysAdmin:
    def __init__(self, guard: Guard, *, keys: KeyStore, screens: Screens) -> None:
        self._guard = guard
        self._keys = keys
        self._screens = screens

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get("/admin/keys", as_role("admin", self.show)),
            web.post("/admin/keys", as_role("admin", self.add, fresh=True)),
            web.post("/admin/keys/{key}/end", as_role("admin", self.end, fresh=True)),
        ]

    @described(answer=KeyList)
    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        """Show the screen to browsers, and list the keys for programs."""
        if wants_html(request):
            scopes = [{"name": name, "may": may} for name, may in SCOPES_MAY.items()]
            return await self._screens.render(operator, "keys", scopes=scopes)
        return json_response(KeyList(keys=await self._keys.keys()))

    @described(body=KeyWish, answer=MadeKey, status=201, refusals=(KeyNameTaken, TooManyKeys))
    async def add(self, request: web.Request, operator: Operator) -> web.Response:
        """Make a key; the answer alone has its secret."""
        wish = await read_body(request, _WISH)
        new = NewKey(
            name=wish.name,
            scopes=tuple(wish.scopes),
            rooms=None if wish.rooms is None else tuple(wish.rooms),
            expires_at=wish.expires_at,
        )
        secret = await self._keys.add(new, maker=operator, now=datetime.now(UTC))
        await self._guard.note(
            "key_added", operator, request, key=wish.name, scopes=wish.scopes, rooms=wish.rooms
        )
        return json_response(MadeKey(name=wish.name, secret=secret), status=201)

    @described(body=KeyEnd, body_required=False, answer=KeyEnded, refusals=(UnknownKey,))
    async def end(self, request: web.Request, operator: Operator) -> web.Response:
        """End a key at once; ending it again changes nothing."""
        number = request.match_info["key"]
        if not (number.isascii() and number.isdigit()) or int(number[:20]) > KEY_ID_MAX:
            raise NotFound("There is no such key.")
        body = await read_body(request, _END) if request.can_read_body else KeyEnd()
        ended = await self._keys.end(key_id=int(number), who=operator.name, reason=body.reason)
        if ended:
            await self._guard.note("key_ended", operator, request, key_id=int(number))
        return json_response(KeyEnded(ended=ended))

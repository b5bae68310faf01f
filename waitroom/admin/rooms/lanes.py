"""The operators' API for who may join: lanes, invitations, profiles."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from io import BytesIO
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from inventory.kit.doors.accept import prefers
from inventory.kit.doors.decoding import check_digits, decoder
from inventory.kit.doors.described import CSV, JSON, Answer, described
from inventory.kit.doors.moments import Moment
from inventory.kit.doors.query import Text, When, Whole
from inventory.kit.doors.texts import Name, Note, read_note
from inventory.kit.http import PRIVATE, json_response, read_body, read_query
from inventory.kit.problem import Busy, NotFound
from inventory.refusals import RoomArchived
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.rooms.answers import LaneList, ProfilesOnFile
from waitroom.admin.rooms.people_csv import FILE_BYTES_MAX, read_people, write_links, write_people
from waitroom.admin.uploads import receive
from waitroom.desk.board import Board
from waitroom.desk.entrance import Entrance
from waitroom.line.invitation import COUNT_MAX
from waitroom.refusals import PeopleTooMany, SaleEnded, UnreadablePeople
from waitroom.store.invitation_store import BatchOnFile
from waitroom.store.room_store import RoomStore

PLACES_MAX = 10_000_000
BATCH_MAX = 2**31 - 1
UPLOAD_WAIT_S = 120.0
_TOO_LARGE = f"A list of people has at most {FILE_BYTES_MAX // 1024**2} MiB."
# Signing a hundred thousand links keeps a core busy, and shoppers come first.
BATCHES_AT_ONCE_MAX = 1


# The share of a lane in the calls, beside those of the other lanes.
Share = Annotated[float, Meta(ge=0.001, le=1000)]


class NewInvitations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST: how many invitations, to which lane, and until when.

    `until` is a moment with its offset; without one the invitations do not run out.
    """

    count: Annotated[int, Meta(ge=1, le=COUNT_MAX)]
    lane: str = "main"
    until: Moment | None = None
    note: Note = ""


class MadeInvitations(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to POST: the batch's number, what it is for, and its links."""

    batch: int
    lane: str
    count: int
    until: datetime | None
    links: list[str]


class BatchList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of batches, the newest first; `next` is the cursor of the page after it."""

    invitations: list[BatchOnFile]
    next: int | None


class RevokedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The number of unused invitations of a batch that were revoked."""

    batch: int
    revoked: int


class LaneChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    share: Share

    def __post_init__(self) -> None:
        check_digits("share", self.share)


class ProfileChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    time_factor: Annotated[float, Meta(ge=1, le=5)]
    places_max: Annotated[int, Meta(ge=0, le=PLACES_MAX)] | None = None

    def __post_init__(self) -> None:
        check_digits("time_factor", self.time_factor)


_LIMIT = Whole(name="limit", text="Batches on a page.", default=50, low=1, high=200)
_CURSOR = Whole(
    name="cursor", text="The `next` of the page before.", default=0, low=1, high=BATCH_MAX
)
_LANE = Text(name="lane", text="The lane that a list of people is for.", default="main")
_UNTIL = When(name="until", text="When the invitations of a list of people run out.")
_NOTE = Text(
    name="note",
    text="A note for the record, for a list of people.",
    read=read_note,
    has_lines=True,
)
_NEW_INVITATIONS = decoder(NewInvitations)
_LANE_CHANGE = decoder(LaneChange)
_PROFILE_CHANGE = decoder(ProfileChange)


class LanesAdmin:
    def __init__(
        self,
        guard: Guard,
        *,
        rooms: RoomStore,
        entrance: Entrance,
        board: Board,
        base_url: str,
    ) -> None:
        self._guard = guard
        self._rooms = rooms
        self._invitations = entrance.invitations
        self._seal = entrance.seal
        self._board = board
        self._base_url = base_url
        self._turns = asyncio.Semaphore(BATCHES_AT_ONCE_MAX)

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/rooms/{room}"
        lanes, invitations, profiles = (
            f"{room}/{name}" for name in ("lanes", "invitations", "profiles")
        )
        return [
            web.get(lanes, as_role("viewer", self.list_lanes, scope=("figures", "rooms"))),
            web.put(f"{lanes}/{{lane}}", as_role("operator", self.set_lane, scope="rooms")),
            web.get(
                invitations, as_role("viewer", self.list_invitations, scope=("figures", "rooms"))
            ),
            web.post(invitations, as_role("operator", self.invite, scope="rooms")),
            web.delete(f"{invitations}/{{batch}}", as_role("operator", self.revoke, scope="rooms")),
            web.get(profiles, as_role("viewer", self.list_profiles, scope=("figures", "rooms"))),
            web.put(
                f"{profiles}/{{profile}}", as_role("operator", self.set_profile, scope="rooms")
            ),
        ]

    @described(answer=LaneList)
    async def list_lanes(self, request: web.Request, operator: Operator) -> web.Response:
        """List a room's lanes."""
        return json_response(LaneList(lanes=await self._rooms.lanes(request.match_info["room"])))

    @described(body=LaneChange, answer=LaneList, refusals=(RoomArchived, SaleEnded))
    async def set_lane(self, request: web.Request, operator: Operator) -> web.Response:
        """Add a lane, or change its share of the calls."""
        room, lane = request.match_info["room"], request.match_info["lane"]
        change = await read_body(request, _LANE_CHANGE)
        await self._rooms.set_lane(room, lane, share=change.share, who=operator.name)
        await self._board.refresh(rooms=True)
        return await self.list_lanes(request, operator)

    @described(query=(_LIMIT, _CURSOR), answer=BatchList)
    async def list_invitations(self, request: web.Request, operator: Operator) -> web.Response:
        """List the batches, the newest first, with how many of each were used; no links."""
        query = read_query(request)
        limit = _LIMIT.of(query)
        before = _CURSOR.of(query) or None
        room = request.match_info["room"]
        found = await self._invitations.page(room, before=before, limit=limit)
        following = found[-1].batch if len(found) == limit else None
        return json_response(BatchList(invitations=found, next=following))

    @described(
        query=(_LANE, _UNTIL, _NOTE),
        body=NewInvitations,
        accepts=(JSON, CSV),
        answer=MadeInvitations,
        status=201,
        also=(Answer(status=201, body=str, content_type=CSV),),
        refusals=(PeopleTooMany, UnreadablePeople, RoomArchived),
    )
    async def invite(self, request: web.Request, operator: Operator) -> web.Response:
        """Make a batch of links: a number of them, or one for each person of a CSV file."""
        if request.content_type == "text/csv":
            return await self._invite_people(request, operator)
        # A body in JSON says the same by itself, but what cannot be read is refused there too.
        query = read_query(request)
        _ = _LANE.of(query), _UNTIL.of(query), _NOTE.of(query)
        return await self._invite_count(request, operator)

    async def _invite_count(self, request: web.Request, operator: Operator) -> web.Response:
        room = request.match_info["room"]
        asked = await read_body(request, _NEW_INVITATIONS)
        if prefers(",".join(request.headers.getall("Accept", ())), "text/csv"):
            return await self._file(room, asked, operator, write_links)
        batch, links = await self._make(room, asked, operator)
        made = MadeInvitations(
            batch=batch, lane=asked.lane, count=asked.count, until=asked.until, links=links
        )
        return json_response(made, status=201)

    async def _invite_people(self, request: web.Request, operator: Operator) -> web.Response:
        room, query = request.match_info["room"], read_query(request)
        note = _NOTE.of(query)
        people = await asyncio.to_thread(read_people, await _receive(request))
        asked = NewInvitations(
            count=people.count,
            lane=_LANE.of(query),
            until=_UNTIL.of(query),
            note=note,
        )
        made = await self._file(room, asked, operator, partial(write_people, people))
        await self._guard.note("exported", operator, request, what="invitations", room=room)
        return made

    async def _make(
        self, room: str, asked: NewInvitations, operator: Operator
    ) -> tuple[int, list[str]]:
        """Make a batch and return its number and links."""
        if self._turns.locked():
            raise Busy("Other invitations are being made here; please try again in a moment.")
        async with self._turns:
            batch = await self._invitations.invite(
                room,
                lane=asked.lane,
                count=asked.count,
                note=asked.note,
                until=asked.until,
                who=operator.name,
            )
            links = partial(self._seal.links, self._base_url, room, batch=batch, count=asked.count)
            return batch, await asyncio.to_thread(links)

    async def _file(
        self,
        room: str,
        asked: NewInvitations,
        operator: Operator,
        write: Callable[[Sequence[str]], bytes],
    ) -> web.Response:
        batch, links = await self._make(room, asked, operator)
        content = await asyncio.to_thread(write, links)
        response = web.Response(body=content, status=201, headers=PRIVATE)
        response.headers["Content-Type"] = "text/csv; charset=utf-8"
        name = f"{room}-invitations-{batch}.csv"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    @described(answer=RevokedBatch)
    async def revoke(self, request: web.Request, operator: Operator) -> web.Response:
        """Revoke the unused invitations of a batch; places that were taken by it stay."""
        room, batch = request.match_info["room"], request.match_info["batch"]
        number = int(batch) if batch.isascii() and batch.isdigit() and len(batch) <= 10 else 0
        if not 1 <= number <= BATCH_MAX:
            raise NotFound(f"There is no batch {batch!r}.")
        unused = await self._invitations.revoke(room, number, who=operator.name)
        return json_response(RevokedBatch(batch=number, revoked=unused))

    @described(answer=ProfilesOnFile)
    async def list_profiles(self, request: web.Request, operator: Operator) -> web.Response:
        """List the profiles that give places more time."""
        found = await self._rooms.profiles(request.match_info["room"])
        return json_response(ProfilesOnFile(profiles=found))

    @described(body=ProfileChange, answer=ProfilesOnFile, refusals=(RoomArchived,))
    async def set_profile(self, request: web.Request, operator: Operator) -> web.Response:
        """Add a profile, or change it; who has it and is not called yet gets the new time."""
        change = await read_body(request, _PROFILE_CHANGE)
        await self._rooms.set_profile(
            request.match_info["room"],
            request.match_info["profile"],
            who=operator.name,
            **msgspec.structs.asdict(change),
        )
        return await self.list_profiles(request, operator)


async def _receive(request: web.Request) -> bytes:
    """Take a whole file in; its people are never written down anywhere."""
    with BytesIO() as file:
        await receive(
            request,
            file,
            bytes_max=FILE_BYTES_MAX,
            wait_s=UPLOAD_WAIT_S,
            too_large=PeopleTooMany(_TOO_LARGE),
        )
        return file.getvalue()

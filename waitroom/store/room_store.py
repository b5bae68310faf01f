"""Rooms, lanes and profiles on PostgreSQL, as operators make and change them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from inventory.kit.database import Connection, Pool, connection, load_queries
from inventory.kit.doors.moments import FORM
from inventory.kit.problem import BadRequest, NotFound
from inventory.money import DEFAULT_CURRENCY, currencies
from inventory.refusals import RoomArchived, Taken, no_room
from waitroom.line.rules import RoomRules
from waitroom.refusals import DrawIsDue, NotOpenYet, RoomUnreadable, SaleEnded
from waitroom.store.place_store import Profile
from waitroom.store.room_rows import UNREADABLE, CheckNew, RoomsOnFile, room_rules, rooms_on_file

SQL = load_queries("waitroom.store")

# The field and the sentence for an operator whose change breaks a constraint of the tables.
_BROKEN = {
    "sale_closes_after_it_opens": ("closes_at", "The sale has to close after it opens."),
    "doors_open_before_the_sale": (
        "doors_at",
        "The doors open with the sale or before it, not after.",
    ),
    "closing_lies_ahead": (
        "closes_at",
        "That closing time has passed. To end the sale now, end it.",
    ),
    "announced_draw_stands": (
        "order_by",
        "The draw has been announced, and people enter for it. To go without it, reset the room.",
    ),
    "draw_comes_before_the_opening": (
        "order_by",
        "A draw orders the people who come before the opening, and this room has opened.",
    ),
    "draw_comes_before_any_number": (
        "order_by",
        (
            "Numbers have been given in this line already, and a draw has to give all of them. "
            "Reset the room first."
        ),
    ),
    "stock_moves_before_the_opening": (
        "stock_elsewhere",
        "Where the stock lives can be changed until the room opens.",
    ),
    "stock_lives_in_one_place": (
        "stock_elsewhere",
        "This room has SKUs of its own, so its stock lives here. Use a room without SKUs.",
    ),
    "room_names_moments_of_our_time": ("opens_at", f"A room's times are each {FORM}."),
    "room_disappointed_max_check": (
        "disappointed_max",
        "disappointed_max is a share from 0 to 0.5.",
    ),
    "room_held_share_max_check": ("held_share_max", "held_share_max is a share from 0 to 1."),
    "lane_is_a_slug": (
        "lane",
        "A lane's name has 1 to 31 small letters and digits, a letter first.",
    ),
    "sixteen_lanes_at_most": ("lane", "A room has at most sixteen lanes."),
    "profile_is_a_slug": (
        "profile",
        "A profile's name has 1 to 31 small letters, digits and hyphens.",
    ),
    "profile_within_its_bound": ("places_max", "More places than that already have this profile."),
}

# A copy of a room is another room, and it has no hours and no message, which were for that night.
_OWN = {"room_id", "room", "name", "status", "sold_out", "currency", "log_salt"}
_OF_THE_NIGHT = {"message", "message_at", "doors_at", "doors_open", "opens_at", "closes_at"}
_COPIED = [f.name for f in fields(RoomRules) if f.name not in _OWN | _OF_THE_NIGHT]

# The doors check single values first, so only a mistake of ours lets an operator meet this.
_OTHER_CURRENCY = "A copy of the goods sells in the currency of the room that is copied."
_CODE_TAKEN = "A code that a copied product would have is in use. Choose another code for the room."
_OUT_OF_BOUNDS = "A value is out of its bounds, so nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A room to copy: its rules, and if asked for its live look and its goods.

    Stock is never copied: `units` of each of the goods are received.
    """

    room: str
    look: bool = False
    goods: bool = False
    units: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFigures:
    """The figures of a sale, all lanes together, since the room was begun or reset.

    Shoppers who are inside from before a reset count as inside.
    """

    # Numbers of the joinable lines: called or gone by, given, up to which calls go, and uncalled.
    head: int
    tail: int
    gate: int
    waiting: int
    # Places taken before the draw.
    entries: int
    # Admissions by what became of them: `missed` calls went unclaimed, and the shopper of those
    # under `came_back` asked for another one since.
    called: int
    claimed: int
    missed: int
    came_back: int
    left: int
    ended: int
    # Seats in use.
    seats_taken: int
    # Units of all SKUs of the room.
    on_hand: int
    available: int
    promised: int
    held: int
    sold: int
    holds_open: int
    # Orders by what became of them; authorizing are all that the gateway has not decided.
    orders_paid: int
    orders_declined: int
    orders_authorizing: int
    # Of these, those that have waited for the gateway for two minutes and more, and the seconds
    # that the oldest one has waited.
    orders_slow: int
    oldest_payment_s: float | None
    # What was paid less what went back, in minor units of `currency`, None before the first order.
    revenue_minor: int
    currency: str | None
    # The last moment at which another shop told its stock, and the seconds since, for a room whose
    # stock lives there.
    stock_heard_at: datetime | None
    stock_silent_s: float | None
    # The controller that leads, its term, and the seconds since it last said so.
    leader: str
    term: int
    leader_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneOnFile:
    """A lane with its present line."""

    lane: str
    line: str
    # Its weight among the lanes, and the part of all calls that this is, 0 to 1.
    share: float
    part: float
    # The last number called and the last one given; places taken before the draw.
    head: int
    tail: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerOnFile:
    """A seller in a room."""

    seller: str
    # Whether the room sells what is theirs; since when and by whom, None where it does not.
    admitted: bool
    admitted_by: str | None
    admitted_at: datetime | None
    # Their free units in the room: calls count on them, or would.
    available: int


class RoomStore:
    """Each change is one transaction and leaves an operator's action on record."""

    def __init__(self, pool: Pool, check_new: CheckNew | None = None) -> None:
        self._pool, self.check_new = pool, check_new

    async def create(
        self,
        room: str,
        name: str,
        *,
        rules: str = "{}",
        who: str,
        currency: str | None = None,
        like: Copied | None = None,
    ) -> None:
        """Make a room with rules, a JSON object of columns and values; or make nothing.

        All else is as in the room `like`, with its lanes, profiles, sellers and gate, or by the
        defaults. The room sells in `currency` for good. Raises `NotFound` for no room to copy,
        `BadRequest` where the currency is no legal tender, the name is taken or a rule is broken,
        and `Taken` where a code that a copied SKU would have is in use.
        """
        if self.check_new is not None:
            await self.check_new(room)
        reason = "" if like is None else f"as in {like.room}"
        if like is not None:
            source = await self.read(like.room)
            copied = {rule: getattr(source, rule) for rule in _COPIED}
            rules = msgspec.json.encode(copied | msgspec.json.decode(rules)).decode()
            currency = currency or source.currency
        currency = currency or DEFAULT_CURRENCY
        if currency not in currencies():
            raise BadRequest(
                f"{currency!r} is not the code of a currency, such as EUR.", field="currency"
            )
        async with connection(self._pool) as borrowed:
            with _room_named(room):
                async with borrowed.transaction():
                    await borrowed.execute(SQL["create_room"], room, name, who, currency)
                    await borrowed.execute(SQL["change_room"], room, rules, who, reason)
                    if like is not None:
                        await _copy_parts(borrowed, like, room, who=who, reason=reason)

    async def change(self, room: str, rules: str, *, who: str, reason: str = "") -> None:
        """Change a room's rules, a JSON object of columns and values; raises `BadRequest`."""
        if await self._change("change_room", room, rules, who, reason) is None:
            raise no_room(room)

    async def set_status(self, room: str, status: str, *, who: str, reason: str = "") -> str:
        """Set a room's status and return the one before; raises `SaleEnded`, `NotOpenYet`."""
        async with connection(self._pool) as borrowed:
            before = await borrowed.fetchval(SQL["set_room_status"], room, status, who, reason)
        if before is None:
            raise no_room(room)
        if before == "ended" != status:
            raise SaleEnded
        if (before, status) == ("scheduled", "paused"):
            raise NotOpenYet
        return str(before)

    async def reset(self, room: str, *, who: str, reason: str) -> int:
        """Reset a room and return how many calls were taken back.

        Raises `DrawIsDue` or `RoomArchived`.
        """
        async with connection(self._pool) as borrowed:
            try:
                row = await borrowed.fetchrow(SQL["reset_room"], room, who, reason)
            except asyncpg.CheckViolationError as error:
                if error.constraint_name == "archived_room_stands":
                    raise RoomArchived from error
                raise
        assert row is not None
        if row["verdict"] == "unknown":
            raise no_room(room)
        if row["verdict"] == "draw_is_due":
            raise DrawIsDue
        return int(row["calls_taken_back"])

    async def read(self, room: str) -> RoomRules:
        """Return a room's rules; raises `NotFound` or `RoomUnreadable`."""
        async with connection(self._pool) as borrowed:
            try:
                row = await borrowed.fetchrow(SQL["read_room"], room)
                if row is not None:
                    return room_rules(row)
            except UNREADABLE as error:
                raise RoomUnreadable(
                    f"The database has a value for the room {room!r} that cannot be read: {error}."
                ) from error
        raise no_room(room)

    async def figures(self, room: str) -> RoomFigures:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_figures"], room)
        if row is None:
            raise no_room(room)
        return RoomFigures(**row)

    async def lanes(self, room: str) -> list[LaneOnFile]:
        """Return a room's lanes, the main one first."""
        return [LaneOnFile(**row) for row in await self._list("list_lanes", room)]

    async def set_lane(self, room: str, lane: str, *, share: float, who: str) -> None:
        """Add a lane, or change its share of the calls."""
        if await self._change("set_lane", room, lane, share, who) is None:
            raise no_room(room)

    async def sellers(self, room: str) -> list[SellerOnFile]:
        """Return the sellers whom a room admits, and those who have SKUs there without it."""
        return [SellerOnFile(**row) for row in await self._list("list_sellers", room)]

    async def admit(
        self, room: str, seller: str, *, admitted: bool, who: str, reason: str = ""
    ) -> None:
        """Admit a seller to a room or withdraw one, which changes no hold and no order in being."""
        verdict = await self._change("admit_seller", room, seller, admitted, who, reason)
        if verdict == "no_room":
            raise no_room(room)
        if verdict == "no_seller":
            raise NotFound(f"There is no seller {seller!r}.")

    async def profiles(self, room: str) -> list[Profile]:
        """Return a room's profiles, and how many places have each."""
        return [Profile(**row) for row in await self._list("list_profiles", room)]

    async def set_profile(
        self,
        room: str,
        profile: str,
        *,
        name: str,
        time_factor: float,
        places_max: int | None,
        who: str,
    ) -> None:
        """Add a profile, or change it: `places_max` is how many places may have it, if bounded."""
        values = (room, profile, name, time_factor, places_max, who)
        if not await self._change("set_profile", *values):
            raise no_room(room)

    async def _list(self, query: str, room: str) -> list[asyncpg.Record]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL[query], room)
            if not rows and await borrowed.fetchrow(SQL["read_room"], room) is None:
                raise no_room(room)
        return rows

    async def _change(self, query: str, *values: object) -> Any:
        async with connection(self._pool) as borrowed:
            try:
                return await borrowed.fetchval(SQL[query], *values)
            except asyncpg.CheckViolationError as error:
                if error.constraint_name == "archived_room_stands":
                    raise RoomArchived from error
                raise _broken(error) from error


@contextmanager
def _room_named(room: str) -> Iterator[None]:
    """Turn what stands in the way of a new room into a refusal that says it in words."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as error:
        raise BadRequest(_OTHER_CURRENCY, field="currency") from error
    except asyncpg.UniqueViolationError as error:
        if error.table_name in {"product", "sku"}:
            raise Taken(_CODE_TAKEN, field="room") from error
        raise BadRequest(
            f"There is a room {room!r} already. Choose another code.", field="room"
        ) from error
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "room_is_a_slug":
            raise _broken(error) from error
        raise BadRequest(
            f"{room!r} cannot name a room: use small letters, digits and hyphens.", field="room"
        ) from error


async def _copy_parts(
    borrowed: Connection, like: Copied, room: str, *, who: str, reason: str
) -> None:
    """Give a new room the lanes, profiles, sellers and gate of another, and what is asked for."""
    source = like.room
    for lane in await borrowed.fetch(SQL["list_lanes"], source):
        await borrowed.execute(SQL["set_lane"], room, lane["lane"], lane["share"], who)
    for one in await borrowed.fetch(SQL["list_profiles"], source):
        values = (one["profile"], one["name"], one["time_factor"], one["places_max"])
        await borrowed.execute(SQL["set_profile"], room, *values, who)
    for one in await borrowed.fetch(SQL["list_sellers"], source):
        if admitted := one["admitted"]:
            await borrowed.execute(SQL["admit_seller"], room, one["seller"], admitted, who, reason)
    await borrowed.execute(SQL["copy_gate"], source, room)
    if like.look:
        await borrowed.execute(SQL["copy_look"], source, room, who)
    if like.goods:
        await borrowed.execute(SQL["copy_goods"], source, room, like.units, who)


def _broken(error: asyncpg.CheckViolationError) -> BadRequest:
    """Return what a broken rule of the tables means, in words for the operator who broke it."""
    if error.constraint_name not in _BROKEN:
        return BadRequest(_OUT_OF_BOUNDS)
    field, sentence = _BROKEN[error.constraint_name]
    return BadRequest(sentence, field=field)


async def rooms_one_by_one(borrowed: Connection) -> RoomsOnFile:
    """Return every room by a statement of its own, for a value that asyncpg cannot read."""
    found = RoomsOnFile(rooms=[], unreadable={})
    for row in await borrowed.fetch(SQL["name_rooms"], None):
        try:
            one = rooms_on_file(await borrowed.fetch(SQL["list_rooms"], row["room"], []))
        except UNREADABLE as error:
            found.unreadable[row["room"]] = repr(error)
        else:
            found.rooms.extend(one.rooms)
            found.unreadable.update(one.unreadable)
    return found

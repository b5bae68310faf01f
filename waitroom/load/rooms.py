"""Before a crowd sets out: which room, and is anybody there."""

from urllib.parse import quote

import aiohttp
import msgspec

from waitroom.client.problem import NoAnswer
from waitroom.load.bodies import RoomsBody
from waitroom.load.wire import UnknownRoom, Wire

_ROOMS = msgspec.json.Decoder(RoomsBody)
_FOUND = frozenset({200, 503})


async def find_room(url: str, room: str | None) -> str:
    """Return the room, or without a name the first public one that is open.

    Raises `NoAnswer` when no waitroom answers at the URL, `UnknownRoom` otherwise.
    """
    try:
        async with Wire(url) as wire:
            if room is None:
                answer = await wire.once("GET", "/rooms")
                rooms = _ROOMS.decode(answer.raw).rooms if answer.good else []
                open_rooms = [found.room for found in rooms if found.status == "open"]
                if not open_rooms:
                    raise UnknownRoom(f"there is no open room at {url}; name one with --room")
                return open_rooms[0]
            # A room need not be public to be found by its name; its state may be still to come.
            answer = await wire.once("GET", f"/rooms/{quote(room, safe='')}/state")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise NoAnswer(f"{url} cannot be reached: {error or type(error).__name__}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoAnswer(f"{url} answers, but not as waitroom does") from error
    if answer.status not in _FOUND:
        raise UnknownRoom(f"there is no room {room!r} at {url}")
    return room

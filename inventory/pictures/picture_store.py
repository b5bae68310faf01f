"""Pictures on PostgreSQL, each once under the hash of its bytes."""

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import NotFound
from inventory.pictures.picture import Picture
from inventory.refusals import PicturesTooMany

SQL = load_queries("inventory.pictures")

# For the pictures that a room's operators uploaded, and those that each of its sellers did.
BYTES_MAX = 256 * 1024 * 1024


class PictureStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(
        self,
        picture: Picture,
        *,
        room: str,
        seller: int | None,
        who: str,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """Keep a picture; to keep it again changes nothing.

        Where there is no room for it, pictures that nothing shows make room. Raises `NotFound` for
        an unknown room and `PicturesTooMany` if that is not enough.
        """
        values = (picture.name, picture.body, room, seller, bytes_max, who)
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["keep_picture"], *values)
        if verdict == "no_room":
            raise NotFound(f"There is no room {room!r}.")
        if verdict == "too_many":
            raise PicturesTooMany

    async def read(self, name: str) -> bytes:
        """Return the bytes of a picture; raises `NotFound`."""
        async with connection(self._pool) as borrowed:
            found: bytes | None = await borrowed.fetchval(SQL["read_picture"], name)
        if found is None:
            raise NotFound("There is no such picture.")
        return found

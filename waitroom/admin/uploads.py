"""Files that operators upload, taken in whole and within bounds."""

import asyncio
from typing import BinaryIO

from aiohttp import web

from inventory.kit.http import arriving
from inventory.kit.problem import BadRequest, Refusal

PIECE_BYTES = 64 * 1024


async def receive(
    request: web.Request,
    file: BinaryIO,
    *,
    bytes_max: int,
    wait_s: float,
    too_large: Refusal,
) -> None:
    """Write a request's body into a file, and go back to its beginning.

    Raises `too_large` for a body beyond `bytes_max`, and `BadRequest` for one that does not arrive
    whole within `wait_s`.
    """
    if (request.content_length or 0) > bytes_max:
        raise too_large
    try:
        with arriving():
            async with asyncio.timeout(wait_s):
                async for piece in request.content.iter_chunked(PIECE_BYTES):
                    file.write(piece)
                    if file.tell() > bytes_max:
                        raise too_large
    except TimeoutError as error:
        raise BadRequest("The file did not arrive in time.") from error
    file.seek(0)

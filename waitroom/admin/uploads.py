"""Files that operators upload, taken in whole and within bounds."""

import asyncio
from typing import BinaryIO

from aiohttp import BodyPartReader, web

from inventory.kit.http import BODY_BYTES_MAX, arriving, read_form
from inventory.kit.problem import BadRequest, Refusal, UnsupportedMediaType

PIECE_BYTES = 64 * 1024
PARTS_MAX = 20


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
        raise BadRequest("The file did not arrive in time. Send it again.") from error
    file.seek(0)


async def receive_form(
    request: web.Request, *, file: str, bytes_max: int, wait_s: float, too_large: Refusal
) -> tuple[dict[str, str], bytes]:
    """Return a form's texts and the bytes of its one file, named `file`; none are empty bytes.

    A form without a file may also come as pages usually send one. Raises `too_large` for a file
    beyond `bytes_max`, `BadRequest` for a form that cannot be read, and `UnsupportedMediaType` for
    one that is packed: aiohttp looks for its first part without a bound and without a pause.
    """
    if request.content_type != "multipart/form-data":
        return await read_form(request), b""
    if "Content-Encoding" in request.headers:
        raise UnsupportedMediaType("Send a form with a file without Content-Encoding.")
    texts: dict[str, str] = {}
    sent = b""
    try:
        with arriving():
            async with asyncio.timeout(wait_s):
                reader = await request.multipart()
                for _ in range(PARTS_MAX):
                    part = await reader.next()
                    if part is None:
                        break
                    if not isinstance(part, BodyPartReader) or part.name is None:
                        raise BadRequest(
                            "The form cannot be read. Load its page and fill it in again."
                        )
                    if part.name == file:
                        sent = await _whole(part, bytes_max, too_large)
                    else:
                        refusal = BadRequest("A text in the form is too long.")
                        raw = await _whole(part, BODY_BYTES_MAX, refusal)
                        texts.setdefault(part.name, raw.decode())
    except TimeoutError as error:
        raise BadRequest("The form did not arrive in time. Send it again.") from error
    except ValueError as error:
        raise BadRequest("The form cannot be read. Load its page and fill it in again.") from error
    return texts, sent


async def _whole(part: BodyPartReader, bytes_max: int, too_large: Refusal) -> bytes:
    found = bytearray()
    while piece := await part.read_chunk(PIECE_BYTES):
        found += piece
        if len(found) > bytes_max:
            raise too_large
    return bytes(found)

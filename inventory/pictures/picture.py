"""Pictures read by their content: PNG, JPEG, WebP and AVIF, without what no page shows. Pure.

A file is taken apart into the pieces that its format names, and put together again from those that
a page needs. Comments, the camera's notes with its position, and whatever stands behind the end of
the picture stay out, so a file that is also something else is only a picture here. An SVG can hold
scripts and is none of the four.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from inventory.refusals import NotAPicture

PICTURE_BYTES_MAX = 1024 * 1024
SIDE_MAX = 4096
_HASH_DIGITS = 32
NAME = rf"[0-9a-f]{{{_HASH_DIGITS}}}\.(?:png|jpg|webp|avif)"
TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}

_PNG = b"\x89PNG\r\n\x1a\n"
# The picture, its palette and its colours. The chunks of an animation are left out.
_PNG_KEPT = set(b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD pHYs".split())
_WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"}
_WEBP_METADATA = 0x08 | 0x04
_AVIF_TOP = {b"ftyp", b"meta", b"mdat", b"free", b"skip"}
_SCAN, _END = 0xDA, 0xD9
_NO_FRAME = {0xC4, 0xC8, 0xCC}
# The turns that a camera notes instead of turning the picture.
_ORIENTATION, _ORIENTATIONS = 0x0112, range(2, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture to keep: the ending that names its format, and its bytes as they are served."""

    ending: str
    body: bytes

    @property
    def name(self) -> str:
        """Return the name under which it is served: the hash of its bytes."""
        return f"{sha256(self.body).hexdigest()[:_HASH_DIGITS]}.{self.ending}"


def read_picture(raw: bytes) -> Picture:
    """Return the picture that a file is; raises `NotAPicture` for everything else."""
    try:
        return _read(raw)
    except (struct.error, IndexError) as error:
        raise NotAPicture("This picture is damaged or not complete.") from error


def _read(raw: bytes) -> Picture:
    if raw.startswith(_PNG):
        return Picture(ending="png", body=_png(raw))
    if raw.startswith(b"\xff\xd8\xff"):
        return Picture(ending="jpg", body=_jpeg(raw))
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return Picture(ending="webp", body=_webp(raw))
    if raw[4:8] == b"ftyp" and b"avif" in _brands(raw):
        return Picture(ending="avif", body=_avif(raw))
    raise NotAPicture


def _fits(width: int, height: int) -> None:
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
        raise NotAPicture(f"A picture has 1 to {SIDE_MAX} pixels on each side.")


def _whole(complete: bool) -> None:  # noqa: FBT001 - it reads as an assertion
    if not complete:
        raise NotAPicture("This picture is damaged or not complete.")


def _png(raw: bytes) -> bytes:
    chunks = list(_png_chunks(raw))
    kinds = [kind for kind, _ in chunks]
    _whole(kinds[:1] == [b"IHDR"] and kinds[-1:] == [b"IEND"] and b"IDAT" in kinds)
    _fits(*struct.unpack_from(">II", chunks[0][1], 8))
    return _PNG + b"".join(chunk for kind, chunk in chunks if kind in _PNG_KEPT)


def _png_chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, kind = len(_PNG), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", raw, at)
        chunk = raw[at : at + 12 + length]
        (checksum,) = struct.unpack_from(">I", raw, at + 8 + length)
        _whole(zlib.crc32(chunk[4:-4]) == checksum)
        yield kind, chunk
        at += len(chunk)


def _jpeg(raw: bytes) -> bytes:
    kept, at, framed, scanned, turn = [raw[:2]], 2, False, False, 1
    while True:
        _whole(raw[at] == 0xFF)
        marker = raw[at + 1]
        if marker in {0xFF, _END}:
            if marker == _END:
                break
            at += 1
            continue
        (length,) = struct.unpack_from(">H", raw, at + 2)
        end = at + 2 + length
        _whole(length >= 2 and end < len(raw))
        segment = raw[at:end]
        if marker == 0xE1:
            turn = _orientation(segment[4:]) or turn
        if marker == _SCAN:
            end, scanned = _end_of_scan(raw, end), True
            segment = raw[at:end]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", segment, 5)
            _fits(width, height)
            framed = True
        if _is_shown(marker, segment):
            kept.append(segment)
        at = end
    _whole(framed and scanned)
    if turn in _ORIENTATIONS:
        kept.insert(1, _turned(turn))
    return b"".join(kept) + b"\xff\xd9"


def _is_shown(marker: int, segment: bytes) -> bool:
    """Say whether a segment of a JPEG is part of what is seen: neither a note nor a comment."""
    if 0xE1 <= marker <= 0xEF:
        profile = marker == 0xE2 and segment[4:].startswith(b"ICC_PROFILE\0")
        return profile or (marker == 0xEE and segment[4:].startswith(b"Adobe"))
    return marker != 0xFE


def _end_of_scan(raw: bytes, at: int) -> int:
    """Return where the next marker stands; within a scan 0xFF is followed by 0 or a restart."""
    while True:
        at = raw.find(b"\xff", at)
        _whole(0 <= at < len(raw) - 1)
        following = raw[at + 1]
        if following not in {0, 0xFF} and not 0xD0 <= following <= 0xD7:
            return at
        at += 1 if following == 0xFF else 2


def _orientation(note: bytes) -> int | None:
    """Return how a camera was held, from its note in the form of Exif; None if it does not say."""
    if not note.startswith(b"Exif\0\0") or note[6:8] not in {b"II", b"MM"}:
        return None
    tiff, order = note[6:], "<" if note[6:8] == b"II" else ">"
    try:
        (table,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, table)
        for n in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, table + 2 + 12 * n)
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:
        # The note is damaged, and the picture may be whole.
        return None
    return None


def _turned(orientation: int) -> bytes:
    """Return a note that says nothing but how the camera was held."""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff


def _webp(raw: bytes) -> bytes:
    (size,) = struct.unpack_from("<I", raw, 4)
    end = 8 + size
    _whole(end <= len(raw))
    kept, at = [], 12
    while at < end:
        kind, length = struct.unpack_from("<4sI", raw, at)
        following = at + 8 + length + length % 2
        _whole(at + 8 + length <= end)
        if kind in {b"ANIM", b"ANMF"}:
            raise NotAPicture("A picture must not move.")
        if kind in _WEBP_KEPT:
            kept.append((kind, raw[at + 8 : at + 8 + length]))
        at = following
    bodies = dict(kept)
    _whole(b"VP8 " in bodies or b"VP8L" in bodies)
    for kind, body in kept:
        if kind in _WEBP_SIZES:
            _fits(*_WEBP_SIZES[kind](body))
    chunks = b"".join(_webp_chunk(kind, body) for kind, body in kept)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _webp_chunk(kind: bytes, body: bytes) -> bytes:
    if kind == b"VP8X":
        body = bytes([body[0] & ~_WEBP_METADATA]) + body[1:]
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _of_canvas(body: bytes) -> tuple[int, int]:
    _whole(len(body) == 10)
    return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")


def _of_lossy(body: bytes) -> tuple[int, int]:
    _whole(body[3:6] == b"\x9d\x01\x2a")
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _of_lossless(body: bytes) -> tuple[int, int]:
    _whole(body[:1] == b"\x2f")
    (bits,) = struct.unpack_from("<I", body, 1)
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


_WEBP_SIZES = {b"VP8X": _of_canvas, b"VP8 ": _of_lossy, b"VP8L": _of_lossless}


def _avif(raw: bytes) -> bytes:
    boxes = list(_boxes(raw))
    kinds = {kind for kind, _ in boxes}
    if b"avis" in _brands(raw) or not kinds <= _AVIF_TOP:
        raise NotAPicture("A picture must not move.")
    _whole({b"meta", b"mdat"} <= kinds)
    # The first four bytes of `meta` are its version, behind which its boxes begin.
    meta = dict(_boxes(next(body for kind, body in boxes if kind == b"meta")[4:]))
    if any(item in meta.get(b"iinf", b"") for item in (b"Exif", b"mime")):
        raise NotAPicture("Please save this picture without the camera's notes (Exif and XMP).")
    properties = dict(_boxes(meta.get(b"iprp", b""))).get(b"ipco", b"")
    sizes = [body for kind, body in _boxes(properties) if kind == b"ispe"]
    _whole(bool(sizes))
    for size in sizes:
        _fits(*struct.unpack_from(">II", size, 4))
    return raw


def _brands(raw: bytes) -> list[bytes]:
    """Return what a file of boxes says that it is."""
    (size,) = struct.unpack_from(">I", raw, 0)
    head = raw[8 : min(size, 256)]
    return [head[:4], *(head[at : at + 4] for at in range(8, len(head), 4))]


def _boxes(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(raw):
        size, kind = struct.unpack_from(">I4s", raw, at)
        # The last box may leave its size open.
        size = size or len(raw) - at
        _whole(size >= 8 and at + size <= len(raw))
        yield kind, raw[at + 8 : at + size]
        at += size

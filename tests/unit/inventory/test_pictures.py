"""A file is a picture by its content, and of a picture only what is seen is kept."""

import io
import struct

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from inventory.pictures.picture import SIDE_MAX, Picture, read_picture
from inventory.refusals import NotAPicture

SECRET = b"N 52 31 12.0, E 13 24 18.0"
FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "AVIF": "avif"}


def exif(orientation: int = 1) -> Image.Exif:
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x010E] = SECRET.decode()
    return notes


def picture(form: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    image = Image.radial_gradient("L").resize(size).convert("RGB")
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def seen(raw: bytes) -> bytes:
    return Image.open(io.BytesIO(raw)).convert("RGB").tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(("form", "ending"), FORMATS.items())
def test_a_picture_is_known_by_its_content_and_looks_as_before(form: str, ending: str) -> None:
    raw = picture(form)

    read = read_picture(raw)

    assert read.ending == ending
    assert seen(read.body) == seen(raw)
    assert read.name == read_picture(read.body).name


def with_notes() -> dict[str, bytes]:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", SECRET.decode())
    progressive = picture("JPEG", exif=exif(), comment=SECRET, progressive=True)
    return {
        "PNG": picture("PNG", pnginfo=texts, exif=exif()),
        "JPEG": picture("JPEG", exif=exif(), comment=SECRET, xmp=SECRET),
        "progressive": progressive,
        "WEBP": picture("WEBP", exif=exif(), xmp=SECRET),
        "lossless": picture("WEBP", exif=exif(), lossless=True),
        "PNG and a web page": picture("PNG") + b"<script>" + SECRET,
        "JPEG and another": picture("JPEG") + SECRET,
        "WEBP and more": picture("WEBP") + SECRET,
    }


@pytest.mark.parametrize("raw", with_notes().values(), ids=with_notes().keys())
def test_what_no_page_shows_is_dropped(raw: bytes) -> None:
    assert SECRET in raw

    read = read_picture(raw)

    assert SECRET not in read.body
    assert seen(read.body) == seen(raw)
    assert not Image.open(io.BytesIO(read.body)).getexif()


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_a_photograph_keeps_the_way_up(turn: int) -> None:
    read = read_picture(picture("JPEG", exif=exif(turn)))

    kept = Image.open(io.BytesIO(read.body)).getexif()

    assert dict(kept) == ({} if turn == 1 else {0x0112: turn})


def test_the_colours_of_a_photograph_stay() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    for form in ("PNG", "JPEG", "WEBP"):
        read = read_picture(picture(form, icc_profile=profile))

        assert Image.open(io.BytesIO(read.body)).info["icc_profile"] == profile, form


SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
GIF = b"GIF89a\1\0\1\0\0\0\0;"


def moving(form: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    "raw",
    [b"", b"x", SVG, GIF, picture("BMP"), b"\xff\xd8\xff" + SVG, b"\x89PNG\r\n\x1a\n" + SVG,
     b"RIFF\xff\0\0\0WEBP" + SVG, b"\0\0\0\x10ftypavif\0\0\0\0" + SVG,
     b"RIFF" + struct.pack("<I", 22) + b"WEBP" + chunk(b"VP8X", bytes(10)),
     picture("AVIF", exif=exif()), moving("WEBP"), moving("AVIF"),
     picture("PNG", (SIDE_MAX + 1, 1)), picture("JPEG", (1, SIDE_MAX + 1)),
     picture("WEBP", (SIDE_MAX + 1, 1)), picture("WEBP", (1, SIDE_MAX + 1), lossless=True),
     picture("AVIF", (SIDE_MAX + 1, 8))],
    ids=lambda raw: f"{raw[:12]!r}, {len(raw)}",
)  # fmt: skip
def test_everything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(NotAPicture):
        read_picture(raw)


@pytest.mark.parametrize("form", FORMATS)
def test_a_picture_that_is_cut_off_is_refused_wherever_it_is_cut(form: str) -> None:
    raw = picture(form)
    taken = []
    for end in range(0, len(raw) - 1, 7):
        try:
            taken.append((end, read_picture(raw[:end])))
        except NotAPicture:
            continue

    assert taken == []


@pytest.mark.parametrize("form", FORMATS)
def test_no_damage_brings_anything_but_a_picture_or_a_refusal(form: str) -> None:
    raw = picture(form, exif=exif(6)) if form == "JPEG" else picture(form)
    for at in range(min(len(raw), 400)):
        damaged = raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]
        try:
            read = read_picture(damaged)
        except NotAPicture:
            continue
        assert isinstance(read, Picture)


def test_a_moving_png_stands_still() -> None:
    read = read_picture(moving("PNG"))

    assert getattr(Image.open(io.BytesIO(read.body)), "n_frames", 1) == 1
    assert b"acTL" not in read.body

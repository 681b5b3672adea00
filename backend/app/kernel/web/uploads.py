"""Pictures from strangers: recognised by content, bounded before they are decoded, and drawn anew.

What is kept is a PNG that we encoded ourselves from the pixels alone: no metadata (a phone writes where a photo was
taken), no second frame, nothing behind the picture that another program might run.
"""

from __future__ import annotations

import asyncio
import io
import re
import struct
from dataclasses import dataclass

from PIL import Image
from starlette.datastructures import UploadFile

from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.observability import get_logger

UPLOAD_IMAGE_BYTES_MAX = 2_000_000
IMAGE_PIXELS_MAX = 10_000_000
IMAGE_SIDE_MAX = 4_096
# A progressive JPEG may go over the picture as often as it likes, at thirty bytes a time; cameras write about ten.
JPEG_SCANS_MAX = 100
# A photo as phones take it; of a larger JPEG only every second, fourth or eighth dot is decoded.
PHOTO_BYTES_MAX = 12_000_000
PHOTO_PIXELS_MAX = 52_000_000
JPEG_STEPS = (1, 2, 4, 8)
# A decoded picture takes up to 40 MB; more at once would let a few uploads fill the memory.
DECODED_AT_ONCE_MAX = 2
DECODE_WAIT_SECONDS = 10.0
FORMATS = ("PNG", "JPEG", "WEBP")

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_JPEG_HEAD = b"\xff\xd8\xff"
_START_OF_SCAN = b"\xff\xda"
_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}

# Huffman-coded in one go: the others keep all of a picture in memory until the last scan is read.
_PLAIN_FRAMES = (0xC0, 0xC1)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SVG_HEAD = re.compile(rb"\s*(?:<\?xml|<!DOCTYPE svg|<!--|<svg)", re.IGNORECASE)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")

log = get_logger("stempel.uploads")
_decoding = asyncio.Semaphore(DECODED_AT_ONCE_MAX)


@dataclass(frozen=True, slots=True)
class CleanImage:
    """A picture drawn anew: PNG bytes of our own making, and their size in pixels."""

    png: bytes
    width: int
    height: int


async def read_image(
    upload: UploadFile, *, max_side: int, field: str = "image", is_photo: bool = False
) -> CleanImage:
    """Read an uploaded file and clean it off the event loop; raises Invalid with the words for the field."""
    async with asyncio.timeout(DECODE_WAIT_SECONDS), _decoding:
        # Read within the bound: a few people's twelve megabytes would otherwise wait in memory together.
        data = await upload.read((PHOTO_BYTES_MAX if is_photo else UPLOAD_IMAGE_BYTES_MAX) + 1)
        return await asyncio.to_thread(clean_image, data, max_side=max_side, field=field, is_photo=is_photo)


def clean_image(data: bytes, *, max_side: int, field: str = "image", is_photo: bool = False) -> CleanImage:
    """Return the picture as a fresh PNG of at most max_side pixels a side; an animation becomes its first frame.

    is_photo: take what phones take, too, a JPEG of PHOTO_BYTES_MAX and PHOTO_PIXELS_MAX. No more than
    IMAGE_PIXELS_MAX of it are ever decoded, so that it needs no more memory than a small picture does.

    Takes up to half a second for ten megapixels: call it in a thread (read_image does).
    Raises Invalid, whose extra["fields"] has the words for the field.
    """
    assert 1 <= max_side <= IMAGE_SIDE_MAX, "a picture has a bound"
    try:
        picture = _draw_anew(data, max_side=max_side, is_photo=is_photo)
    except (_TooLarge, Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _refused(field, _too_large_text(is_photo=is_photo)) from None
    except Exception as error:  # noqa: BLE001 (a dozen kinds, see below)
        # The decoders raise a dozen kinds of errors on broken files; for the visitor they all mean the same.
        log.info("picture_refused", reason=type(error).__name__)
        raise _refused(field, _other_kind_text(data)) from None
    buffer = io.BytesIO()
    # Quickly: whoever keeps it cuts it to size first, and packs it tightly then.
    picture.save(buffer, "PNG", compress_level=1)
    return CleanImage(buffer.getvalue(), picture.width, picture.height)


class _TooLarge(Exception):
    """More bytes or pixels than are taken."""


def _refused(field: str, text: str) -> Invalid:
    return Invalid(extra={"fields": {field: text}})


def _too_large_text(*, is_photo: bool) -> str:
    if is_photo:
        return _("This picture is too large: at most 12 MB and 10 million pixels, a JPEG photo 50 million.")
    return _("This picture is too large: at most 2 MB and 10 million pixels.")


def _other_kind_text(data: bytes) -> str:
    """Say what to do, where the file is of a kind that people have for good reasons."""
    if _SVG_HEAD.match(data):
        return _("An SVG drawing cannot be taken. Save it as PNG, 1000 pixels wide, and upload that.")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return _("A photo in HEIC or AVIF cannot be taken. Save it as JPEG, and upload that.")
    return _("Please choose a picture: PNG, JPEG or WebP.")


def _is_plain_jpeg(data: bytes) -> bool:
    """Tell whether a JPEG has all its colours in one scan, so that it can be made smaller while it is read."""
    place, components = 2, 0
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        body = data[place + 4 : place + 2 + length]
        if marker in _FRAMES:
            if marker not in _PLAIN_FRAMES or len(body) < 6:
                return False
            components = body[5]
        if marker == _START_OF_SCAN[1]:
            return bool(body) and body[0] == components
        place += 2 + length
    return False


def _shrink_while_reading(source: Image.Image, data: bytes, *, max_side: int) -> None:
    """Let the decoder leave dots out, so that no more than IMAGE_PIXELS_MAX are made. Raises _TooLarge."""
    width, height = source.size
    if width * height > IMAGE_PIXELS_MAX and not _is_plain_jpeg(data):
        raise _TooLarge
    step = next((step for step in JPEG_STEPS if width * height <= IMAGE_PIXELS_MAX * step**2), JPEG_STEPS[-1])
    # Asked for once: a second wish is not heard.
    source.draft("RGB", (min(max_side, max(1, width // step)), min(max_side, max(1, height // step))))
    if source.width * source.height > IMAGE_PIXELS_MAX:
        raise _TooLarge


def _size_in_header(data: bytes) -> tuple[int, int]:
    """Return what the file says of its size, before any decoder has made room for it; 0, 0 where it is seen later.

    Pillow's WebP decoder takes the memory of the whole canvas when it opens the file.
    """
    if data.startswith(_PNG_HEAD) and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0, 0
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _draw_anew(data: bytes, *, max_side: int, is_photo: bool) -> Image.Image:
    width, height = _size_in_header(data)
    most_bytes = PHOTO_BYTES_MAX if is_photo else UPLOAD_IMAGE_BYTES_MAX
    if len(data) > most_bytes or width * height > IMAGE_PIXELS_MAX:
        raise _TooLarge
    if data.startswith(_JPEG_HEAD) and data.count(_START_OF_SCAN) > JPEG_SCANS_MAX:
        raise ValueError("too many scans")
    with Image.open(io.BytesIO(data), formats=FORMATS) as source:
        is_jpeg_photo = is_photo and source.format in {"JPEG", "MPO"}
        if source.width * source.height > (PHOTO_PIXELS_MAX if is_jpeg_photo else IMAGE_PIXELS_MAX):
            raise _TooLarge
        turns = _TURNS.get(source.getexif().get(_EXIF_ORIENTATION, 1), ())
        _shrink_while_reading(source, data, max_side=max_side)
        pixels = _plain_pixels(source)
    pixels.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    for turn in turns:
        pixels = pixels.transpose(turn)
    # A new image from the bytes: nothing of the old one's profile, text or palette comes along.
    return Image.frombytes(pixels.mode, pixels.size, pixels.tobytes())


def _plain_pixels(source: Image.Image) -> Image.Image:
    if source.mode.startswith("I"):
        # Sixteen bits a pixel: Pillow would cut them off at 255 instead of scaling.
        source.load()
        return source.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    return source.convert("RGBA" if source.has_transparency_data else "RGB")

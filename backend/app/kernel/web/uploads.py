"""Pictures from strangers: recognised by content, bounded before they are decoded, and drawn anew.

What is kept is a PNG that we encoded ourselves from the pixels alone: no metadata (a phone writes where a photo was
taken), no second frame, nothing behind the picture that another program might run.
"""

from __future__ import annotations

import asyncio
import io
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

log = get_logger("stempel.uploads")
_decoding = asyncio.Semaphore(DECODED_AT_ONCE_MAX)


@dataclass(frozen=True, slots=True)
class CleanImage:
    """A picture drawn anew: PNG bytes of our own making, and their size in pixels."""

    png: bytes
    width: int
    height: int


async def read_image(upload: UploadFile, *, max_side: int, field: str = "image") -> CleanImage:
    """Read an uploaded file and clean it off the event loop; raises Invalid with the words for the field."""
    data = await upload.read(UPLOAD_IMAGE_BYTES_MAX + 1)
    async with asyncio.timeout(DECODE_WAIT_SECONDS), _decoding:
        return await asyncio.to_thread(clean_image, data, max_side=max_side, field=field)


def clean_image(data: bytes, *, max_side: int, field: str = "image") -> CleanImage:
    """Return the picture as a fresh PNG of at most max_side pixels a side; an animation becomes its first frame.

    Takes up to half a second for ten megapixels: call it in a thread (read_image does).
    Raises Invalid, whose extra["fields"] has the words for the field.
    """
    assert 1 <= max_side <= IMAGE_SIDE_MAX, "a picture has a bound"
    try:
        picture = _draw_anew(data, max_side=max_side)
    except (_TooLarge, Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _refused(field, _("This picture is too large: at most 2 MB and 10 million pixels.")) from None
    except Exception as error:  # noqa: BLE001 (a dozen kinds, see below)
        # The decoders raise a dozen kinds of errors on broken files; for the visitor they all mean the same.
        log.info("picture_refused", reason=type(error).__name__)
        raise _refused(field, _("Please choose a picture: PNG, JPEG or WebP.")) from None
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return CleanImage(buffer.getvalue(), picture.width, picture.height)


class _TooLarge(Exception):
    """More bytes or pixels than are taken."""


def _refused(field: str, text: str) -> Invalid:
    return Invalid(extra={"fields": {field: text}})


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


def _draw_anew(data: bytes, *, max_side: int) -> Image.Image:
    width, height = _size_in_header(data)
    if len(data) > UPLOAD_IMAGE_BYTES_MAX or width * height > IMAGE_PIXELS_MAX:
        raise _TooLarge
    if data.startswith(_JPEG_HEAD) and data.count(_START_OF_SCAN) > JPEG_SCANS_MAX:
        raise ValueError("too many scans")
    with Image.open(io.BytesIO(data), formats=FORMATS) as source:
        if source.width * source.height > IMAGE_PIXELS_MAX:
            raise _TooLarge
        turns = _TURNS.get(source.getexif().get(_EXIF_ORIENTATION, 1), ())
        source.draft("RGB", (max_side, max_side))
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

"""Writes palette PNGs from bands that were packed before: another count of stamps costs a join, not a compression."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from PIL import Image

# Up to sixteen colours need four bits a pixel, which halves what is packed and sent.
FEW_COLORS = 16
LEVEL = 6
_HEAD = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEAD = b"\x78\x9c"
# RFC 1951, 3.2.3: a last block of fixed codes without content.
_LAST_BLOCK = b"\x03\x00"
_ADLER = 65_521


class Band(NamedTuple):
    """Some rows of a picture, packed. adler, size: of what was packed (RFC 1950)."""

    packed: bytes
    adler: int
    size: int


def pack_band(image: Image.Image, top: int, bottom: int, *, colors: int) -> Band:
    """Pack rows of a picture in palette mode; the stream may go on with any other band."""
    rows = image.crop((0, top, image.width, bottom))
    data = rows.tobytes("raw", "P;4" if colors <= FEW_COLORS else "P")
    width = len(data) // (bottom - top)
    # Each row begins with its filter: none, as is best for palettes (PNG, 12.8).
    raw = b"".join([b"\0" + data[at : at + width] for at in range(0, len(data), width)])
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    return Band(packer.compress(raw) + packer.flush(zlib.Z_FULL_FLUSH), zlib.adler32(raw), len(raw))


def write_png(size: tuple[int, int], palette: bytes, bands: Iterable[Band]) -> bytes:
    """Return the PNG of bands that follow each other. palette: red, green, blue of each colour."""
    depth = 4 if len(palette) <= 3 * FEW_COLORS else 8
    packed, adler = [_ZLIB_HEAD], 1
    for band in bands:
        packed.append(band.packed)
        adler = _combine(adler, band.adler, band.size)
    packed += (_LAST_BLOCK, struct.pack(">I", adler))
    header = struct.pack(">IIBBBBB", *size, depth, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", b"".join(packed)), (b"IEND", b""))
    return _HEAD + b"".join([_chunk(kind, data) for kind, data in parts])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _combine(first: int, second: int, size: int) -> int:
    """Return the checksum of two pieces from those of each; size: of the second. Source: zlib, adler32_combine."""
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % _ADLER
    high = ((first >> 16) + (second >> 16) + size * ((first & 0xFFFF) - 1)) % _ADLER
    return high << 16 | low

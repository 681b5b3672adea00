"""Packs a pass: files, manifest and signature in a zip. What many passes share is hashed and written once."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

STORED, DEFLATED = 0, 8
UTF8_NAME = 0x0800
# A fixed date: the same pass gives the same bytes but for its signature. 2026-01-01 in the zip's own format.
ZIP_DATE = ((2026 - 1980) << 9) | (1 << 5) | 1
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a pass, hashed and packed."""

    name: str
    digest: str
    crc: int
    size: int
    packed: bytes
    method: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files that stand first in many passes, ready to be sent.

    chunks: the start of the zip; directory: these files in its directory; named: the same in the manifest.
    """

    chunks: tuple[bytes, ...]
    size: int
    directory: bytes
    count: int
    named: str


def make_part(name: str, data: bytes) -> Part:
    """Hash and pack a file that is kept; Apple's manifest asks for SHA-1."""
    packed, method = data, STORED
    if not name.endswith(".png"):
        compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
        packed, method = compressor.compress(data) + compressor.flush(), DEFLATED
    return Part(name, _digest(data), zlib.crc32(data), len(data), packed, method)


def own_part(name: str, data: bytes) -> Part:
    """Hash a small file of one pass only; stored, for packing it would cost more than it saves."""
    return Part(name, _digest(data), zlib.crc32(data), len(data), data, STORED)


def _digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def make_bundle(parts: Iterable[Part]) -> Bundle:
    """Write the files at the start of a zip."""
    chunks: list[bytes] = []
    directory: list[bytes] = []
    named: list[str] = []
    offset = 0
    for part in parts:
        local = _local(part)
        chunks += (local, part.packed)
        directory.append(_entry(part, offset))
        named.append(_named(part))
        offset += len(local) + len(part.packed)
    return Bundle(tuple(chunks), offset, b"".join(directory), len(directory), ",".join(named))


def write_package(bundle: Bundle, own: Part, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the .pkpass: the files, the manifest over exactly them, and the signature over exactly that."""
    manifest = f"{{{bundle.named},{_named(own)}}}".encode()
    signature = sign(manifest)
    chunks, directory, offset = [*bundle.chunks], [bundle.directory], bundle.size
    for part in (own, _unnamed("manifest.json", manifest), _unnamed("signature", signature)):
        local = _local(part)
        chunks += (local, part.packed)
        directory.append(_entry(part, offset))
        offset += len(local) + len(part.packed)
    listed = b"".join(directory)
    count = bundle.count + 3
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(listed), offset, 0)
    return b"".join((*chunks, listed, end))


def _unnamed(name: str, data: bytes) -> Part:
    """Return a file that the manifest does not name: itself and its signature."""
    return Part(name, "", zlib.crc32(data), len(data), data, STORED)


def _named(part: Part) -> str:
    return f'"{part.name}":"{part.digest}"'


def _local(part: Part) -> bytes:
    name = part.name.encode()
    fixed = (b"PK\x03\x04", 20, UTF8_NAME, part.method, 0, ZIP_DATE)
    return _LOCAL.pack(*fixed, part.crc, len(part.packed), part.size, len(name), 0) + name


def _entry(part: Part, offset: int) -> bytes:
    name = part.name.encode()
    fixed = (b"PK\x01\x02", 20, 20, UTF8_NAME, part.method, 0, ZIP_DATE)
    sizes = (part.crc, len(part.packed), part.size, len(name))
    return _ENTRY.pack(*fixed, *sizes, 0, 0, 0, 0, 0, offset) + name

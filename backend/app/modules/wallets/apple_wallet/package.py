"""Packs a pass: files, manifest and signature in a zip. What many passes share is hashed and written once."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

STORED, DEFLATED = 0, 8
UTF8_NAME = 0x0800
# A fixed date: the same pass gives the same bytes but for its signature. 2026-01-01 in the zip's own format.
ZIP_DATE = ((2026 - 1980) << 9) | (1 << 5) | 1
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
# RFC 1951, 3.2.4: last block, stored; then its length twice.
_STORED_BLOCK = struct.Struct("<BHH")


class Part(NamedTuple):
    """A file of a pass, hashed and packed."""

    name: str
    digest: str
    crc: int
    size: int
    packed: bytes
    method: int


class Opening:
    """The start of a file, hashed and packed once for all that begin with it."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name, self._size, self._crc = name, len(data), zlib.crc32(data)
        self._hash = hashlib.sha1(data, usedforsecurity=False)
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._packed = compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)
        self._alone = self._end(b"")

    def end_with(self, data: bytes) -> Part:
        """Return the whole file; its end, too short to be worth packing, is the stream's last block as it is."""
        return self._end(data) if data else self._alone

    def _end(self, data: bytes) -> Part:
        whole = self._hash.copy()
        whole.update(data)
        block = _STORED_BLOCK.pack(1, len(data), len(data) ^ 0xFFFF) + data
        size = self._size + len(data)
        return Part(
            self._name, whole.hexdigest(), zlib.crc32(data, self._crc), size, self._packed + block, DEFLATED
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that stand at the same place in many passes, ready to be sent.

    chunks: a piece of the zip; end: where it ends there; directory: these files in the zip's directory; named: the
    same in the manifest.
    """

    chunks: tuple[bytes, ...]
    end: int
    directory: bytes
    count: int
    named: str


def make_part(name: str, data: bytes) -> Part:
    """Hash a file; Apple's manifest asks for SHA-1. Stored: a picture cannot be packed, pass.json is small."""
    return Part(name, _digest(data), zlib.crc32(data), len(data), data, STORED)


def _digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def make_bundle(parts: Iterable[Part], *, start: int = 0) -> Bundle:
    """Write files that start at a place in the zip."""
    chunks: list[bytes] = []
    directory: list[bytes] = []
    named: list[str] = []
    for part in parts:
        local, entry = _headers(part, start)
        chunks += (local, part.packed)
        directory.append(entry)
        named.append(_named(part))
        start += len(local) + len(part.packed)
    return Bundle(tuple(chunks), start, b"".join(directory), len(directory), ",".join(named))


def write_package(first: Bundle, second: Bundle, own: Part, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the .pkpass: the files, the manifest over exactly them, and the signature over exactly that."""
    manifest = f"{{{first.named},{second.named},{_named(own)}}}".encode()
    signature = sign(manifest)
    chunks, directory, offset = (
        [*first.chunks, *second.chunks],
        [first.directory, second.directory],
        second.end,
    )
    for part in (own, _unnamed("manifest.json", manifest), _unnamed("signature", signature)):
        local, entry = _headers(part, offset)
        chunks += (local, part.packed)
        directory.append(entry)
        offset += len(local) + len(part.packed)
    listed = b"".join(directory)
    count = first.count + second.count + 3
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(listed), offset, 0)
    return b"".join((*chunks, listed, end))


def _unnamed(name: str, data: bytes) -> Part:
    """Return a file that the manifest does not name: itself and its signature."""
    return Part(name, "", zlib.crc32(data), len(data), data, STORED)


def _named(part: Part) -> str:
    return f'"{part.name}":"{part.digest}"'


def _headers(part: Part, offset: int) -> tuple[bytes, bytes]:
    """Return what stands before a file in the zip, and its entry in the directory."""
    name, _sha1, crc, size, packed, method = part
    encoded = name.encode()
    sizes = (crc, len(packed), size, len(encoded))
    return (
        _LOCAL.pack(b"PK\x03\x04", 20, UTF8_NAME, method, 0, ZIP_DATE, *sizes, 0) + encoded,
        _ENTRY.pack(b"PK\x01\x02", 20, 20, UTF8_NAME, method, 0, ZIP_DATE, *sizes, 0, 0, 0, 0, 0, offset)
        + encoded,
    )

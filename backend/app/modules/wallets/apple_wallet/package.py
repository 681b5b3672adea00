"""Packs a pass: manifest, signature and files in a zip, with everything that repeats prepared once."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

STORED, DEFLATED = 0, 8
UTF8_NAME = 0x0800
# A fixed date: the same pass gives the same bytes but for its signature. 2026-01-01 in the zip's own format.
ZIP_DATE = ((2026 - 1980) << 9) | (1 << 5) | 1
PARTS_KEPT = 4_096
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
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


def make_part(name: str, data: bytes) -> Part:
    """Hash and pack a file; Apple's manifest asks for SHA-1. Small or incompressible files are stored."""
    packed, method = data, STORED
    if not name.endswith(".png") and len(data) > 200:
        compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
        packed = compressor.compress(data) + compressor.flush()
        method = DEFLATED
    digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return Part(name, digest, zlib.crc32(data), len(data), packed, method)


# For what repeats from pass to pass: images, texts.
keep_part = lru_cache(maxsize=PARTS_KEPT)(make_part)


def write_manifest(parts: Iterable[Part]) -> bytes:
    """Return manifest.json: every file with its hash."""
    return json.dumps({part.name: part.digest for part in parts}, separators=(",", ":")).encode()


def write_package(parts: list[Part], sign: Callable[[bytes], bytes]) -> bytes:
    """Return the .pkpass: the files, the manifest over exactly them, and the signature over exactly that."""
    manifest = write_manifest(parts)
    whole = [*parts, make_part("manifest.json", manifest), _stored("signature", sign(manifest))]
    return write_zip(whole)


def _stored(name: str, data: bytes) -> Part:
    return Part(name, "", zlib.crc32(data), len(data), data, STORED)


def write_zip(parts: Iterable[Part]) -> bytes:
    """Return a zip with the files at its top level."""
    chunks: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for part in parts:
        name = part.name.encode()
        sizes = (part.crc, len(part.packed), part.size)
        local = _LOCAL.pack(b"PK\x03\x04", 20, UTF8_NAME, part.method, 0, ZIP_DATE, *sizes, len(name), 0)
        chunks += (local, name, part.packed)
        directory.append(
            _CENTRAL.pack(
                *(b"PK\x01\x02", 20, 20, UTF8_NAME, part.method, 0, ZIP_DATE),
                *sizes,
                *(len(name), 0, 0, 0, 0, 0, offset),
            )
            + name
        )
        offset += len(local) + len(name) + len(part.packed)
    central = b"".join(directory)
    end = _END.pack(b"PK\x05\x06", 0, 0, len(directory), len(directory), len(central), offset, 0)
    return b"".join((*chunks, central, end))

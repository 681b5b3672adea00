"""Looks into an encrypted key file before it is opened: how often would its password have to be hashed?

A file may ask for two thousand million rounds, which no time limit of ours could stop once OpenSSL has begun.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

# Keychain and OpenSSL ask for 2,048; careful tools for some hundred thousand.
ROUNDS_MAX = 1_000_000
DEPTH_MAX = 24
_OCTETS, _INTEGER, _CONSTRUCTED = 0x04, 0x02, 0x20
_BODY = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----([^-]*)-----END")


def is_costly(data: bytes) -> bool:
    """Tell whether a .p12 or a PEM file asks for more rounds than is reasonable."""
    return any(rounds > ROUNDS_MAX for part in _parts(data) for rounds in _rounds(part, 0))


def _parts(data: bytes) -> Iterator[bytes]:
    if data[:1] == b"\x30":
        yield data
    for body in _BODY.findall(data):
        try:
            yield base64.b64decode(b"".join(body.split()))
        except binascii.Error:
            continue


def _rounds(data: bytes, depth: int) -> Iterator[int]:
    """Yield every number that follows a byte string: salt and rounds, in PKCS #12, PBES1, PBKDF2 and scrypt."""
    if depth > DEPTH_MAX:
        yield ROUNDS_MAX + 1
        return
    before = 0
    for tag, value in _elements(data):
        if tag == _INTEGER and before == _OCTETS:
            yield int.from_bytes(value, "big")
        if tag == _OCTETS | _CONSTRUCTED:  # one byte string in pieces
            yield from _rounds(b"".join(piece for kind, piece in _elements(value) if kind), depth + 1)
        # A byte string may hold more of the same: PKCS #12 wraps its contents in them.
        if tag & _CONSTRUCTED or (tag == _OCTETS and value[:1] in {b"\x30", b"\x04", b"\x24"}):
            yield from _rounds(value, depth + 1)
        before = tag


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of each element; stops at what is no DER."""
    at = 0
    while at + 2 <= len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length == 0x80:  # of unknown length: what follows, up to the end mark
            yield tag, data[at:]
            return
        if length & 0x80:
            width = length & 0x7F
            length, at = int.from_bytes(data[at : at + width], "big"), at + width
        yield tag, data[at : at + length]
        at += length

"""Signs a pass: a detached CMS signature (RFC 5652), in DER, over the exact bytes of its manifest.

Everything but the time, the digest and the signature itself is encoded once for a certificate, so that a pass
costs one operation with the private key and little else.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

INTEGER, OCTETS, NULL, OID, UTC_TIME, SEQUENCE, SET = 0x02, 0x04, 0x05, 0x06, 0x17, 0x30, 0x31
IMPLICIT_0, EXPLICIT_0 = 0xA0, 0xA0
_UTC_TIME_FORMAT = "%y%m%d%H%M%SZ"
_UTC_TIME_YEARS = range(1950, 2050)
_LONG = 0x80


def der(tag: int, *content: bytes) -> bytes:
    """Return one DER element."""
    body = b"".join(content)
    length = len(body)
    if length < _LONG:
        return bytes((tag, length)) + body
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(digits))) + digits + body


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = bytearray([first * 40 + second])
    for number in rest:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(_LONG | number & 0x7F)
        body += bytes(reversed(groups))
    return der(OID, bytes(body))


DATA, SIGNED_DATA = _oid("1.2.840.113549.1.7.1"), _oid("1.2.840.113549.1.7.2")
CONTENT_TYPE, DIGEST, SIGNING_TIME = (_oid(f"1.2.840.113549.1.9.{number}") for number in (3, 4, 5))
SHA_256 = der(SEQUENCE, _oid("2.16.840.1.101.3.4.2.1"))
RSA = der(SEQUENCE, _oid("1.2.840.113549.1.1.1"), der(NULL))
ONE = der(INTEGER, b"\x01")


class Signer:
    """Signs with one certificate and its key; carries Apple's intermediate along."""

    def __init__(self, certificate: x509.Certificate, key: RSAPrivateKey, wwdr: x509.Certificate) -> None:
        self._key = key
        self._padding, self._hash = PKCS1v15(), SHA256()
        # A SET OF stands in the order of its encodings, which here is that of their lengths.
        content_type = der(SEQUENCE, CONTENT_TYPE, der(SET, DATA))
        time = der(SEQUENCE, SIGNING_TIME, der(SET, der(UTC_TIME, bytes(13))))
        digest = der(SEQUENCE, DIGEST, der(SET, der(OCTETS, bytes(32))))
        self._before_time, self._before_digest = content_type + time[:-13], digest[:-32]
        self._attributes_size = len(content_type + time + digest)
        self._head, self._after_attributes = self._frame(certificate, wwdr)

    def _frame(self, certificate: x509.Certificate, wwdr: x509.Certificate) -> tuple[bytes, bytes]:
        """Return what stands before the signed attributes' content, and between them and the signature."""
        attributes = bytes(self._attributes_size)
        signature = bytes(self._key.key_size // 8)
        signer_info = der(
            SEQUENCE,
            ONE,
            der(SEQUENCE, *issuer_and_serial(certificate)),
            SHA_256,
            der(IMPLICIT_0, attributes),
            RSA,
            der(OCTETS, signature),
        )
        certificates = sorted(one.public_bytes(Encoding.DER) for one in (certificate, wwdr))
        signed_data = der(
            SEQUENCE,
            ONE,
            der(SET, SHA_256),
            der(SEQUENCE, DATA),
            der(IMPLICIT_0, *certificates),
            der(SET, signer_info),
        )
        whole = der(SEQUENCE, SIGNED_DATA, der(EXPLICIT_0, signed_data))
        between = RSA + der(OCTETS, signature)[: -len(signature)]
        return whole[: -len(attributes + between + signature)], between

    def sign(self, manifest: bytes, *, at: datetime) -> bytes:
        """Return the signature over the manifest, made at this moment."""
        moment = at.astimezone(UTC)
        if moment.year not in _UTC_TIME_YEARS:
            raise ValueError(f"no signature of the year {moment.year}")
        attributes = b"".join(
            (
                self._before_time,
                moment.strftime(_UTC_TIME_FORMAT).encode(),
                self._before_digest,
                hashlib.sha256(manifest).digest(),
            )
        )
        # What is signed are the attributes as a SET, not under the tag that they carry in the message.
        signature = self._key.sign(der(SET, attributes), self._padding, self._hash)
        return b"".join((self._head, attributes, self._after_attributes, signature))


def issuer_and_serial(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """Return the issuer's name and the serial number exactly as they are encoded in the certificate."""
    elements = _elements(certificate.tbs_certificate_bytes)
    if elements[0][0] == EXPLICIT_0:  # the version, which the oldest certificates leave out
        del elements[0]
    serial, _algorithm, issuer = elements[:3]
    return issuer, serial


def _elements(encoded: bytes) -> list[bytes]:
    """Return the elements inside a DER element."""
    at, end = _content_of(encoded, 0)
    found: list[bytes] = []
    while at < end:
        _start, after = _content_of(encoded, at)
        found.append(encoded[at:after])
        at = after
    return found


def _content_of(encoded: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at a place starts and ends."""
    length, start = encoded[at + 1], at + 2
    if length >= _LONG:
        digits = length - _LONG
        length, start = int.from_bytes(encoded[start : start + digits], "big"), start + digits
    return start, start + length

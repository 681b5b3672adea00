"""The certificate, key and intermediate that sign passes: read from what Apple hands out, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtensionOID, NameOID

from app.kernel.foreign_keys import CostlyKey, load_foreign_key, open_foreign_p12
from app.modules.wallets.apple_wallet.der import is_costly
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.signer import Signer

# Apple's public intermediate, generation 4; from apple.com/certificateauthority, serial 13DC7795…D2.
BUNDLED_WWDR = Path(__file__).parent / "AppleWWDRCAG4.pem"
RSA_BITS_MIN = 2048
WARN_BEFORE = timedelta(days=90)
PASS_USAGE = x509.ObjectIdentifier("1.2.840.113635.100.4.14")
PASS_TYPE_EXTENSION = x509.ObjectIdentifier("1.2.840.113635.100.6.1.16")
_PEM = b"-----BEGIN"
_PBES_RC2 = tuple(bytes.fromhex("060a2a864886f70d010c01") + bytes([number]) for number in (1, 2, 5, 6))


@dataclass(frozen=True, slots=True)
class Blob:
    """A file as it was given; name: for the sentence about it, never a path."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Identity:
    """All that signing and pushing need. fingerprint: of certificate and intermediate, for caches."""

    certificate: x509.Certificate
    key: RSAPrivateKey = field(repr=False)
    wwdr: x509.Certificate
    pass_type: str
    team: str
    is_demo: bool = False

    @cached_property
    def signer(self) -> Signer:
        """Return what signs with this identity, prepared once."""
        return Signer(self.certificate, self.key, self.wwdr)

    @cached_property
    def fingerprint(self) -> str:
        """Return what tells this identity from every other."""
        both = self.certificate.public_bytes(Encoding.DER) + self.wwdr.public_bytes(Encoding.DER)
        return hashlib.sha256(both).hexdigest()

    @property
    def usable_until(self) -> datetime:
        """Return when the first of the two certificates expires."""
        return min(self.certificate.not_valid_after_utc, self.wwdr.not_valid_after_utc)

    def certificate_pem(self) -> bytes:
        """Return the certificate followed by its intermediate."""
        return self.certificate.public_bytes(Encoding.PEM) + self.wwdr.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        """Return the unencrypted private key; never to be written anywhere as it is."""
        return write_key(self.key)

    def warns(self, now: datetime) -> bool:
        """Tell whether a certificate expires within 90 days."""
        return self.usable_until - now < WARN_BEFORE


@dataclass(frozen=True)
class Leaf:
    """A pass certificate with its key. others: the intermediates that were given with it."""

    certificate: x509.Certificate
    key: RSAPrivateKey = field(repr=False)
    pass_type: str
    team: str
    others: Sequence[x509.Certificate] = ()


@dataclass
class _Found:
    certificates: list[x509.Certificate] = field(default_factory=list)
    keys: list[RSAPrivateKey] = field(default_factory=list)


def write_key(key: RSAPrivateKey) -> bytes:
    """Return a key as PEM, unencrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_identity(
    blobs: Sequence[Blob], *, password: str = "", now: datetime | None, pass_type: str = "", team: str = ""
) -> Identity:
    """Return the identity that the files hold together, in any order and format.

    Raises IdentityFault. pass_type, team: what they have to be; empty: what the certificate says. now None: for
    what was checked when it was kept.
    """
    leaf = read_leaf(blobs, password=password, now=now, pass_type=pass_type, team=team)
    wwdr = choose_wwdr(leaf.certificate, leaf.others, now)
    return Identity(leaf.certificate, leaf.key, wwdr, leaf.pass_type, leaf.team)


def read_leaf(
    blobs: Sequence[Blob], *, password: str = "", now: datetime | None, pass_type: str = "", team: str = ""
) -> Leaf:
    """Return the pass certificate and its key, without asking who issued it; raises IdentityFault."""
    found = _read_all(blobs, password)
    leaves = [one for one in found.certificates if is_leaf(one)]
    leaf = _choose_leaf(leaves, found.keys)
    key = _choose_key(leaf, found.keys)
    _check_leaf(leaf, now)
    own_type, own_team = _attribute(leaf, NameOID.USER_ID), _attribute(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME)
    if not own_type or not own_team:
        raise IdentityFault("not_a_pass")
    if pass_type and pass_type != own_type:
        raise IdentityFault("wrong_pass_type", found=own_type, wanted=pass_type)
    if team and team != own_team:
        raise IdentityFault("wrong_team", found=own_team, wanted=team)
    return Leaf(leaf, key, own_type, own_team, [one for one in found.certificates if not is_leaf(one)])


def read_intermediates(blobs: Sequence[Blob], *, password: str = "") -> list[x509.Certificate]:
    """Return the intermediates, where the files hold nothing else; raises IdentityFault for what cannot be read."""
    found = _read_all(blobs, password)
    is_all = not found.keys and not any(is_leaf(one) for one in found.certificates)
    return found.certificates if is_all else []


def _read_all(blobs: Sequence[Blob], password: str) -> _Found:
    found = _Found()
    for blob in blobs:
        if is_costly(blob.data):
            raise IdentityFault("too_costly", name=blob.name)
        _read_blob(found, blob, password)
    return found


@cache
def bundled_wwdr() -> tuple[x509.Certificate, ...]:
    """Return the intermediates of Apple that come with the product."""
    return tuple(x509.load_pem_x509_certificates(BUNDLED_WWDR.read_bytes()))


def is_leaf(certificate: x509.Certificate) -> bool:
    """Tell a certificate that signs passes from one that issues certificates."""
    try:
        basic = certificate.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS).value
    except x509.ExtensionNotFound:
        return True
    return isinstance(basic, x509.BasicConstraints) and not basic.ca


def _read_blob(found: _Found, blob: Blob, password: str) -> None:
    if _PEM in blob.data:
        _read_pem(found, blob, password)
        return
    try:
        found.certificates.append(x509.load_der_x509_certificate(blob.data))
        return
    except ValueError:
        pass
    if blob.data[:1] != b"\x30":
        raise IdentityFault("unreadable", name=blob.name)
    try:
        key = load_foreign_key(blob.data, password.encode() or None)
    except CostlyKey as error:
        raise IdentityFault("unreadable", name=blob.name) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _read_p12(found, blob, password)
    else:
        _keep_key(found, key)


def _read_p12(found: _Found, blob: Blob, password: str) -> None:
    try:
        opened = open_foreign_p12(blob.data, password.encode())
    except CostlyKey as error:
        raise IdentityFault("too_costly", name=blob.name) from error
    except UnsupportedAlgorithm as error:
        raise IdentityFault("old_p12") from error
    except ValueError as error:
        # An OpenSSL without RC2 says no more than that it could not be opened.
        if any(mark in blob.data for mark in _PBES_RC2) and not _knows_rc2():
            raise IdentityFault("old_p12") from error
        text = str(error).lower()
        code = "wrong_password" if "password" in text or "mac" in text else "unreadable"
        raise IdentityFault(code, name=blob.name) from error
    _read_pem(found, Blob(blob.name, opened), "")


def _knows_rc2() -> bool:
    try:
        Cipher(RC2(bytes(16)), CBC(bytes(8))).encryptor()
    except UnsupportedAlgorithm:
        return False
    return True


def _read_pem(found: _Found, blob: Blob, password: str) -> None:
    for block in _pem_blocks(blob.data):
        if b"PRIVATE KEY-----" not in block.split(b"\n", 1)[0]:
            if b"CERTIFICATE-----" in block.split(b"\n", 1)[0]:
                try:
                    found.certificates.append(x509.load_pem_x509_certificate(block))
                except ValueError as error:
                    raise IdentityFault("unreadable", name=blob.name) from error
            continue
        is_locked = b"ENCRYPTED" in block
        try:
            _keep_key(found, load_foreign_key(block, password.encode() if is_locked else None))
        except (ValueError, TypeError) as error:
            raise IdentityFault("wrong_password" if is_locked else "unreadable", name=blob.name) from error


def _pem_blocks(data: bytes) -> list[bytes]:
    """Return the blocks of a PEM file; what openssl writes between them (bag attributes) is dropped."""
    blocks: list[bytes] = []
    lines: list[bytes] | None = None
    for line in data.splitlines():
        if line.startswith(_PEM):
            lines = []
        if lines is not None:
            lines.append(line.strip())
        if line.startswith(b"-----END") and lines is not None:
            blocks.append(b"\n".join(lines) + b"\n")
            lines = None
    return blocks


def _keep_key(found: _Found, key: object) -> None:
    if not isinstance(key, RSAPrivateKey) or key.key_size < RSA_BITS_MIN:
        raise IdentityFault("weak_key")
    found.keys.append(key)


def _choose_leaf(leaves: Sequence[x509.Certificate], keys: Sequence[RSAPrivateKey]) -> x509.Certificate:
    if not leaves:
        raise IdentityFault("no_certificate")
    numbers = [key.public_key().public_numbers() for key in keys]
    fitting = [one for one in leaves if _public_numbers(one) in numbers]
    # After a renewal both may be in one file: the newer one signs.
    return max(fitting or leaves, key=lambda one: one.not_valid_after_utc)


def _choose_key(leaf: x509.Certificate, keys: Sequence[RSAPrivateKey]) -> RSAPrivateKey:
    if not keys:
        raise IdentityFault("no_key")
    for key in keys:
        if key.public_key().public_numbers() == _public_numbers(leaf):
            return key
    raise IdentityFault("wrong_key")


def _public_numbers(certificate: x509.Certificate) -> object:
    public = certificate.public_key()
    numbers = getattr(public, "public_numbers", None)
    return numbers() if numbers else None


def _check_leaf(leaf: x509.Certificate, now: datetime | None) -> None:
    if not _names_pass_use(leaf):
        raise IdentityFault("not_a_pass")
    if now is None:
        return
    if now > leaf.not_valid_after_utc:
        raise IdentityFault("expired", day=leaf.not_valid_after_utc.date().isoformat())
    if now < leaf.not_valid_before_utc:
        raise IdentityFault("not_yet", day=leaf.not_valid_before_utc.date().isoformat())


def _names_pass_use(leaf: x509.Certificate) -> bool:
    """Tell a pass certificate from an ordinary push or distribution certificate.

    Where a certificate says nothing of its use, its name decides: UID is the pass type.
    """
    try:
        usage = leaf.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    except x509.ExtensionNotFound:
        return _attribute(leaf, NameOID.USER_ID).startswith("pass.")
    if isinstance(usage, x509.ExtendedKeyUsage) and PASS_USAGE in usage:
        return True
    try:
        leaf.extensions.get_extension_for_oid(PASS_TYPE_EXTENSION)
    except x509.ExtensionNotFound:
        return _attribute(leaf, NameOID.USER_ID).startswith("pass.")
    return True


def choose_wwdr(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], now: datetime | None
) -> x509.Certificate:
    """Return the intermediate that issued the certificate, whatever its generation; raises IdentityFault.

    Those that come with the product are looked at, too: a wrong one that was given does no harm then.
    """
    issuers = [one for one in (*others, *bundled_wwdr()) if _issued(one, leaf)]
    if not issuers:
        raise IdentityFault("wrong_wwdr" if others else "no_wwdr", issuer=issuer_name(leaf))
    best = max(issuers, key=lambda one: one.not_valid_after_utc)
    if now is not None and now > best.not_valid_after_utc:
        raise IdentityFault("wwdr_expired", day=best.not_valid_after_utc.date().isoformat())
    return best


def _issued(issuer: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def issuer_name(leaf: x509.Certificate) -> str:
    """Return who issued a certificate, as people find it on Apple's page."""
    parts = [
        str(attribute.value)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
        for attribute in leaf.issuer.get_attributes_for_oid(oid)
    ]
    return ", ".join(parts) or leaf.issuer.rfc4514_string()


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""

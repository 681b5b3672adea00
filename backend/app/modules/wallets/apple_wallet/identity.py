"""The certificate, key and intermediate that sign passes: read from what Apple hands out, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtensionOID, NameOID

from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.signer import Signer

RSA_BITS_MIN = 2048
WARN_BEFORE = timedelta(days=90)
PASS_USAGE = x509.ObjectIdentifier("1.2.840.113635.100.4.14")
PASS_TYPE_EXTENSION = x509.ObjectIdentifier("1.2.840.113635.100.6.1.16")
_PEM = b"-----BEGIN"
_PBES_OLD = (
    bytes.fromhex("060a2a864886f70d010c0106"),  # pbeWithSHAAnd40BitRC2-CBC
    bytes.fromhex("060a2a864886f70d010c0103"),  # pbeWithSHAAnd3-KeyTripleDES-CBC
)


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

    @property
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


@dataclass
class _Found:
    certificates: list[x509.Certificate] = field(default_factory=list)
    keys: list[RSAPrivateKey] = field(default_factory=list)


def write_key(key: RSAPrivateKey) -> bytes:
    """Return a key as PEM, unencrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_identity(
    blobs: Sequence[Blob], *, password: str = "", now: datetime, pass_type: str = "", team: str = ""
) -> Identity:
    """Return the identity that the files hold together, in any order and format.

    Raises IdentityFault. pass_type, team: what they have to be; empty: what the certificate says.
    """
    found = _Found()
    for blob in blobs:
        _read_blob(found, blob, password)
    leaves = [one for one in found.certificates if is_leaf(one)]
    others = [one for one in found.certificates if not is_leaf(one)]
    leaf = _choose_leaf(leaves, found.keys)
    key = _choose_key(leaf, found.keys)
    _check_leaf(leaf, now)
    wwdr = choose_wwdr(leaf, others, now)
    own_type, own_team = _attribute(leaf, NameOID.USER_ID), _attribute(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME)
    if not own_type or not own_team:
        raise IdentityFault("not_a_pass")
    if pass_type and pass_type != own_type:
        raise IdentityFault("wrong_pass_type", found=own_type, wanted=pass_type)
    if team and team != own_team:
        raise IdentityFault("wrong_team", found=own_team, wanted=team)
    return Identity(leaf, key, wwdr, own_type, own_team)


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
        key = load_der_private_key(blob.data, password.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _read_p12(found, blob, password)
    else:
        _keep_key(found, key)


def _read_p12(found: _Found, blob: Blob, password: str) -> None:
    try:
        key, leaf, more = pkcs12.load_key_and_certificates(blob.data, password.encode())
    except UnsupportedAlgorithm as error:
        raise IdentityFault("old_p12") from error
    except ValueError as error:
        text = str(error).lower()
        if "password" not in text and any(mark in blob.data for mark in _PBES_OLD):
            raise IdentityFault("old_p12") from error
        code = "wrong_password" if "password" in text or "mac" in text else "unreadable"
        raise IdentityFault(code, name=blob.name) from error
    if key is not None:
        _keep_key(found, key)
    found.certificates += [one for one in (leaf, *more) if one is not None]


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
            _keep_key(found, load_pem_private_key(block, password.encode() if is_locked else None))
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


def _check_leaf(leaf: x509.Certificate, now: datetime) -> None:
    if not _names_pass_use(leaf):
        raise IdentityFault("not_a_pass")
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
    leaf: x509.Certificate, others: Sequence[x509.Certificate], now: datetime
) -> x509.Certificate:
    """Return the intermediate that issued the certificate, whatever its generation; raises IdentityFault."""
    if not others:
        raise IdentityFault("no_wwdr")
    issuers = [one for one in others if _issued(one, leaf)]
    if not issuers:
        raise IdentityFault("wrong_wwdr", issuer=_issuer_name(leaf))
    best = max(issuers, key=lambda one: one.not_valid_after_utc)
    if now > best.not_valid_after_utc:
        raise IdentityFault("wwdr_expired", day=best.not_valid_after_utc.date().isoformat())
    return best


def _issued(issuer: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _issuer_name(leaf: x509.Certificate) -> str:
    parts = [
        str(attribute.value)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
        for attribute in leaf.issuer.get_attributes_for_oid(oid)
    ]
    return ", ".join(parts) or leaf.issuer.rfc4514_string()


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""

"""The demo's certificates, made on the spot in the shape of Apple's. An iPhone accepts none of them."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.modules.wallets.apple_wallet.identity import (
    PASS_TYPE_EXTENSION,
    PASS_USAGE,
    Blob,
    Identity,
    read_identity,
    write_key,
)

ROOT_FILE = "apple-demo-root.pem"
IDENTITY_FILE = "apple-demo.pem"
DEMO_PASS_TYPE = "pass.org.example.stempel.demo"
DEMO_TEAM = "DEMO000000"
# Fixed and wide: the demo's clock may be moved by years.
VALID = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC))
_WWDR = "Demo Worldwide Developer Relations Authority"


def make_certificate(
    subject: x509.Name,
    *,
    key: rsa.RSAPrivateKey,
    issuer: tuple[x509.Name, rsa.RSAPrivateKey] | None = None,
    pass_type: str = "",
    valid: tuple[datetime, datetime] | None = None,
) -> x509.Certificate:
    """Return a certificate: of an authority, or for passes where pass_type is given. issuer None: self-signed."""
    name, signing_key = issuer or (subject, key)
    start, end = valid or VALID
    public, issuer_public = key.public_key(), signing_key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=not pass_type, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
        .add_extension(_key_usage(signs_certificates=not pass_type), critical=True)
    )
    if pass_type:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, PASS_USAGE])
        text = pass_type.encode()
        value = x509.UnrecognizedExtension(PASS_TYPE_EXTENSION, b"\x0c" + bytes([len(text)]) + text)
        builder = builder.add_extension(usage, critical=False).add_extension(value, critical=False)
    return builder.sign(signing_key, SHA256())


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def name_of(common: str, *, uid: str = "", unit: str = "") -> x509.Name:
    """Return a distinguished name in the order Apple uses."""
    rows = [(NameOID.USER_ID, uid), (NameOID.COMMON_NAME, common), (NameOID.ORGANIZATIONAL_UNIT_NAME, unit)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in rows if value])


def make_chain(pass_type: str = DEMO_PASS_TYPE, team: str = DEMO_TEAM) -> tuple[x509.Certificate, Identity]:
    """Make a root and the identity beneath it."""
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
    root = make_certificate(name_of("Stempel demo root"), key=keys[0])
    wwdr = make_certificate(name_of(_WWDR, unit="G0"), key=keys[1], issuer=(root.subject, keys[0]))
    subject = name_of(f"Pass Type ID: {pass_type}", uid=pass_type, unit=team)
    leaf = make_certificate(subject, key=keys[2], issuer=(wwdr.subject, keys[1]), pass_type=pass_type)
    return root, Identity(leaf, keys[2], wwdr, pass_type, team, is_demo=True)


def load_or_make_demo(data_dir: Path, now: datetime) -> Identity:
    """Return the installation's demo identity; two processes starting at once agree on one.

    Its root is written beside it, so that a checker can be told to trust it.
    """
    path = data_dir / IDENTITY_FILE
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        root, made = make_chain()
        whole = made.key_pem() + made.certificate_pem() + root.public_bytes(Encoding.PEM)
        _write_once(path, whole)
    stored = path.read_bytes()
    found = read_identity([Blob(IDENTITY_FILE, stored)], now=now)
    root = next(one for one in x509.load_pem_x509_certificates(stored) if one.subject == one.issuer)
    root_path = data_dir / ROOT_FILE
    if not root_path.exists():
        _write_once(root_path, root.public_bytes(Encoding.PEM))
    return Identity(found.certificate, found.key, found.wwdr, found.pass_type, found.team, is_demo=True)


def _write_once(path: Path, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".apple-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    try:
        os.link(temporary, path)  # fails where another process was first: then its file counts
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)


__all__ = ["ROOT_FILE", "load_or_make_demo", "make_certificate", "make_chain", "name_of", "write_key"]

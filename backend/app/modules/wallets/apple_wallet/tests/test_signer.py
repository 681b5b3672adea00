"""Signatures written by hand, read by openssl and by the library that reads certificates."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from app.modules.wallets.apple_wallet.signer import Signer, der, issuer_and_serial

NOW = datetime(2026, 11, 20, 9, 30, 5, tzinfo=UTC)
# Names that openssl would encode in different ways, and serial numbers of one byte, a padded one and twenty.
ISSUER = "Authority Ünïcode " + "x" * 40
SERIALS = (1, 0x80, int.from_bytes(b"\x7f" + b"\xff" * 19))


@dataclass(frozen=True)
class Pair:
    """An issuer, a certificate of its and the key."""

    issuer: x509.Certificate
    leaf: x509.Certificate
    key: rsa.RSAPrivateKey


@cache
def make_pair(bits: int = 2048, serial: int = 1) -> Pair:
    """Return certificates made on the spot."""
    keys = [rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, bits)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (ISSUER, "leaf")]
    made = []
    for name, key, is_ca in zip(names, keys, (True, False), strict=True):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(99 if is_ca else serial)
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        made.append(builder.sign(keys[0], SHA256()))
    return Pair(made[0], made[1], keys[1])


def verify(folder: Path, pair: Pair, signature: bytes, manifest: bytes) -> subprocess.CompletedProcess[bytes]:
    """Return openssl's opinion."""
    root = pair.issuer.public_bytes(Encoding.PEM)
    for name, data in (("manifest", manifest), ("signature", signature), ("root.pem", root)):
        (folder / name).write_bytes(data)
    command = "openssl cms -verify -binary -inform DER -in signature -content manifest -CAfile root.pem -purpose any"
    return subprocess.run(command.split(), cwd=folder, capture_output=True, check=False)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
@pytest.mark.parametrize("serial", SERIALS)
def test_openssl_accepts_every_key_and_serial_number(tmp_path, bits, serial):
    """Keys of three sizes, serial numbers at the edges of their encoding; both certificates are inside."""
    pair = make_pair(bits, serial)
    signature = Signer(pair.leaf, pair.key, pair.issuer).sign(b"{}", at=NOW)

    answer = verify(tmp_path, pair, signature, b"{}")

    assert (answer.returncode, answer.stdout) == (0, b"{}"), answer.stderr
    assert set(pkcs7.load_der_pkcs7_certificates(signature)) == {pair.leaf, pair.issuer}


def test_another_manifest_is_refused(tmp_path):
    """One byte more than what was signed."""
    pair = make_pair()
    signature = Signer(pair.leaf, pair.key, pair.issuer).sign(b"{}", at=NOW)

    answer = verify(tmp_path, pair, signature, b"{} ")

    assert answer.returncode != 0
    assert b"content verify error" in answer.stderr


def test_another_key_is_refused(tmp_path):
    """A signature made with a key that is not the certificate's."""
    pair, other = make_pair(), make_pair(2048, 0x80)
    signature = Signer(pair.leaf, other.key, pair.issuer).sign(b"{}", at=NOW)

    assert verify(tmp_path, pair, signature, b"{}").returncode != 0


def test_the_signing_time_is_written_in_utc(tmp_path):
    """The moment that was given, wherever the server's clock stands; no other attribute but Apple's three."""
    pair = make_pair()
    local = NOW.astimezone(timezone(timedelta(hours=2)))
    (tmp_path / "signature").write_bytes(Signer(pair.leaf, pair.key, pair.issuer).sign(b"{}", at=local))
    command = "openssl cms -cmsout -print -inform DER -in signature"

    shown = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True).stdout.decode()

    assert "UTCTIME:Nov 20 09:30:05 2026 GMT" in shown
    attributes = shown[shown.index("signedAttrs") : shown.index("signatureAlgorithm")]
    assert attributes.count("object:") == 3
    assert "eContent: <ABSENT>" in shown


def test_a_year_that_needs_another_encoding_is_refused():
    """UTCTime ends with 2049; a signature with a wrong century is never made."""
    pair = make_pair()

    with pytest.raises(ValueError, match="2050"):
        Signer(pair.leaf, pair.key, pair.issuer).sign(b"{}", at=datetime(2050, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("serial", SERIALS)
def test_issuer_and_serial_number_are_the_certificate_s(serial):
    """Byte for byte, whatever encoding the issuer chose."""
    leaf = make_pair(2048, serial).leaf
    issuer, number = issuer_and_serial(leaf)

    assert issuer == leaf.issuer.public_bytes()
    assert int.from_bytes(number[2:]) == serial


@pytest.mark.parametrize(("size", "head"), [(0, "3000"), (127, "307f"), (128, "308180"), (256, "30820100")])
def test_lengths_are_encoded_in_the_shortest_way(size, head):
    """DER allows one encoding only."""
    assert der(0x30, bytes(size)).hex() == head + "00" * size

"""Certificates as Apple hands them out, and each way they can be wrong, in one sentence."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from app.config import Settings
from app.modules.wallets.apple_wallet.credentials import (
    AppleKeys,
    AppleSetup,
    read_installation,
    seal_key,
)
from app.modules.wallets.apple_wallet.demo import make_chain
from app.modules.wallets.apple_wallet.faults import IdentityFault, fault_text
from app.modules.wallets.apple_wallet.identity import Blob, Identity, read_identity
from app.utils.id_generator import new_id
from app.utils.security import Keyring

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TYPE, TEAM = "pass.com.example.loyalty", "ABCDE12345"


@cache
def chain() -> Identity:
    """Return an identity of the tests."""
    return make_chain(TYPE, TEAM)[1]


@cache
def other() -> Identity:
    """Return another one."""
    return make_chain(TYPE, TEAM)[1]


def der(certificate: x509.Certificate) -> Blob:
    """Return a certificate as Apple's .cer file."""
    return Blob("pass.cer", certificate.public_bytes(Encoding.DER))


def p12(password: bytes = b"secret") -> Blob:
    """Return certificate and key as a .p12."""
    data = pkcs12.serialize_key_and_certificates(
        b"pass", chain().key, chain().certificate, None, BestAvailableEncryption(password)
    )
    return Blob("pass.p12", data)


def test_every_form_is_read() -> None:
    """.p12 with the .cer of the intermediate; PEM with everything; .cer with an encrypted key."""
    locked = chain().key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    whole = chain().key_pem() + chain().certificate_pem()
    for blobs in (
        [p12(), der(chain().wwdr)],
        [Blob("all.pem", whole)],
        [Blob("all.pem", b"Bag Attributes\n  x: 1\n" + whole)],
        [der(chain().certificate), Blob("key.pem", locked), der(chain().wwdr), der(other().wwdr)],
    ):
        found = read_identity(blobs, password="secret", now=NOW)
        assert (found.pass_type, found.team) == (TYPE, TEAM)
        assert found.wwdr == chain().wwdr


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("wrong_password", lambda: {"blobs": [p12(), der(chain().wwdr)], "password": "no"}),
        ("unreadable", lambda: {"blobs": [Blob("x.p12", b"hello")]}),
        ("no_certificate", lambda: {"blobs": [Blob("key.pem", chain().key_pem())]}),
        ("no_key", lambda: {"blobs": [der(chain().certificate), der(chain().wwdr)]}),
        ("wrong_key", lambda: {"blobs": [der(chain().certificate), Blob("k.pem", other().key_pem())]}),
        ("no_wwdr", lambda: {"blobs": [p12()]}),
        ("wrong_wwdr", lambda: {"blobs": [p12(), der(other().wwdr)]}),
        ("wrong_pass_type", lambda: {"blobs": [p12(), der(chain().wwdr)], "pass_type": "pass.other"}),
        ("wrong_team", lambda: {"blobs": [p12(), der(chain().wwdr)], "team": "ZZZZZ99999"}),
        ("expired", lambda: {"blobs": [p12(), der(chain().wwdr)], "now": NOW.replace(year=2060)}),
        ("not_yet", lambda: {"blobs": [p12(), der(chain().wwdr)], "now": NOW.replace(year=2001)}),
    ],
)
def test_each_fault_has_a_name_and_a_sentence(code, make) -> None:
    """One code, one sentence without a place left open."""
    values = {"password": "secret", "now": NOW} | make()
    blobs = values.pop("blobs")

    with pytest.raises(IdentityFault) as caught:
        read_identity(blobs, **values)

    assert caught.value.code == code
    assert "%(" not in fault_text(code, caught.value.values)


def test_a_weak_key_is_refused() -> None:
    """1024 bits are not enough."""
    from app.modules.wallets.apple_wallet.identity import write_key

    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 (to be refused)
    with pytest.raises(IdentityFault) as caught:
        read_identity([Blob("k.pem", write_key(weak))], now=NOW)
    assert caught.value.code == "weak_key"


def test_an_old_p12_is_read_or_has_a_way_out(tmp_path: Path) -> None:
    """RC2 and 3DES, as Keychain wrote them: read where the library can, else the sentence names the command."""
    (tmp_path / "all.pem").write_bytes(chain().key_pem() + chain().certificate_pem())
    command = "openssl pkcs12 -export -legacy -in all.pem -out old.p12 -passout pass:secret"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    blob = Blob("old.p12", (tmp_path / "old.p12").read_bytes())
    found = read_identity([blob], password="secret", now=NOW)

    assert found.pass_type == TYPE
    assert "openssl pkcs12 -legacy" in fault_text("old_p12")


def test_the_operators_files_are_read(tmp_path: Path) -> None:
    """The settings by their names; a file that is missing is named without its folder."""
    (tmp_path / "pass.p12").write_bytes(p12().data)
    (tmp_path / "wwdr.cer").write_bytes(der(chain().wwdr).data)
    settings = Settings(
        apple_certificate=str(tmp_path / "pass.p12"),
        apple_key_password="secret",
        apple_wwdr=str(tmp_path / "wwdr.cer"),
        apple_pass_type=TYPE,
        apple_team=TEAM,
    )
    assert read_installation(settings, NOW).team == TEAM

    with pytest.raises(IdentityFault, match=r"^The file gone\.cer cannot be read\.$"):
        read_installation(settings.model_copy(update={"apple_wwdr": str(tmp_path / "gone.cer")}), NOW)


def test_a_merchants_own_certificate_comes_first() -> None:
    """Its key is stored encrypted, bound to the merchant; it expires like any other."""
    keyring, merchant_id = Keyring.for_tests(), new_id()
    sealed = seal_key(keyring, merchant_id, chain().key_pem())
    setup = AppleSetup(apple_certificate=chain().certificate_pem().decode(), apple_key=sealed)
    keys = AppleKeys(Settings(), keyring)

    found = keys.own(merchant_id, setup, NOW)

    assert found is not None
    assert found.pass_type == TYPE
    assert "PRIVATE" not in sealed
    with pytest.raises(ValueError, match="cannot be opened"):
        keys.own(new_id(), setup, NOW)
    with pytest.raises(IdentityFault):
        keys.own(merchant_id, setup, NOW.replace(year=2060))

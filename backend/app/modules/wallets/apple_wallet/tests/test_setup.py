"""The dashboard's page: request, upload, draft, renewal, test, removal; and each fault in one sentence."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from markupsafe import escape
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.settings import get_settings
from app.modules.merchants.factories import make_merchant
from app.modules.wallets.apple_wallet.credentials import AppleSetup, find_identity
from app.modules.wallets.apple_wallet.demo import name_of
from app.modules.wallets.apple_wallet.der import is_costly
from app.modules.wallets.apple_wallet.faults import SENTENCES, fault_text
from app.modules.wallets.apple_wallet.identity import bundled_wwdr

from .apple import START, TEAM, TYPE, URL, YEAR, Desk, authority, key_pem, p12, spare_key


@pytest.fixture
async def desk(client, database) -> Desk:
    """Return a merchant at the page."""
    return Desk(client, await make_merchant(database))


async def setup_of(database, desk) -> AppleSetup:
    """Return what is kept."""
    async with tenant_scope(database, desk.merchant.id) as session:
        return await get_settings(session, AppleSetup, merchant_id=desk.merchant.id)


async def identity_of(database, desk, now=START):
    """Return what signs."""
    async with tenant_scope(database, desk.merchant.id) as session:
        return await find_identity(session, desk.merchant.id, now=now)


async def test_the_demo_says_plainly_what_an_iphone_does(desk):
    """Before anything is uploaded: no iPhone accepts it, and what to get from Apple, in four steps."""
    page = await desk.page()

    assert "An iPhone will not accept these cards." in page
    for words in ("Apple Developer Program", "Pass Type IDs", "Make the request", "Pass Type ID Certificate"):
        assert words in page


async def test_request_answer_intermediate(desk, database):
    """The key is made here and never leaves; pass.cer waits for its intermediate, which finishes it."""
    request = await desk.request()
    apple = authority("G9")
    kept = await setup_of(database, desk)
    assert "PRIVATE" not in request + kept.request + kept.sealed_request_key
    again = await desk.request()
    assert again == request

    answer = await desk.upload(apple.answer(request))
    assert answer.status_code == 303
    page = await desk.page()
    issuer = "Apple Worldwide Developer Relations Certification Authority, G9"
    assert f"Your certificate was issued by: {issuer}" in page
    assert (await identity_of(database, desk)).is_demo

    assert (await desk.upload(wwdr=apple.cer)).status_code == 303
    found = await identity_of(database, desk)
    assert (found.pass_type, found.team, found.wwdr) == (TYPE, TEAM, apple.certificate)
    assert x509.load_pem_x509_csr(request.encode()).public_key() == found.key.public_key()
    kept = await setup_of(database, desk)
    assert (kept.request, kept.sealed_request_key, kept.draft, kept.sealed_draft_key) == ("", "", "", "")
    page = await desk.page()
    assert "signed with your own certificate" in page
    assert "PRIVATE" not in page


async def test_another_request_drops_the_first_one(desk):
    """Asked for anew, the request has another key; the answer to the first is then named as such."""
    first = await desk.request()
    assert (await desk.post("/request", anew="true")).status_code == 303

    assert await desk.request() != first
    answer = await desk.upload(authority().answer(first), wwdr=authority().cer)
    assert answer.status_code == 422
    # Two files were given: the sentence is about the key, whoever's it is.
    assert str(escape(fault_text("wrong_key"))) in answer.text
    answer = await desk.upload(authority().answer(first))
    assert str(escape(fault_text("wrong_request"))) in answer.text


@pytest.mark.parametrize(
    "form",
    [
        lambda: {"certificate": p12(authority().leaf()), "apple_key_password": "secret"},
        lambda: {"certificate": authority().leaf(), "key": key_pem()},
        lambda: {
            "certificate": authority().leaf(),
            "key": key_pem(0, b"secret"),
            "apple_key_password": "secret",
            "apple_pass_type": TYPE,
            "apple_team": TEAM,
        },
    ],
)
async def test_a_certificate_one_has_is_taken(desk, database, form):
    """A .p12 with its password, or certificate and key in two files; the password is not kept."""
    values = form()
    answer = await desk.upload(values.pop("certificate"), wwdr=authority().cer, **values)

    assert answer.status_code == 303, answer.text
    assert (await identity_of(database, desk)).pass_type == TYPE
    async with tenant_scope(database, desk.merchant.id) as session:
        stored = await session.scalar(
            text("SELECT values::text FROM merchant_setting WHERE section = 'wallets.apple'")
        )
        audit = await session.scalars(text("SELECT action FROM audit_entry WHERE action LIKE 'apple_%'"))
        assert list(audit) == ["apple_wallet.connected"]
    assert "PRIVATE" not in stored
    assert '"secret"' not in stored


OLD = (START - timedelta(days=800), START - timedelta(days=435))


@pytest.mark.parametrize(
    ("code", "form"),
    [
        ("no_file", lambda: {}),
        ("unreadable", lambda: {"certificate": b"hello"}),
        ("wrong_password", lambda: {"certificate": p12(authority().leaf()), "apple_key_password": "no"}),
        ("no_key", lambda: {"certificate": authority().leaf(), "wwdr": authority().cer}),
        ("wrong_key", lambda: {"certificate": authority().leaf(), "key": key_pem(1)}),
        ("expired", lambda: {"certificate": authority().leaf(valid=OLD), "key": key_pem()}),
        ("wrong_pass_type", lambda: {**_good(), "apple_pass_type": "pass.other"}),
        ("wrong_team", lambda: {**_good(), "apple_team": "ZZZZZ99999"}),
        ("not_a_pass", lambda: {"certificate": _plain_certificate(), "key": key_pem()}),
        ("too_large", lambda: {"certificate": b"0" * 50_001}),
        ("wwdr_expired", lambda: _of_old_generation()),
    ],
)
async def test_each_fault_is_one_sentence_and_nothing_is_kept(desk, database, code, form):
    """422, the sentence without an open place, and no row."""
    values = form()
    answer = await desk.upload(values.pop("certificate", b""), **values)

    assert answer.status_code == 422
    begin = SENTENCES[code].split("%(")[0]
    assert str(escape(begin)) in answer.text
    assert "%(" not in answer.text
    assert await setup_of(database, desk) == AppleSetup()


def _good() -> dict:
    return {"certificate": authority().leaf(), "key": key_pem(), "wwdr": authority().cer}


def _of_old_generation() -> dict:
    old = authority("G1", valid=(OLD[0] - timedelta(days=900), OLD[1]))
    return {"certificate": old.leaf(), "key": key_pem(), "wwdr": old.cer}


def _plain_certificate() -> bytes:
    """Return an ordinary push certificate: neither the mark of a pass nor the name of one."""
    made = (
        x509.CertificateBuilder()
        .subject_name(name_of("Apple Push Services: com.example.app", uid="com.example.app", unit=TEAM))
        .issuer_name(authority().certificate.subject)
        .public_key(spare_key().public_key())
        .serial_number(7)
        .not_valid_before(YEAR[0])
        .not_valid_after(YEAR[1])
        .sign(authority().key, SHA256())
    )
    return made.public_bytes(Encoding.DER)


async def test_the_wrong_generation_is_named_with_the_right_one(desk, database):
    """G3 is given where G9 issued: the certificate waits, and the page names G9."""
    answer = await desk.upload(authority("G9").leaf(), key=key_pem(), wwdr=authority("G3").cer)

    assert answer.status_code == 303
    assert "Certification Authority, G9" in await desk.page()
    again = await desk.upload(wwdr=authority("G3").cer)
    assert again.status_code == 422
    assert "Certification Authority, G9 is needed" in again.text
    assert (await identity_of(database, desk)).is_demo


async def test_an_intermediate_may_come_first(desk, database):
    """Uploaded before the certificate it is put by."""
    assert (await desk.upload(wwdr=authority("G9").cer)).status_code == 303
    assert (await desk.upload(authority("G9").leaf(), key=key_pem())).status_code == 303

    assert (await identity_of(database, desk)).wwdr == authority("G9").certificate


def test_the_bundled_intermediate_is_apples():
    """The one that the facts name by its serial number."""
    (g4,) = bundled_wwdr()

    assert f"{g4.serial_number:040X}" == "13DC77955271E53DC632E8CCFFE521F3CCC5CED2"
    assert g4.not_valid_after_utc.date().isoformat() == "2030-12-10"


async def test_removing_forgets_the_keys(desk, database):
    """Certificate and keys are gone; the installation's certificate signs again."""
    assert (await desk.upload(**_good())).status_code == 303

    assert (await desk.post("/remove")).status_code == 303

    assert set((await setup_of(database, desk)).model_dump().values()) == {""}
    assert (await identity_of(database, desk)).is_demo


async def test_only_the_owner_may(client, database, desk):
    """A stranger, and a form of another site: refused, and nothing is kept."""
    assert (await client.get(URL, headers={"accept": "application/json"})).status_code == 401
    headers = {**desk.merchant.headers, "Origin": "https://elsewhere.example"}
    for path in ("", "/request", "/test", "/remove"):
        assert (await client.post(URL + path, data={}, headers=headers)).status_code == 403
    assert await setup_of(database, desk) == AppleSetup()
    assert (await client.get(f"{URL}/request", headers=desk.merchant.headers)).status_code == 404


def costly(rounds: int) -> bytes:
    """Return a PBKDF2 parameter of a key file: salt and rounds."""
    number = rounds.to_bytes(4, "big")
    inner = b"\x04\x08saltsalt\x02\x04" + number
    return b"\x30" + bytes([len(inner)]) + inner


def test_a_file_that_would_take_for_ever_is_not_opened():
    """A thousand million rounds are seen before OpenSSL begins, as .p12 and as PEM; usual ones pass."""
    pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n%s\n-----END ENCRYPTED PRIVATE KEY-----\n"
    in_pieces = b"\x30\x18\x24\x16\x04\x09" + costly(10**9)[:9] + b"\x04\x09" + costly(10**9)[9:]
    for data in (costly(10**9), pem % base64.b64encode(costly(10**9)), in_pieces):
        assert is_costly(data)
    for data in (costly(600_000), p12(authority().leaf()), key_pem(0, b"secret"), authority().leaf()):
        assert not is_costly(data)


async def test_a_costly_file_is_refused(desk):
    """The page says so in one sentence."""
    answer = await desk.upload(costly(10**9), name="old.p12")

    assert answer.status_code == 422
    assert "The file old.p12 is encrypted in a way that takes too long to open." in answer.text


def test_an_openssl_that_refuses_old_files_leads_out(tmp_path: Path):
    """Where RC2 is switched off, the fault is old_p12 and names the command."""
    (tmp_path / "leaf.cer").write_bytes(authority().leaf())
    (tmp_path / "key.pem").write_bytes(key_pem())
    for command in (
        "openssl x509 -inform DER -in leaf.cer -out leaf.pem",
        "openssl pkcs12 -export -legacy -inkey key.pem -in leaf.pem -out old.p12 -passout pass:secret",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    program = (
        "import sys, datetime\n"
        "from app.modules.wallets.apple_wallet.identity import Blob, read_identity\n"
        "from app.modules.wallets.apple_wallet.faults import IdentityFault\n"
        "blob = Blob('old.p12', open(sys.argv[1], 'rb').read())\n"
        "try:\n    read_identity([blob], password='secret', now=None)\n"
        "except IdentityFault as fault:\n    print(fault.code, fault)\n"
    )
    environment = {**os.environ, "CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "old.p12")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.startswith("old_p12 "), run.stdout
    assert "openssl pkcs12 -legacy -in pass.p12" in run.stdout

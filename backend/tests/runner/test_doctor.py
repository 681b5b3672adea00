"""The doctor on Apple: each fault by its code and sentence, and what keeps pushes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from app.commands.inspection import _apple_finding, _apple_push_finding
from app.config import Settings
from app.db.session import Database, system_scope
from app.modules.wallets.apple_wallet.demo import VALID
from app.modules.wallets.apple_wallet.tests.apple import authority, key_pem, p12


@pytest.mark.parametrize(
    ("code", "over"),
    [
        ("missing_file", {"apple_certificate": "gone.p12"}),
        ("wrong_password", {"apple_certificate": "pass.p12", "apple_key_password": "no"}),
        ("no_key", {"apple_certificate": "pass.cer", "apple_wwdr": "wwdr.cer"}),
        ("wrong_key", {"apple_certificate": "pass.cer", "apple_key": "other.pem", "apple_wwdr": "wwdr.cer"}),
        ("wrong_wwdr", {"apple_certificate": "pass.cer", "apple_key": "key.pem", "apple_wwdr": "g3.cer"}),
        ("no_wwdr", {"apple_certificate": "pass.cer", "apple_key": "key.pem"}),
        ("wrong_team", {"apple_team": "ZZZZZ99999"}),
        ("wrong_pass_type", {"apple_pass_type": "pass.other"}),
    ],
)
def test_the_doctor_names_the_fault_with_its_code(tmp_path: Path, code: str, over: dict[str, str]) -> None:
    """NO, the code, and one sentence without a path."""
    finding = _apple_finding(settings_with(tmp_path, over))

    assert not finding.well
    assert finding.seen.startswith(f"{code}: ")
    assert finding.seen.endswith(".")
    assert str(tmp_path) not in finding.seen


def test_a_good_certificate_is_well(tmp_path: Path) -> None:
    """The pass type and the day it ends; 90 days before that it is no longer well."""
    finding = _apple_finding(settings_with(tmp_path, {}))

    assert finding.seen.startswith("pass.com.example.loyalty, until ")


def settings_with(folder: Path, over: dict[str, str]) -> Settings:
    leaf = authority().leaf(valid=VALID)  # the doctor looks at the real clock
    files = {
        "pass.cer": leaf,
        "key.pem": key_pem(),
        "other.pem": key_pem(1),
        "pass.p12": p12(leaf),
        "wwdr.cer": authority().cer,
        "g3.cer": authority("G3").cer,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    names = over if "apple_certificate" in over else {**GOOD, **over}
    values = {
        key: str(folder / name) if name in files or "gone" in name else name for key, name in names.items()
    }
    return Settings(**values)


GOOD = {"apple_certificate": "pass.cer", "apple_key": "key.pem", "apple_wwdr": "wwdr.cer"}


async def test_the_doctor_tells_what_keeps_pushes_back(database: Database, settings: Settings) -> None:
    """A refused certificate and since when; nothing once it works again."""
    row = "INSERT INTO apple_health VALUES ('abcdef0123456789', 'BadCertificate', '2026-11-20 09:00Z', now())"
    async with system_scope(database) as session:
        await session.execute(text("DELETE FROM apple_health"))
        await session.execute(text(row))
    found = await _apple_push_finding(settings.database_url)
    async with system_scope(database) as session:
        await session.execute(text("DELETE FROM apple_health"))
    after = await _apple_push_finding(settings.database_url)

    assert (found.well, after.well) == (False, True)
    assert found.seen == "certificate abcdef012345 refused since 2026-11-20 09:00: BadCertificate"

"""Every setting once: a wrong value is named in one sentence that says what to do, and no secret is shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.commands.errors import describe
from app.commands.settings_check import OTHER_VARIABLES, judge_settings
from app.config import Settings
from app.setting_rules import FILE_SUFFIX, UnusableSetting, variable
from tests.runner.helpers import ROOT

SECRET = "hunter2-not-for-eyes"
NOWHERE = "/nowhere/at/all"
# By setting: a value that cannot work, and what the sentence must say.
WRONG: dict[str, tuple[str, str]] = {
    "database_url": (f"mysql://u:{SECRET}@db/x", "must begin with postgresql://"),
    "database_system_url": (f"postgresql://u:{SECRET}@:5432", "name a host"),
    "database_admin_url": (SECRET, "must begin with postgresql://"),
    "database_replica_url": (f"mysql://u:{SECRET}@db/x", "must begin with postgresql://"),
    "database_replica_lag_seconds": ("0.1", "is not of the wanted form. A replica further behind"),
    "database_pool_size": ("many", "must be a whole number from 1 to 200, and is 'many'."),
    "database_pgbouncer": ("perhaps", "must be true or false, and is 'perhaps'."),
    "database_allow_async_commit": ("2", "must be true or false"),
    "redis_url": (f"http://:{SECRET}@redis", "must begin with redis:// or rediss:// or unix://"),
    "public_url": ("http://cards.example.com", "must be https outside demo mode."),
    "allowed_hosts": ("https://cards.example.com", "must be a bare host name or address"),
    "trusted_proxies": ("nginx", "must be addresses or networks such as 10.0.0.0/8"),
    "data_dir": ("/dev/null", "no folder that this user may write"),
    "secrets_dir": ("/dev/null/x", "no folder that this user may write"),
    "backup_dir": ("/proc/version", "no folder that this user may write"),
    "backup_keep": ("-1", "must be a whole number from 0 to 10000"),
    "backup_passphrase": ("short", "take at least 12 characters"),
    "backup_passphrase_file": (NOWHERE, "no file that this user may read"),
    "demo": ("maybe", "must be true or false"),
    "lan": ("true", "is accepted in demo mode only."),
    "clock_file": ("/tmp/clock", "is accepted in demo mode only."),
    "sign_up": ("sometimes", "must be one of"),
    "smtp_url": (f"mail.example.com:{SECRET}", "must begin with smtp:// or smtps://"),
    "mail_from": ("Stempel", "must be an address, or a name and an address"),
    "mail_bounces": ("bounces", "is not of the wanted form. Envelope sender"),
    "mail_events_secret": ("abc", "short enough to be guessed"),
    "mail_dkim_key": (NOWHERE, "no file that this user may read"),
    "mail_dkim_selector": ("a b", "is not of the wanted form. Selector of the DKIM key"),
    "mail_domain_pace": ("0", "must be a whole number from 1 to 100000"),
    "mail_daily_limit": ("-5", "must be a whole number from 0 to 10000000"),
    "google_service_account": (NOWHERE, "no file that this user may read"),
    "google_issuer_id": ("my-issuer", "is not of the wanted form. Issuer id"),
    "google_api_url": ("http://walletobjects.googleapis.com", "must begin with https://"),
    "google_callback_keys_url": ("pay.google.com", "must begin with https://"),
    "metrics_token": ("abc", "take 20 random characters"),
    "security_contact": ("me", "is not of the wanted form. Who hears of weaknesses"),
    "otlp_endpoint": ("collector:4318", "must begin with http:// or https://"),
    "otlp_headers": (SECRET, "must be name=value, comma separated"),
    "otlp_ratio": ("2", "is not of the wanted form. Part of all requests and jobs that is traced"),
    "worker_metrics_port": ("70000", "must be a whole number from 0 to 65535, and is '70000'."),
    "log_format": ("xml", "must be one of json, console, and is 'xml'."),
    "log_level": ("LOUD", "must be one of DEBUG, INFO, WARNING, ERROR"),
    "web_processes": ("0", "must be a whole number from 1 to 64"),
    "host": ("http://0.0.0.0", "must be a bare host name or address"),
    "port": ("http", "must be a whole number from 0 to 65535"),
    "requests_at_once": ("0", "must be a whole number from 4 to 10000"),
    "drain_seconds": ("1.5", "must be a whole number from 0 to 120"),
    "body_limit_bytes": ("1", "must be a whole number of at least 10000"),
    "apple_certificate": (NOWHERE, "no file that this user may read"),
    "apple_key": (NOWHERE, "no file that this user may read"),
    "apple_wwdr": (NOWHERE, "no file that this user may read"),
    "apns_url": ("ftp://api.push.apple.com", "must begin with https://"),
    "apns_ca_file": (NOWHERE, "no file that this user may read"),
    "plans_file": (NOWHERE, "no file that this user may read"),
    "default_currency": ("euro", "is not of the wanted form. Currency of a new merchant."),
    "default_time_zone": ("Europe/Luxemburg", "must be an IANA time zone such as Europe/Luxembourg."),
}
# What doctor finds by opening what they belong to: the certificate (test_doctor.py), a backup (app/backup).
ELSEWHERE = {"apple_key_password", "apple_pass_type", "apple_team", "backup_recipient"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Take every setting of the machine away."""
    for name in [name for name in os.environ if name.startswith("STEMPEL_") and "_TEST_" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STEMPEL_DATA_DIR", str(tmp_path))
    return monkeypatch


def test_no_setting_is_left_out() -> None:
    """A new setting gets a line in this table, or says where else it is looked at."""
    assert set(Settings.model_fields) == WRONG.keys() | ELSEWHERE


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, one sentence, and never what may be a secret."""
    value, wanted = WRONG[name]
    monkeypatch.setenv(variable(name), value)
    _, faults = judge_settings()
    said = [sentence for variable_, sentence in faults if variable_ == variable(name)]

    assert len(said) == 1
    assert wanted in said[0]
    assert said[0].endswith(".")
    assert SECRET not in str(faults)


def test_nothing_set_is_well() -> None:
    """The defaults are what a first start wants."""
    settings, faults = judge_settings()

    assert settings is not None
    assert faults == []


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would silently do nothing."""
    monkeypatch.setenv("STEMPEL_PUBLIK_URL", "https://cards.example.com")
    for name in OTHER_VARIABLES:
        monkeypatch.setenv(name, "x")

    assert judge_settings()[1] == [("STEMPEL_PUBLIK_URL", "is no setting; did you mean STEMPEL_PUBLIC_URL?")]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"database_url": "postgresql://a@db/x"}, "STEMPEL_DATABASE_SYSTEM_URL"),
        ({"database_system_url": "postgresql://a@db/x"}, "STEMPEL_DATABASE_URL"),
        ({"apple_key": "/proc/version"}, "STEMPEL_APPLE_CERTIFICATE"),
        ({"smtp_url": "smtp://mail.example.com:587"}, "STEMPEL_MAIL_FROM"),
        ({"otlp_headers": "authorization=Bearer%20x"}, "STEMPEL_OTLP_ENDPOINT"),
        ({"worker_metrics_port": "9464"}, "STEMPEL_METRICS_TOKEN"),
    ],
)
def test_what_belongs_together_is_asked_for(
    given: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a configuration is a fault of the other half."""
    for name, value in given.items():
        monkeypatch.setenv(variable(name), value)

    assert [name for name, _ in judge_settings()[1]] == [missing]


def test_a_value_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For Docker's secrets and systemd's credentials; the line's end does not belong to it."""
    url = "postgresql://stempel_app:p%40ss@db/stempel"
    (tmp_path / "url").write_text(f"{url}\n")
    monkeypatch.setenv("STEMPEL_DATABASE_URL_FILE", str(tmp_path / "url"))
    (tmp_path / "hosts").write_text("a.example.com, b.example.com")
    monkeypatch.setenv("STEMPEL_ALLOWED_HOSTS_FILE", str(tmp_path / "hosts"))
    settings = Settings()

    assert settings.database_url == url
    assert settings.allowed_hosts == ("a.example.com", "b.example.com")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "cannot be read (No such file or directory); check the path and who may read it."),
        (b"", "must hold the bare value on one line."),
        (b"one\ntwo\n", "must hold the bare value on one line."),
        (b"x" * 70_000, "must hold the bare value on one line."),
        (b"\xff\xfe", "is no text; write the bare value into it."),
    ],
)
def test_a_file_that_is_no_value_is_refused(
    content: bytes | None, wanted: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the variable and the place, and without what was in it."""
    place = tmp_path / "value"
    if content is not None:
        place.write_bytes(content)
    monkeypatch.setenv("STEMPEL_METRICS_TOKEN_FILE", str(place))
    with pytest.raises(UnusableSetting) as raised:
        Settings()

    assert describe(raised.value) == f"STEMPEL_METRICS_TOKEN_FILE: {place} {wanted}"
    assert judge_settings() == (None, [("STEMPEL_METRICS_TOKEN_FILE", f"{place} {wanted}")])


def test_a_value_and_a_file_are_one_too_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody should have to know which one wins."""
    monkeypatch.setenv("STEMPEL_REDIS_URL", "redis://a")
    monkeypatch.setenv("STEMPEL_REDIS_URL_FILE", str(tmp_path / "url"))

    with pytest.raises(UnusableSetting, match=r"are both set; take one of them away\.$"):
        Settings()


def test_only_one_setting_is_called_like_the_file_of_another() -> None:
    """Such a name would be read twice; the passphrase's file is older than the rule and means the same."""
    doubled = {name for name in Settings.model_fields if name + FILE_SUFFIX.lower() in Settings.model_fields}

    assert doubled == {"backup_passphrase"}


def test_the_page_of_settings_says_that_files_will_do() -> None:
    """Once, above the table, for all."""
    assert "`STEMPEL_DATABASE_URL_FILE`" in (ROOT / "docs" / "settings.md").read_text()

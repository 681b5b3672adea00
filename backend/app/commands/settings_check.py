"""Every setting looked at: what is wrong with it, and what to do, in one sentence each."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.config import Settings
from app.setting_rules import FILE_SUFFIX, PREFIX, UnusableSetting, variable

# Not settings of the program, but of ./stempel, of its tests and of whoever looks for a fault.
OTHER_VARIABLES = frozenset(
    {"STEMPEL_BUILDING", "STEMPEL_COMMAND", "STEMPEL_PYTHON", "STEMPEL_DEBUG", "STEMPEL_CHROMIUM"}
)
TEST_PREFIX = "STEMPEL_TEST_"
# Settings that name a file which must be there.
FILES = (
    "backup_passphrase_file",
    "clock_file",
    "mail_dkim_key",
    "google_service_account",
    "apple_certificate",
    "apple_key",
    "apple_wwdr",
    "apns_ca_file",
    "plans_file",
)
FOLDERS = ("data_dir", "secrets_dir", "backup_dir")
# Guessed over the network as often as somebody likes.
TOKEN_LENGTH_MIN = 20
TOKENS = ("metrics_token", "mail_events_secret")
PASSPHRASE_LENGTH_MIN = 12


def judge_settings() -> tuple[Settings | None, list[tuple[str, str]]]:
    """Return the settings, where they are usable, and for each faulty variable its name and a sentence."""
    faults = list(_unknown_names(os.environ))
    try:
        settings = Settings()
    except UnusableSetting as error:
        return None, [*faults, _named(str(error))]
    except ValidationError as error:
        return None, [*faults, *(setting_fault(part) for part in error.errors())]
    return settings, [*faults, *_faulty_places(settings), *_weak_secrets(settings), *_together(settings)]


def setting_fault(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return the variable and the sentence for one of pydantic's errors; the value is shown where it is no secret."""
    message = str(part["msg"]).removeprefix("Value error, ")
    name = str(part["loc"][0]) if part["loc"] else ""
    if name not in Settings.model_fields:
        return _named(f"{message}.")
    if part["type"] == "value_error":
        return variable(name), f"{message}."
    field = Settings.model_fields[name]
    wanted = expected(field)
    if wanted is None:
        return variable(name), f"is not of the wanted form. {field.description}"
    return variable(name), f"must be {wanted}, and is {str(part['input'])[:40]!r}."


def expected(field: FieldInfo) -> str | None:
    """Return what a number, a switch or a choice may be; None for texts, whose values are not shown."""
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    if field.annotation is bool:
        return "true or false"
    if field.annotation is int:
        least = [rule.ge for rule in field.metadata if isinstance(rule, Ge)]
        most = [rule.le for rule in field.metadata if isinstance(rule, Le)]
        if most:
            return f"a whole number from {least[0]} to {most[0]}"
        return f"a whole number of at least {least[0]}"
    return None


def _named(sentence: str) -> tuple[str, str]:
    """Split a sentence that begins with the name of a variable."""
    name, _space, rest = sentence.partition(" ")
    return (name.rstrip(":"), rest) if name.startswith(PREFIX) else ("", sentence)


def _unknown_names(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    known = {variable(name) for name in Settings.model_fields}
    known |= {name + FILE_SUFFIX for name in known} | OTHER_VARIABLES
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name.startswith(TEST_PREFIX) or name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]}?" if near else "take it away (docs/settings.md has all)."
        yield name, f"is no setting; {advice}"


def _faulty_places(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in FILES:
        value = getattr(settings, name)
        place = Path(value) if value else None
        if place is None or name == "clock_file":  # that one is made when it is wanted
            continue
        if not place.is_file() or not os.access(place, os.R_OK):
            yield (
                variable(name),
                f"{place} is no file that this user may read; check the path and its rights.",
            )
    for name in FOLDERS:
        folder = getattr(settings, name)
        if folder is not None and not _can_be_written(folder):
            yield variable(name), f"{folder} is no folder that this user may write; make it, or give it away."


def _can_be_written(folder: Path) -> bool:
    # What is not there yet is made in the nearest folder that is.
    nearest = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK)


def _weak_secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in TOKENS:
        if 0 < len(getattr(settings, name)) < TOKEN_LENGTH_MIN:
            yield variable(name), f"is short enough to be guessed; take {TOKEN_LENGTH_MIN} random characters."
    if 0 < len(settings.backup_passphrase) < PASSPHRASE_LENGTH_MIN:
        yield variable("backup_passphrase"), f"is short; take at least {PASSPHRASE_LENGTH_MIN} characters."


def _together(settings: Settings) -> Iterator[tuple[str, str]]:
    """Look at settings that need each other."""
    for name, wanted, why in NEEDS:
        if getattr(settings, name) and not getattr(settings, wanted):
            yield variable(wanted), f"must be set as well: {variable(name)} {why}."
    if settings.smtp_url and settings.mail_from.endswith("@localhost>"):
        yield variable("mail_from"), "must be an address of yours: mails from localhost are refused."


NEEDS = (
    ("database_url", "database_system_url", "is one of two logins"),
    ("database_system_url", "database_url", "is one of two logins"),
    ("apple_key", "apple_certificate", "belongs to a certificate"),
    ("otlp_headers", "otlp_endpoint", "is for a collector"),
    ("worker_metrics_port", "metrics_token", "answers nobody without it"),
)

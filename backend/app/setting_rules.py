"""What a setting may be, and where it may stand: in the environment, or in a file that the environment names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "STEMPEL_"
FILE_SUFFIX = "_FILE"
FILE_BYTES_MAX = 65_536
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]{0,62})(\.[a-zA-Z0-9-]{1,63})*\.?|[0-9a-fA-F:]+"
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")

# By setting: the schemes its address may have.
SCHEMES: Mapping[str, tuple[str, ...]] = {
    "database_url": ("postgresql", "postgres", "postgresql+asyncpg"),
    "database_system_url": ("postgresql", "postgres", "postgresql+asyncpg"),
    "database_admin_url": ("postgresql", "postgres", "postgresql+asyncpg"),
    "database_replica_url": ("postgresql", "postgres", "postgresql+asyncpg"),
    "redis_url": ("redis", "rediss", "unix"),
    "smtp_url": ("smtp", "smtps"),
    "google_api_url": ("https",),
    "google_callback_keys_url": ("https",),
    "apns_url": ("https",),
    # Traces name nobody, and a collector usually stands beside us.
    "otlp_endpoint": ("http", "https"),
}


class UnusableSetting(Exception):
    """A setting cannot be read; the message is a sentence for the operator."""


def variable(field_name: str) -> str:
    """Return the environment's name of a setting."""
    return PREFIX + field_name.upper()


class SettingFiles(PydanticBaseSettingsSource):
    """STEMPEL_X_FILE names a file with the value of STEMPEL_X: for secrets of Docker and credentials of systemd."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of one setting, or None where no file is named for it."""
        name = variable(field_name) + FILE_SUFFIX
        place = os.environ.get(name, "")
        # A setting of this very name is a setting, and not where another one stands.
        if not place or f"{field_name}{FILE_SUFFIX.lower()}" in self.settings_cls.model_fields:
            return None, field_name, False
        if os.environ.get(variable(field_name)):
            raise UnusableSetting(f"{variable(field_name)} and {name} are both set; take one of them away.")
        return read_value(name, Path(place)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return every setting that stands in a file."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


def read_value(name: str, place: Path) -> str:
    """Return what the file holds, without the line's end; raises UnusableSetting with what to do."""
    try:
        with place.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        value = content.decode().rstrip("\r\n")
    except OSError as error:
        raise UnusableSetting(
            f"{name}: {place} cannot be read ({error.strerror}); check the path and who may read it."
        ) from error
    except UnicodeDecodeError as error:
        raise UnusableSetting(f"{name}: {place} is no text; write the bare value into it.") from error
    if not value or "\n" in value or len(content) > FILE_BYTES_MAX:
        raise UnusableSetting(f"{name}: {place} must hold the bare value on one line.")
    return value


def check_address(name: str, value: str) -> str:
    """Return an address of a service; raises ValueError saying what it should look like."""
    schemes = SCHEMES[name]
    if not value:
        return value
    parts = urlsplit(value)
    wanted = f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    is_local = parts.scheme == "http" and "https" in schemes and parts.hostname in LOOPBACK
    if parts.scheme not in schemes and not is_local:
        raise ValueError(wanted)
    try:
        names_place = bool(parts.hostname or parts.query or parts.scheme == "unix") and parts.port != 0
    except ValueError:
        names_place = False
    if not names_place:
        raise ValueError(f"{wanted} and name a host; special characters in a password are written as %XX")
    return value


def check_host(value: str) -> str:
    """Return a host name or an address without anything around it."""
    if not _HOST_NAME.fullmatch(value):
        raise ValueError("must be a bare host name or address, such as cards.example.com or 127.0.0.1")
    return value


def check_time_zone(value: str) -> str:
    """Return the name of a time zone that this machine knows."""
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:  # "not found" is a KeyError here
        raise ValueError("must be an IANA time zone such as Europe/Luxembourg") from error
    return value


def check_sender(value: str) -> str:
    """Return a sender with an address in it."""
    _name, address = parseaddr(value)
    if address.count("@") != 1 or address.startswith("@") or address.endswith("@") or "\n" in value:
        raise ValueError("must be an address, or a name and an address: Stempel <cards@example.com>")
    return value


def check_pairs(value: str) -> str:
    """Return headers as they were given; raises ValueError, without quoting them: they hold keys."""
    try:
        read_pairs(value)
    except ValueError as error:
        raise ValueError(
            "must be name=value, comma separated; special characters are written as %XX"
        ) from error
    return value


def read_pairs(value: str) -> dict[str, str]:
    """Return `name=value,name=value` as OpenTelemetry writes headers; raises ValueError."""
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, equals, content = part.partition("=")
        if not equals or not _HEADER_NAME.fullmatch(name.strip()):
            raise ValueError(part)
        content = unquote(content.strip(), errors="strict")
        if not content.isascii() or not content.isprintable():
            raise ValueError(part)
        pairs[name.strip()] = content
    return pairs

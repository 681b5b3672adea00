"""Which database a command works on: the operator's, or the embedded one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.commands.errors import CommandError
from app.config import Settings
from app.db.embedded import EmbeddedPostgres, find_running_url
from app.db.embedded_files import write_private
from app.db.rights import APP_ROLE, SYSTEM_ROLE

ROLES_FILE = "postgres.roles.json"


@dataclass(frozen=True)
class RolePasswords:
    """The two runtime logins of the embedded database."""

    app: str
    system: str


def read_role_passwords(data_dir: Path) -> RolePasswords:
    """Return the runtime logins' passwords, made on first use and kept beside the data (0600)."""
    path = data_dir / ROLES_FILE
    if not path.exists():
        made = {"app": secrets.token_urlsafe(24), "system": secrets.token_urlsafe(24)}
        write_private(path, json.dumps(made))
    stored = json.loads(path.read_text())
    return RolePasswords(stored["app"], stored["system"])


def embedded_settings(settings: Settings, admin_url: str) -> Settings:
    """Return the settings with the embedded database's three logins."""
    passwords = read_role_passwords(settings.data_dir)
    return settings.model_copy(
        update={
            "database_url": with_login(admin_url, APP_ROLE, passwords.app),
            "database_system_url": with_login(admin_url, SYSTEM_ROLE, passwords.system),
            "database_admin_url": admin_url,
        }
    )


def with_login(url: str, role: str, password: str) -> str:
    """Return the same address for another role."""
    scheme, _, rest = url.partition("://")
    _, _, place = rest.rpartition("@")
    return f"{scheme}://{role}:{password}@{place}"


def require_database(settings: Settings) -> Settings:
    """Return the settings when they name a database; web and worker start none themselves."""
    if settings.database_url:
        return settings
    running = find_running_url(settings.data_dir)
    if running is None:
        raise CommandError(
            "No database is set. Set STEMPEL_DATABASE_URL (and STEMPEL_DATABASE_SYSTEM_URL), or use "
            "./stempel demo, which brings its own."
        )
    return embedded_settings(settings, running)


@contextmanager
def open_database(settings: Settings) -> Iterator[Settings]:
    """Yield settings that reach a database: the operator's, the running embedded one, or one started here."""
    if settings.database_url or settings.database_admin_url:
        yield settings
        return
    running = find_running_url(settings.data_dir)
    if running is not None:
        yield embedded_settings(settings, running)
        return
    if not (settings.data_dir / "postgres").exists():
        raise CommandError(
            f"There is no database yet: STEMPEL_DATABASE_URL is not set and {settings.data_dir} is empty. "
            "./stempel demo makes one."
        )
    with EmbeddedPostgres(settings.data_dir) as server:
        yield embedded_settings(settings, server.admin_url)


def migrate(settings: Settings) -> None:
    """Bring the schema and the two runtime roles up to date."""
    from urllib.parse import unquote, urlsplit

    from app.db.migrate import upgrade

    if not settings.database_admin_url:
        raise CommandError("Migrating needs the owner's login in STEMPEL_DATABASE_ADMIN_URL.")
    passwords = [
        unquote(urlsplit(url).password or "") for url in (settings.database_url, settings.database_system_url)
    ]
    upgrade(settings.database_admin_url, app_password=passwords[0], system_password=passwords[1])

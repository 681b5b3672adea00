"""What a backup holds is one moment; what a restore does is all or nothing, and only where nothing is."""

from __future__ import annotations

import io
import secrets
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from app.backup.archive import ArchiveWriter, examine_archive
from app.backup.files import KEYS_NAME
from app.backup.refusals import BackupRefused
from app.backup.restoring import examine
from app.backup.tables import has_tables
from app.backup.tests.conftest import Drill
from app.backup.tests.machines import (
    CLOSED,
    OPEN,
    empty_machine,
    put_back,
    run_as_owner,
)
from app.backup.writing import plain_url
from app.config import Settings
from app.kernel.clock import FixedClock
from app.utils.security import Keyring

OWNERS_QUESTION = """
SELECT (SELECT count(*) FROM stamp_event), (SELECT count(*) FROM pass_object),
       (SELECT count(*) FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity AND NOT relispartition),
       (SELECT version_num FROM alembic_version)
"""


def with_keys(settings: Settings) -> Settings:
    """Give a machine its keys, as the first start does."""
    Keyring.load_or_create(settings.keys_dir)
    return settings


async def is_empty(settings: Settings) -> bool:
    """Tell whether neither tables nor files are at a machine."""
    connection = await asyncpg.connect(plain_url(settings.database_admin_url))
    try:
        tables = await has_tables(connection)
    finally:
        await connection.close()
    return not tables and not any(path.is_file() for path in settings.data_dir.rglob("*"))


async def test_a_restore_that_fails_late_leaves_nothing(
    drill: Drill, tmp_path: Path, clock: FixedClock
) -> None:
    """All rows are in and the references stand, then it breaks: no table and no file is left."""

    class Broken(Exception):
        pass

    def break_late(step: str) -> None:
        if step.startswith("Telling"):
            raise Broken

    with empty_machine(tmp_path / "new") as new:
        with pytest.raises(Broken):
            await put_back(new, drill.file, clock, say=break_late)
        assert await is_empty(new)


async def test_an_owner_without_superpowers_can_restore(
    drill: Drill, tmp_path: Path, clock: FixedClock
) -> None:
    """On a managed server the owner is bound by row-level security: every row arrives, and the walls stand again."""
    with empty_machine(tmp_path / "new") as new, plain_owner(new) as owned:
        await put_back(owned, drill.file, clock)
        rows = run_as_owner(new.database_admin_url, OWNERS_QUESTION)

    assert [tuple(row) for row in rows] == [(1, 1, 0, drill.outcome.contents.about["schema"])]


async def test_a_restore_overwrites_nothing(drill: Drill, tmp_path: Path, clock: FixedClock) -> None:
    """A database with tables, keys of another installation: refused, and both are as they were."""
    used = drill.new.model_copy(update={"data_dir": tmp_path / "other"})
    with pytest.raises(BackupRefused) as tables:
        await put_back(used, drill.file, clock)
    with empty_machine(tmp_path / "new") as new:
        file = with_keys(new).keys_dir / "keys.json"
        before = file.read_bytes()
        with pytest.raises(BackupRefused) as keys:
            await put_back(new, drill.file, clock)
        after = file.read_bytes()
        file.unlink()
        assert await is_empty(new)

    assert (tables.value.code, keys.value.code) == ("restore_not_empty", "restore_not_empty")
    assert not used.data_dir.exists()
    assert after == before


async def test_a_file_cannot_leave_its_folder(tmp_path: Path, clock: FixedClock) -> None:
    """Whoever knows the public key can make a backup: its names must not write elsewhere."""
    target = io.BytesIO()
    writer = ArchiveWriter(target, CLOSED)
    writer.add_json("about.json", {"schema": "0001"})
    writer.add_file("data/../../planted", b"x")
    files = {name: count.said() for name, count in writer.files.items()}
    writer.add_json("manifest.json", {"tables": {}, "files": files, "sequences": {}, "partitions": []})
    writer.finish()
    (file := tmp_path / "planted.stempel-backup").write_bytes(target.getvalue())
    with empty_machine(tmp_path / "new") as new:
        with pytest.raises(BackupRefused) as refused:
            await put_back(new, file, clock)
        assert await is_empty(new)

    assert refused.value.code == "backup_damaged"
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"rows": 3}, "backup_damaged"),
        ({"sha256": "0" * 64}, "backup_damaged"),
        ({}, None),
    ],
)
def test_the_manifest_is_compared_with_what_is_there(wrong: dict[str, object], code: str | None) -> None:
    """Rows and digest of each table; the last line is the control."""
    target = io.BytesIO()
    writer = ArchiveWriter(target, CLOSED)
    writer.add_json("about.json", {"schema": "0001"})
    writer.add_piece("merchant", b"1\ta\n2\tb")
    writer.add_piece("merchant", b"b\n")
    said = writer.tables["merchant"].said() | wrong
    writer.add_file(KEYS_NAME, b"{}")
    files = {name: count.said() for name, count in writer.files.items()}
    writer.add_json("manifest.json", {"tables": {"merchant": said}, "files": files})
    writer.finish()

    if code is None:
        assert examine_archive(io.BytesIO(target.getvalue()), OPEN).rows == 2
        return
    with pytest.raises(BackupRefused) as refused:
        examine_archive(io.BytesIO(target.getvalue()), OPEN)
    assert refused.value.code == code


def test_a_backup_of_a_later_release_is_refused() -> None:
    """Its schema is unknown here: said before anything is written."""
    target = io.BytesIO()
    writer = ArchiveWriter(target, CLOSED)
    writer.add_json("about.json", {"schema": "9999"})
    writer.add_json("manifest.json", {"tables": {}, "files": {}})
    writer.finish()

    with pytest.raises(BackupRefused) as refused:
        examine(io.BytesIO(target.getvalue()), OPEN)
    assert refused.value.code == "backup_newer"


class plain_owner:  # noqa: N801 (used as a context)
    """Give a machine's database to an owner who is no superuser."""

    def __init__(self, settings: Settings) -> None:
        self.admin = settings.database_admin_url
        self.name = f"owner_{secrets.token_hex(4)}"
        self.settings = settings

    def __enter__(self) -> Settings:
        url = make_url(self.admin)
        run_as_owner(
            self.admin,
            f"CREATE ROLE {self.name} LOGIN PASSWORD 'plain' CREATEROLE NOSUPERUSER NOBYPASSRLS",
            f"GRANT stempel_app, stempel_system TO {self.name} WITH ADMIN OPTION",
            f"ALTER DATABASE {url.database} OWNER TO {self.name}",
        )
        login = url.set(username=self.name, password="plain").render_as_string(hide_password=False)
        return self.settings.model_copy(update={"database_admin_url": login})

    def __exit__(self, *_error: object) -> None:
        run_as_owner(
            self.admin,
            f"REASSIGN OWNED BY {self.name} TO CURRENT_USER",
            f"DROP OWNED BY {self.name}",
            f"DROP ROLE {self.name}",
        )

"""Which backups stay: the newest so many, and nobody else's files are touched."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from app.backup.folder import free_name, list_backups, sweep

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def make(folder: Path, *names: str) -> None:
    """Make empty files."""
    for name in names:
        (folder / name).write_bytes(b"")


def test_the_newest_stay(tmp_path: Path) -> None:
    """Of three, the newest two; what a killed run left goes; strangers stay."""
    make(tmp_path, "20261101T000000Z.stempel-backup", "20261103T000000Z.stempel-backup")
    make(tmp_path, "20261102T000000Z.stempel-backup", ".20261102T010000Z.stempel-backup.part")
    make(tmp_path, "notes.txt", "holiday.stempel-backup", "20260101T000000Z.stempel-backup.old")

    gone = sweep(tmp_path, keep=2)

    assert [path.name for path in gone] == ["20261101T000000Z.stempel-backup"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20260101T000000Z.stempel-backup.old",
        "20261102T000000Z.stempel-backup",
        "20261103T000000Z.stempel-backup",
        "holiday.stempel-backup",
        "notes.txt",
    ]


def test_none_goes_when_all_are_kept(tmp_path: Path) -> None:
    """0 is all."""
    make(tmp_path, "20261101T000000Z.stempel-backup", "20261102T000000Z.stempel-backup")

    assert sweep(tmp_path, keep=0) == []
    assert len(list_backups(tmp_path)) == 2


def test_two_in_one_second_have_two_names_in_their_order(tmp_path: Path) -> None:
    """The tenth of a second is newer than the second one."""
    for _ in range(10):
        make(tmp_path, free_name(tmp_path, AT).name)

    newest = list_backups(tmp_path)[0].name
    assert newest == "20261120T090000Z-10.stempel-backup"
    assert list_backups(tmp_path)[-1].name == "20261120T090000Z.stempel-backup"

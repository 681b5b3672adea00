"""The folder of the backups: names that sort by time, and which of them go."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

SUFFIX = ".stempel-backup"
_NAME = re.compile(r"^\d{8}T\d{6}Z(-\d+)?\.stempel-backup$")
_PART = re.compile(r"^\.\d{8}T\d{6}Z(-\d+)?\.stempel-backup\.part$")


def make_folder(folder: Path) -> Path:
    """Make the folder, for its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def free_name(folder: Path, now: datetime) -> Path:
    """Return the name of a backup begun now; two in one second get numbers."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    path, number = folder / f"{stamp}{SUFFIX}", 1
    while path.exists():
        number += 1
        path = folder / f"{stamp}-{number}{SUFFIX}"
    return path


def list_backups(folder: Path) -> list[Path]:
    """Return the finished backups, the newest first; other files are nobody's business."""
    found = [path for path in folder.iterdir() if _NAME.match(path.name) and path.is_file()]
    return sorted(found, key=_age, reverse=True)


def _age(path: Path) -> tuple[str, int]:
    stamp, _, number = path.name.removesuffix(SUFFIX).partition("-")
    return stamp, int(number or 1)


def sweep(folder: Path, *, keep: int) -> list[Path]:
    """Take away the backups beyond the newest ones, and what killed runs left; return the removed backups.

    Called with the folder's lock held, after a backup was finished. keep: 0 keeps all.
    """
    for path in folder.iterdir():
        if _PART.match(path.name):
            path.unlink(missing_ok=True)
    gone = list_backups(folder)[keep:] if keep else []
    for path in gone:
        path.unlink(missing_ok=True)
    return gone

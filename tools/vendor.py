"""Check that the vendored browser packages are the files that VENDORED.md names.

Usage: python tools/vendor.py          exits 1 and says which file differs, is missing or is unlisted
       python tools/vendor.py --write  refreshes the checksums after a deliberate change
"""

import hashlib
import re
import sys
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "backend/app/static/vendor"
LIST = VENDOR / "VENDORED.md"
ROW = re.compile(r"^\| (\S+) \| (\S+) \| (\S+) \| `([^`]+)` \| `([0-9a-f]{64}|)` \|$", re.M)


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def problems() -> list[str]:
    """List every difference between VENDORED.md and the folder; empty when they agree."""
    listed = {row[3]: row[4] for row in ROW.findall(LIST.read_text())}
    present = {
        path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file() and path != LIST
    }
    found = [f"not listed in VENDORED.md: {name}" for name in sorted(present - listed.keys())]
    found += [f"listed but missing: {name}" for name in sorted(listed.keys() - present)]
    found += [
        f"checksum differs: {name}"
        for name in sorted(present & listed.keys())
        if sha256(VENDOR / name) != listed[name]
    ]
    return found


def write() -> None:
    """Put the present checksums into the rows of VENDORED.md."""

    def row(match: re.Match[str]) -> str:
        name, version, licence, file, _ = match.groups()
        return f"| {name} | {version} | {licence} | `{file}` | `{sha256(VENDOR / file)}` |"

    LIST.write_text(ROW.sub(row, LIST.read_text()))


def main() -> int:
    """Run the check, or the refresh with --write."""
    if "--write" in sys.argv[1:]:
        write()
    found = problems()
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""What every package of the lock is licensed under: writes docs/licences.md, and refuses what we may not use.

`python -m tools.licences` (from backend/). The licences come from the packages' own metadata in this environment;
where a package says nothing a program can read, STATED says what its licence file says.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

BACKEND = Path(__file__).parents[1]
PAGE = BACKEND.parent / "docs" / "licences.md"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+?)(?: ;(.*?))? ?\\?$")

# The words that metadata uses, in the SPDX way.
NAMES = {
    "apache software license": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache-2.0 license": "Apache-2.0",
    "mit license": "MIT",
    "bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "isc license (iscl)": "ISC",
    "python software foundation license": "PSF-2.0",
    "zlib/libpng license": "Zlib",
    "zlib": "Zlib",
    "the unlicense (unlicense)": "Unlicense",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu library or lesser general public license (lgpl)": "LGPL-2.1-or-later",
}
# Free to pass on with our Apache-2.0: permissive, or by the file and unchanged (MPL), or as a library (LGPL).
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "HPND", "ISC", "LGPL-2.1-or-later",
    "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense",
    "Zlib", "BSL-1.0", "NCSA", "GCC-exception", "bzip2-1.0.6", "blessing", "CNRI-Python",
}  # fmt: skip
# Read in the package's licence file by a person, where the metadata is silent or a sentence.
STATED = {
    "axe-playwright-python": "MIT",
    "dkimpy": "Zlib",
    "pypdfium2": "Apache-2.0 OR BSD-3-Clause",
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
}
# Not passed on with the product: only the tests import it.
ALLOWED_IN_TESTS = ALLOWED | {"Artistic-1.0-Perl"}


def pinned(lock: str) -> dict[str, str]:
    """Return the packages of a lock with their versions."""
    found = (PINNED.match(line) for line in (BACKEND / lock).read_text().splitlines())
    return {match[1].lower(): match[2] for match in found if match}


def licence_of(package: Distribution) -> str:
    """Return the licence in SPDX words, as far as the metadata says; empty when it says nothing usable."""
    data = package.metadata
    name = str(data["Name"]).lower()
    if name in STATED:
        return STATED[name]
    expression = data.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in data.get_all("Classifier") or []
        if text.startswith("License ::") and text.count("::") > 1
    ]
    text = str(data.get("License") or "").strip()
    said = [*dict.fromkeys(classifiers), *([text] if text and "\n" not in text and len(text) < 60 else [])]
    known = [NAMES.get(word.lower(), word) for word in said]
    usable = [word for word in dict.fromkeys(known) if is_allowed(word)]
    return " OR ".join(usable[:2]) if usable else (known[0] if known else "")


def is_allowed(expression: str, *, used_in: str = "shipped") -> bool:
    """Tell whether an SPDX expression may be used: one of the alternatives, all parts of it."""
    allowed = ALLOWED if used_in == "shipped" else ALLOWED_IN_TESTS
    plain = re.sub(r"\s+WITH\s+\S+", "", expression.replace("(", " ").replace(")", " "))
    alternatives = re.split(r"\s+OR\s+", plain, flags=re.IGNORECASE)
    return any(
        all(part.strip() in allowed for part in re.split(r"\s+AND\s+", alternative, flags=re.IGNORECASE))
        for alternative in alternatives
        if alternative.strip()
    )


def collect() -> tuple[list[tuple[str, str, str, str]], list[str]]:
    """Return rows (package, version, licence, where it is used) and the packages of the lock that are not here."""
    shipped, tests = pinned("requirements.txt"), pinned("requirements-test.txt")
    rows, absent = [], []
    for name in sorted(tests | shipped):
        try:
            package = distribution(name)
        except PackageNotFoundError:
            # For another system or version of Python.
            absent.append(name)
            continue
        rows.append((name, package.version, licence_of(package), "shipped" if name in shipped else "tests"))
    return rows, absent


def problems_of(rows: list[tuple[str, str, str, str]]) -> list[str]:
    """Return every package whose licence is unknown or not allowed."""
    return [
        f"{name} {version}: {licence or 'says no licence'}"
        for name, version, licence, used_in in rows
        if not is_allowed(licence, used_in=used_in)
    ]


def render(rows: list[tuple[str, str, str, str]]) -> str:
    """Return docs/licences.md."""
    shipped = sum(1 for row in rows if row[3] == "shipped")
    lines = [
        "# Licences of the packages",
        "",
        "<!-- Made by `python -m tools.licences` (from backend/) from metadata; a test keeps it true. -->",
        "",
        f"{shipped} packages run with Stempel, {len(rows) - shipped} more only in its tests. Assets in the",
        "checkout have their licences beside them. What is allowed, and why, stands in `backend/tools/licences.py`;",
        "an unknown or other licence fails the tests. Packages for other systems are in the locks and not here.",
        "",
        "| package | licence | used in |",
        "|---|---|---|",
        *(f"| {name} | {licence} | {where} |" for name, _version, licence, where in rows),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Write the page; say what is wrong."""
    rows, _absent = collect()
    problems = problems_of(rows)
    if problems:
        print("Not allowed, or unknown:\n" + "\n".join(problems))
        return 1
    PAGE.write_text(render(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

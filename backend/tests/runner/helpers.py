"""What the runner's tests share: an ordinary user for root, and small checkouts."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BACKEND = ROOT / "backend"
# Only for tests: they may lose their data, the product may not.
UNSAFE_BUT_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Nothing listens on the discard port; connecting is refused at once, without any network.
UNREACHABLE_INDEX = "http://127.0.0.1:9/simple"


def without_roots_power() -> list[str]:
    """Return what to put before a command so that file modes count for it, root or not."""
    if os.geteuid() != 0:
        return []
    # Root without any capability: still the owner of root's files, but no longer above their modes.
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def clean_environment(**changes: str) -> dict[str, str]:
    """Return an environment without this machine's index settings and without our own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_", "STEMPEL_", "PYTEST_"))
    }
    # No pip configuration of the machine may reach the small checkouts.
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "STEMPEL_PYTHON": sys.executable, **changes}


def run(command: list[str], *, timeout: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, bounded."""
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)  # type: ignore[call-overload,no-any-return]


def make_checkout(folder: Path, *, lock: str) -> Path:
    """Make a checkout with the real script, this lock, and a command line that prints its arguments."""
    tools = folder / "backend" / "tools"
    tools.mkdir(parents=True)
    shutil.copy(ROOT / "stempel", folder / "stempel")
    for name in ("environment.sh", "checks.sh", "pip_settings.py"):
        shutil.copy(BACKEND / "tools" / name, tools / name)
    package = folder / "backend" / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cli.py").write_text(
        "import sys\nfrom importlib.metadata import version\n"
        "print('ran', *sys.argv[1:], version('tinything'))\n"
    )
    (folder / "backend" / "requirements.txt").write_text(lock)
    (folder / "backend" / "requirements-test.txt").write_text(lock)
    return folder / "stempel"


def make_wheel(folder: Path, *, version: str = "1.0") -> str:
    """Write a wheel with nothing in it and return its line for a lock."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"tinything-{version}.dist-info"
    path = folder / f"tinything-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinything\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"tinything=={version} \\\n    --hash=sha256:{digest}\n"

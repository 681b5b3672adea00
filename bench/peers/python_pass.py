"""Makes passes with wallet-py3k or py-pkpass, which share one interface, and prints the CPU time of one.

Usage: python_pass.py {wallet,py_pkpass} FOLDER COUNT. FOLDER: what bench/apple_pass.py wrote.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from io import BytesIO
from pathlib import Path


def spent() -> float:
    """Return the CPU seconds of this process and of the openssl that it called."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def make(models, folder: Path, files: dict[str, bytes], number: int) -> bytes:  # noqa: ANN001 - a foreign module
    """Return one pass, with a serial number and a count of its own."""
    card = models.StoreCard()
    card.addHeaderField("stamps", f"{number % 11} / 10", "Stamps")
    card.addBackField("web_card", f"https://example.org/card/{number}", "Your card in the browser")
    one = models.Pass(
        card,
        passTypeIdentifier="pass.org.example",
        organizationName="CoffeeLux",
        teamIdentifier="T",
    )
    one.serialNumber = str(number)
    one.barcode = models.Barcode(message=f"{number:012}", format=models.BarcodeFormat.QR)
    one.webServiceURL, one.authenticationToken = (
        "https://example.org/apple/updates",
        "t" * 43,
    )
    for name, data in files.items():
        one.addFile(name, BytesIO(data))
    made = one.create(
        str(folder / "leaf.pem"),
        str(folder / "key.pem"),
        str(folder / "wwdr.pem"),
        "bench",
    )
    return made.getvalue()


def main() -> None:
    """Make one to warm up, then the others."""
    models = importlib.import_module(f"{sys.argv[1]}.models")
    folder, count = Path(sys.argv[2]), int(sys.argv[3])
    files = {
        str(path.relative_to(folder / "files")): path.read_bytes()
        for path in (folder / "files").rglob("*")
        if path.is_file()
    }
    make(models, folder, files, 0)
    started = spent()
    for number in range(1, count + 1):
        size = len(make(models, folder, files, number))
    print(json.dumps({"seconds": (spent() - started) / count, "bytes": size}))


if __name__ == "__main__":
    main()

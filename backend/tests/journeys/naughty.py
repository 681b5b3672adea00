"""The common corpus of names that break careless programs."""

from __future__ import annotations

import json
from pathlib import Path

NAUGHTY_FILE = Path(__file__).resolve().parents[1] / "data" / "naughty.txt"
NAUGHTY = [json.loads(line) for line in NAUGHTY_FILE.read_text().splitlines() if not line.startswith("#")]

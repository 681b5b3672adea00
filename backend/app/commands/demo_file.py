"""demo.json: what the demo printed, for scripts and for the next start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.db.embedded_files import write_private

DEMO_FILE = "demo.json"


def read_demo(data_dir: Path) -> dict[str, Any] | None:
    """Return what an earlier start wrote, or None."""
    try:
        stored = json.loads((data_dir / DEMO_FILE).read_text())
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def write_demo(data_dir: Path, content: Mapping[str, Any]) -> None:
    """Write the file whole, under another name first; it holds passwords, so it is for its owner alone."""
    unfinished = data_dir / f"{DEMO_FILE}.new"
    write_private(unfinished, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    unfinished.replace(data_dir / DEMO_FILE)


def moved_to(content: Any, old_base: str, new_base: str) -> Any:
    """Return the content with every address under the old base moved to the new one.

    A later start may have another port or, with --lan, another address.
    """
    if isinstance(content, dict):
        return {key: moved_to(value, old_base, new_base) for key, value in content.items()}
    if isinstance(content, list):
        return [moved_to(value, old_base, new_base) for value in content]
    if isinstance(content, str) and (content == old_base or content.startswith(f"{old_base}/")):
        return new_base + content[len(old_base) :]
    return content

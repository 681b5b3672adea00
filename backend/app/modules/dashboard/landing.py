"""What the landing page shows: an example card, and in demo mode the demo's own shops."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.config import Settings

DEMO_FILE = "demo.json"
DEMO_FILE_BYTES_MAX = 200_000


@dataclass(frozen=True, slots=True)
class ExampleReward:
    """The reward ahead of an example card."""

    title: str
    text: str
    threshold: int
    missing: int
    kind: str


@dataclass(frozen=True, slots=True)
class ExampleCard:
    """A card to look at, with the names the card picture reads."""

    loyalty_type: str
    program_name: str
    store_name: str
    icon: str
    stamp_count: int = 0
    stamps_needed: int = 10
    points_balance: int = 0
    logo_url: None = None
    is_full: bool = False
    rewards_waiting: int = 0
    next_reward: ExampleReward | None = None

    @property
    def rewards(self) -> tuple[ExampleReward, ...]:
        """Return the rewards that the picture draws a bar for."""
        return (self.next_reward,) if self.next_reward else ()


def read_demo(settings: Settings) -> list[dict[str, Any]]:
    """Return the demo's merchants with their sign-ins and stores, or nothing outside the demo."""
    path: Path = settings.data_dir / DEMO_FILE
    if not settings.demo or not path.is_file() or path.stat().st_size > DEMO_FILE_BYTES_MAX:
        return []
    try:
        merchants = json.loads(path.read_text()).get("merchants", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [merchant for merchant in merchants if isinstance(merchant, dict) and merchant.get("stores")]

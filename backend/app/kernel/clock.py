"""The one place that asks for the time, so that tests and the demo can move it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

OFFSET_REREAD_SECONDS = 0.2


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        return datetime.now(UTC)


class FileClock:
    """The machine's clock plus an offset in seconds read from a file (demo only)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = timedelta()
        self._read_at = -1.0

    def now(self) -> datetime:
        """Return the present moment plus the file's offset; a missing or odd file means no offset."""
        if time.monotonic() - self._read_at > OFFSET_REREAD_SECONDS:
            self._read_at = time.monotonic()
            try:
                self._offset = timedelta(seconds=float(self._path.read_text().strip() or "0"))
            except (OSError, ValueError, OverflowError):
                self._offset = timedelta()
        return datetime.now(UTC) + self._offset


class FixedClock:
    """A clock that tests set and move by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the moment the test chose."""
        return self.at

    def advance(self, **delta: float) -> None:
        """Move the clock by a timedelta given as keywords (minutes=10)."""
        self.at += timedelta(**delta)


def make_clock(clock_file: Path | None) -> Clock:
    """Return the clock the settings ask for."""
    return FileClock(clock_file) if clock_file else SystemClock()

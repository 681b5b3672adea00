"""Refusals are values: expected, worth a trace, and the transaction commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """Say no with a stable code.

    code: one of kernel.errors.CODES. retry_at: aware UTC, when waiting helps.
    extra: further public facts for the answer (numbers and ids, never personal data).
    """

    code: str
    retry_at: datetime | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

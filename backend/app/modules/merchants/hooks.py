"""The point merchants owns: a feature was switched on or off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Tell


@dataclass(frozen=True, slots=True)
class FeatureSwitched:
    """A merchant switched a feature, in the transaction at hand. modules_on: what is on from now on."""

    session: AsyncSession
    merchant_id: UUID
    module: str
    now: datetime
    modules_on: frozenset[str] = frozenset()


FEATURE_SWITCHED: Tell[FeatureSwitched] = Tell(
    "FEATURE_SWITCHED",
    about="A merchant switched a feature on or off; cards are redrawn. Its data stays either way.",
)

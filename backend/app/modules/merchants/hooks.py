"""The points merchants owns: a feature was switched on or off; a shop may stand still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Tell, Veto


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


@dataclass(frozen=True, slots=True)
class ShopAsk:
    """A shop in which the worker, or somebody with a link, is about to make something new. feature_rules: as kept."""

    merchant_id: UUID
    feature_rules: Mapping[str, Any]
    modules_on: frozenset[str] = frozenset()


# Asked by rewards (gifts), tiers, birthdays, crm (imports) and accounts (invitations); answered by closing.
SHOP_GUARD: Veto[ShopAsk] = Veto(
    "SHOP_GUARD",
    about="May keep gifts, levels, imports and new members from a shop that stands still; they wait or are refused.",
)

"""What other modules may know of a merchant. Who signs in, and how, is in accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.modules.merchants.features import find_standstill, set_feature_rules, switch_feature
from app.modules.merchants.hooks import FEATURE_SWITCHED, SHOP_GUARD, FeatureSwitched, ShopAsk
from app.modules.merchants.models import Merchant
from app.modules.merchants.queries import list_merchant_ids, list_modules_on
from app.modules.merchants.service import (
    EMAIL_LOOKUP,
    NewMerchant,
    create_merchant,
    email_key,
    forget_merchant,
)

_AREAS = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@cache
def list_time_zones() -> tuple[str, ...]:
    """Return the IANA zones named after a place, in order, for forms."""
    return tuple(sorted(zone for zone in available_timezones() if zone.partition("/")[0] in _AREAS))


@dataclass(frozen=True, slots=True)
class MerchantView:
    """A business as other modules see it. email: the owner's, for service mails only."""

    id: UUID
    name: str
    slug: str
    locale: str
    time_zone: str
    currency: str
    branding: Mapping[str, Any]
    modules_on: frozenset[str]
    email: str
    feature_rules: Mapping[str, Any] = field(default_factory=dict)


async def get_merchant(session: AsyncSession, merchant_id: UUID) -> MerchantView:
    """Return the merchant of the bound tenant; raises NotFound."""
    merchant = (
        await session.execute(select(Merchant).where(Merchant.id == merchant_id))
    ).scalar_one_or_none()
    if merchant is None:
        raise NotFound("merchant")
    return MerchantView(
        id=merchant.id,
        name=merchant.name,
        slug=merchant.slug,
        locale=merchant.locale,
        time_zone=merchant.time_zone,
        currency=merchant.currency,
        branding=merchant.branding,
        modules_on=frozenset(merchant.modules_on),
        email=merchant.email,
        feature_rules=merchant.feature_rules,
    )


async def members_mail(session: AsyncSession, merchant_id: UUID) -> list[str]:
    """Return the addresses that service mails about the business go to: the owner's."""
    return [(await get_merchant(session, merchant_id)).email]


__all__ = [
    "EMAIL_LOOKUP",
    "FEATURE_SWITCHED",
    "SHOP_GUARD",
    "FeatureSwitched",
    "MerchantView",
    "NewMerchant",
    "ShopAsk",
    "create_merchant",
    "email_key",
    "find_standstill",
    "forget_merchant",
    "get_merchant",
    "list_merchant_ids",
    "list_modules_on",
    "list_time_zones",
    "members_mail",
    "set_feature_rules",
    "switch_feature",
]

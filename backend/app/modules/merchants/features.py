"""Features a merchant switches on and off. Off means invisible and without effect; the data stays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.registry import Registry
from app.modules.merchants.hooks import FEATURE_SWITCHED, SHOP_GUARD, FeatureSwitched, ShopAsk
from app.modules.merchants.models import Merchant

# One feature's rules as JSON: they are read and decoded with every stamp.
RULES_LENGTH_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature with its switch. title and about: msg() texts. page: its first page, or nothing."""

    name: str
    title: str
    about: str
    is_on: bool
    page: str = ""


def starting_features(session: AsyncSession) -> list[str]:
    """Return the names of what is on for a merchant that is made now."""
    features = resources_of(session).get(Registry).switchable().values()
    return sorted(module.name for module in features if module.starts_on)


async def list_features(session: AsyncSession, merchant_id: UUID) -> Sequence[Feature]:
    """Return everything that has a switch, in the order of installation."""
    switched_on = await session.scalar(select(Merchant.modules_on).where(Merchant.id == merchant_id))
    features = resources_of(session).get(Registry).switchable().values()
    return [
        Feature(
            module.name,
            module.title,
            module.about,
            module.name in (switched_on or ()),
            next(iter(module.list_pages), ""),
        )
        for module in features
    ]


async def switch_feature(
    session: AsyncSession, principal: Principal, name: str, *, is_on: bool, now: datetime
) -> None:
    """Switch a feature on or off; nothing happens where it is so already. Raises NotFound for an unknown name."""
    if name not in resources_of(session).get(Registry).switchable():
        raise NotFound("feature")
    # Locked, because two switches thrown at once must both count.
    switched_on = await session.scalar(
        select(Merchant.modules_on).where(Merchant.id == principal.merchant_id).with_for_update()
    )
    before = frozenset(switched_on or ())
    after = before | {name} if is_on else before - {name}
    if after == before:
        return
    await session.execute(
        update(Merchant).where(Merchant.id == principal.merchant_id).values(modules_on=sorted(after))
    )
    await record_audit(
        session,
        principal,
        action="feature.switched_on" if is_on else "feature.switched_off",
        target_kind="merchant",
        target_id=principal.merchant_id,
        now=now,
        facts={"feature": name},
    )
    # Subscribers of the feature itself hear it either way.
    await FEATURE_SWITCHED.tell(
        FeatureSwitched(session, principal.merchant_id, name, now=now, modules_on=before | after)
    )


async def find_standstill(session: AsyncSession, merchant_id: UUID) -> Refusal | None:
    """Return why nothing new may be made in a shop now, or None; read afresh, also late in a long transaction."""
    statement = select(Merchant.feature_rules, Merchant.modules_on).where(Merchant.id == merchant_id)
    row = (await session.execute(statement)).one()
    return SHOP_GUARD.first_refusal(ShopAsk(merchant_id, row.feature_rules, frozenset(row.modules_on)))


async def set_feature_rules(
    session: AsyncSession, merchant_id: UUID, feature: str, rules: Mapping[str, Any]
) -> None:
    """Keep what a feature's rule of earning must know of the shop; every visit after this one reads it.

    rules: JSON-ready, without anything personal; empty ones are taken away. What they were made from stays in the
    feature's own tables.
    """
    assert len(json.dumps(dict(rules))) <= RULES_LENGTH_MAX
    changed = (
        Merchant.feature_rules.op("||")(func.jsonb_build_object(feature, cast(dict(rules), JSONB)))
        if rules
        else Merchant.feature_rules.op("-")(feature)
    )
    await session.execute(update(Merchant).where(Merchant.id == merchant_id).values(feature_rules=changed))

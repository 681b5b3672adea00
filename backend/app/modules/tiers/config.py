"""Setting levels up: the ladder, how it works, and what the till must know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.locks import lock_name
from app.kernel.money import currency_exponent
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings, save_settings
from app.modules.merchants.public import get_merchant, set_feature_rules
from app.modules.tiers.jobs import enqueue_all
from app.modules.tiers.models import TierLevel
from app.modules.tiers.queries import list_levels
from app.modules.tiers.service import FEATURE
from app.modules.tiers.settings import TierSettings
from app.utils.id_generator import new_id

LEVELS_MAX = 8
# What most shops begin with, in major units of money; points and visits by their own measure.
FIRST_LADDER = {
    "spend": (0, 200, 500),
    "points": (0, 200, 500),
    "visits": (0, 10, 30),
}
FIRST_MULTIPLIERS = (Decimal(1), Decimal("1.25"), Decimal("1.5"))


@dataclass(frozen=True, slots=True)
class LevelDraft:
    """A level as it is to be. threshold: points, minor units or visits."""

    name: str
    threshold: int
    multiplier: Decimal = Decimal(1)
    perks: str = ""
    entry_points: int = 0
    entry_stamps: int = 0


async def make_first_ladder(session: AsyncSession, principal: Principal, *, now: datetime) -> None:
    """Make Bronze, Silver and Gold where there is no level yet."""
    settings = await _begin(session, principal)
    if await _offered(session, principal.merchant_id):
        return
    currency = (await get_merchant(session, principal.merchant_id)).currency
    scale = 10 ** currency_exponent(currency) if settings.basis == "spend" else 1
    names = (_("Bronze"), _("Silver"), _("Gold"))
    for name, threshold, multiplier in zip(
        names, FIRST_LADDER[settings.basis], FIRST_MULTIPLIERS, strict=True
    ):
        draft = LevelDraft(name, threshold * scale, multiplier)
        session.add(TierLevel(merchant_id=principal.merchant_id, id=new_id(), **_columns(draft)))
    await _finish(session, principal, "tiers.level_added", None, now=now)


async def add_level(session: AsyncSession, principal: Principal, draft: LevelDraft, *, now: datetime) -> None:
    """Add a level; raises Invalid for a threshold that another has, and for one too many."""
    await _begin(session, principal)
    offered = await _offered(session, principal.merchant_id)
    if len(offered) >= LEVELS_MAX:
        raise Invalid("level", extra={"fields": {"": _("There are as many levels as there may be.")}})
    _refuse_twin(offered, draft)
    level = TierLevel(merchant_id=principal.merchant_id, id=new_id(), **_columns(draft))
    session.add(level)
    await _finish(session, principal, "tiers.level_added", level.id, now=now)


async def change_level(
    session: AsyncSession, principal: Principal, level_id: UUID, draft: LevelDraft, *, now: datetime
) -> None:
    """Change a level. Nobody loses it before their period ends; who has enough reaches it at once."""
    await _begin(session, principal)
    level = await get_level(session, principal.merchant_id, level_id)
    others = [row for row in await _offered(session, principal.merchant_id) if row.id != level_id]
    _refuse_twin(others, draft)
    for name, value in _columns(draft).items():
        setattr(level, name, value)
    await _finish(session, principal, "tiers.level_changed", level_id, now=now)


async def remove_level(session: AsyncSession, principal: Principal, level_id: UUID, *, now: datetime) -> None:
    """Let nobody reach a level any more; cards that hold it keep it to the end of their period."""
    await _begin(session, principal)
    level = await get_level(session, principal.merchant_id, level_id)
    level.removed_at = now
    await _finish(session, principal, "tiers.level_removed", level_id, now=now)


async def change_settings(
    session: AsyncSession, principal: Principal, settings: TierSettings, *, now: datetime
) -> None:
    """Keep how levels work; thresholds keep their number where another thing is counted from now on."""
    before = await _begin(session, principal)
    if before.basis != settings.basis:
        currency = (await get_merchant(session, principal.merchant_id)).currency
        scale = 10 ** currency_exponent(currency)
        for level in await list_levels(session, principal.merchant_id):
            if before.basis == "spend":
                level.threshold = level.threshold // scale
            if settings.basis == "spend":
                level.threshold = level.threshold * scale
    kept = settings.model_copy(update={"started_at": before.started_at})
    await save_settings(session, kept, merchant_id=principal.merchant_id)
    await _finish(session, principal, "tiers.settings_changed", None, now=now)


async def get_level(session: AsyncSession, merchant_id: UUID, level_id: UUID) -> TierLevel:
    """Return a level that is offered; raises NotFound."""
    level = await session.scalar(
        select(TierLevel).where(
            TierLevel.merchant_id == merchant_id, TierLevel.id == level_id, TierLevel.removed_at.is_(None)
        )
    )
    if level is None:
        raise NotFound("level")
    return level


async def _begin(session: AsyncSession, principal: Principal) -> TierSettings:
    """Let one change after the other decide by what is there."""
    await lock_name(session, FEATURE, principal.merchant_id)
    return await get_settings(session, TierSettings, merchant_id=principal.merchant_id)


async def _offered(session: AsyncSession, merchant_id: UUID) -> list[TierLevel]:
    return [row for row in await list_levels(session, merchant_id) if row.removed_at is None]


def _refuse_twin(others: list[TierLevel], draft: LevelDraft) -> None:
    fields: Mapping[str, str] = {}
    if any(row.threshold == draft.threshold for row in others):
        fields = {"threshold": _("Another level begins there already.")}
    elif any(row.name.casefold() == draft.name.casefold() for row in others):
        fields = {"name": _("Another level has this name already.")}
    if fields:
        raise Invalid("level", extra={"fields": fields})


def _columns(draft: LevelDraft) -> dict[str, object]:
    return {name: getattr(draft, name) for name in LevelDraft.__dataclass_fields__}


async def _finish(
    session: AsyncSession, principal: Principal, action: str, target_id: UUID | None, *, now: datetime
) -> None:
    """Note the change, let the till know, and have every card looked at."""
    await session.flush()  # the levels are read anew
    merchant_id = principal.merchant_id
    settings = await get_settings(session, TierSettings, merchant_id=merchant_id)
    if settings.started_at is None and await _offered(session, merchant_id):
        started = settings.model_copy(update={"started_at": now})
        await save_settings(session, started, merchant_id=merchant_id)
    rows = await list_levels(session, merchant_id)
    rules = {"levels": {str(row.id): [row.name, str(row.multiplier)] for row in rows}}
    await set_feature_rules(session, merchant_id, FEATURE, rules if rows else {})
    await record_audit(session, principal, action=action, target_kind="level", target_id=target_id, now=now)
    await enqueue_all(session, merchant_id)

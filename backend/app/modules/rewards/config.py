"""What a programme gives: the merchant's side of rewards. Redeeming them is in service.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import AppError, Invalid, NotFound
from app.kernel.i18n import LANGUAGES, msg, translator
from app.kernel.i18n import gettext as _
from app.kernel.jobs import enqueue
from app.kernel.own_words import without_words, written_words
from app.kernel.permissions import Principal
from app.modules.merchants.public import get_merchant
from app.modules.rewards.jobs import recompute_unlocks
from app.modules.rewards.models import Reward
from app.modules.stores.models import Program
from app.modules.stores.public import ProgramChange, get_store, lock_program
from app.modules.wallets.public import mark_program_changed
from app.utils.id_generator import new_id

DEFAULT_POINTS_THRESHOLD = 100
DEFAULT_TITLES = {"stamps": msg("One on the house"), "points": msg("A little thank-you")}
STAMPS_THRESHOLD_MAX = 100
POINTS_THRESHOLD_MAX = 1_000_000
REWARDS_ACTIVE_MAX = 30
REWARDS_LISTED_MAX = 500


@dataclass(frozen=True, slots=True)
class NewReward:
    """What a reward is made of. kind: stamps or points; threshold: how many of them it takes.

    texts: title and text for those who read another language, {language: {"title", "text"}}.
    """

    kind: str
    threshold: int
    title: str
    text: str | None = None
    texts: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


async def list_program_rewards(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> list[Reward]:
    """Return a programme's rewards, active ones first, by kind and threshold."""
    rows = await session.execute(
        select(Reward)
        .where(Reward.merchant_id == merchant_id, Reward.program_id == program_id)
        .order_by(Reward.active.desc(), Reward.kind.desc(), Reward.threshold, Reward.id)
        .limit(REWARDS_LISTED_MAX)
    )
    return list(rows.scalars())


async def create_reward(
    session: AsyncSession, principal: Principal, store_id: UUID, *, new: NewReward, now: datetime
) -> Reward:
    """Add a reward to the programme of a store; raises NotFound, Invalid, wrong_loyalty_type."""
    program = await _lock_program_of(session, principal, store_id)
    if program.loyalty_type not in {new.kind, "hybrid"}:
        raise AppError("the programme does not count that", code="wrong_loyalty_type")
    active = [reward for reward in await _list_locked(session, program) if reward.active]
    if len(active) >= REWARDS_ACTIVE_MAX:
        raise Invalid(
            extra={
                "fields": {"kind": _("A programme has at most %(count)d rewards.", count=REWARDS_ACTIVE_MAX)}
            }
        )
    reward = await _add(session, program, new, now=now)
    await _follow_rewards(session, program)
    await _recompute(session, program)
    await _audit(session, principal, "reward.created", reward, now=now, facts={"threshold": new.threshold})
    return reward


async def change_reward(
    session: AsyncSession,
    principal: Principal,
    store_id: UUID,
    *,
    reward_id: UUID,
    changes: Mapping[str, Any],
    now: datetime,
) -> Reward:
    """Change title, text, texts, threshold or active of a reward; raises NotFound, Invalid, last_reward.

    A new title or text without new translations drops the old ones, which would say something else.
    """
    program = await _lock_program_of(session, principal, store_id)
    rewards = {reward.id: reward for reward in await _list_locked(session, program)}
    reward = rewards.get(reward_id)
    if reward is None:
        raise NotFound("reward")
    wanted = {**changes, "texts": _texts_after(reward, changes)}
    moved = {name: value for name, value in wanted.items() if getattr(reward, name) != value}
    if not moved:
        return reward
    check_threshold(reward.kind, moved.get("threshold", reward.threshold))
    old_threshold = reward.threshold
    for name, value in moved.items():
        setattr(reward, name, value)
    _check_one_stamp_reward_left(program, rewards.values())
    await session.flush()  # the programme's number is read from the rows
    await _follow_rewards(session, program)
    if {"threshold", "active"} & set(moved):
        raised = old_threshold if reward.threshold > old_threshold else None
        await _recompute(session, program, reward_id=reward.id, old_threshold=raised)
    else:
        await mark_program_changed(session, program.merchant_id, program.id)
    await _audit(session, principal, _action(moved), reward, now=now, facts={"fields": sorted(moved)})
    return reward


def _texts_after(reward: Reward, changes: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    if changes.get("texts") is not None:
        return written_words(changes["texts"])
    rewritten = [n for n in ("title", "text") if n in changes and changes[n] != getattr(reward, n)]
    return without_words(reward.texts, *rewritten)


def _action(moved: Mapping[str, Any]) -> str:
    if "active" not in moved:
        return "reward.changed"
    return "reward.activated" if moved["active"] else "reward.deactivated"


def check_threshold(kind: str, threshold: int) -> None:
    """Raise Invalid where a threshold is not possible for its kind."""
    most = STAMPS_THRESHOLD_MAX if kind == "stamps" else POINTS_THRESHOLD_MAX
    if not 1 <= threshold <= most:
        raise Invalid(extra={"fields": {"threshold": _("Choose a number from 1 to %(most)d.", most=most)}})


def _check_one_stamp_reward_left(program: Program, rewards: Any) -> None:
    if program.loyalty_type == "points":
        return
    if not any(reward.active and reward.kind == "stamps" for reward in rewards):
        raise AppError("a stamp card without a reward would never end", code="last_reward")


async def follow_program(change: ProgramChange) -> None:
    """Give a programme the default rewards it lacks, and move its highest stamp reward with stamps_needed."""
    program = await lock_program(change.session, change.after.merchant_id, change.after.id)
    if change.before is None or change.before.loyalty_type != change.after.loyalty_type:
        await _add_defaults(change.session, program, now=change.now)
    if change.before is not None and change.before.stamps_needed != change.after.stamps_needed:
        await _move_highest(change.session, program, wanted=change.after.stamps_needed)


async def _add_defaults(session: AsyncSession, program: Program, *, now: datetime) -> None:
    active = {reward.kind for reward in await _list_locked(session, program) if reward.active}
    locale = (await get_merchant(session, program.merchant_id)).locale
    thresholds = {"stamps": program.stamps_needed, "points": DEFAULT_POINTS_THRESHOLD}
    said = {language: translator(language).gettext for language in LANGUAGES}
    for kind, title in DEFAULT_TITLES.items():
        others = {language: {"title": say(title)} for language, say in said.items() if language != locale}
        new = NewReward(kind, thresholds[kind], said.get(locale, _)(title), texts=others)
        if program.loyalty_type in {new.kind, "hybrid"} and new.kind not in active:
            await _add(session, program, new, now=now)


async def _move_highest(session: AsyncSession, program: Program, *, wanted: int) -> None:
    active = [r for r in await _list_locked(session, program) if r.active and r.kind == "stamps"]
    if not active:
        return
    *lower, highest = sorted(active, key=lambda reward: (reward.threshold, reward.id))
    if lower and wanted < lower[-1].threshold:
        least = lower[-1].threshold
        text = _("Another reward needs %(count)d stamps; change or deactivate that one first.", count=least)
        raise Invalid(extra={"fields": {"stamps_needed": text}})
    old = highest.threshold
    if old == wanted:
        return
    highest.threshold = wanted
    await session.flush()  # the programme's number is read from the rows
    await _recompute(session, program, reward_id=highest.id, old_threshold=old if wanted > old else None)


async def _lock_program_of(session: AsyncSession, principal: Principal, store_id: UUID) -> Program:
    store = await get_store(session, principal.merchant_id, store_id)
    return await lock_program(session, principal.merchant_id, store.program.id)


async def _list_locked(session: AsyncSession, program: Program) -> list[Reward]:
    # The programme's lock covers its rewards: nobody else changes them meanwhile.
    rows = await session.execute(
        select(Reward)
        .where(Reward.merchant_id == program.merchant_id, Reward.program_id == program.id)
        .execution_options(populate_existing=True)
    )
    return list(rows.scalars())


async def _add(session: AsyncSession, program: Program, new: NewReward, *, now: datetime) -> Reward:
    check_threshold(new.kind, new.threshold)
    reward = Reward(
        merchant_id=program.merchant_id,
        id=new_id(),
        program_id=program.id,
        kind=new.kind,
        reward_kind="free_item",
        threshold=new.threshold,
        title=new.title,
        text=new.text,
        texts=written_words(new.texts),
        picture=None,
        active=True,
        created_at=now,
    )
    session.add(reward)
    await session.flush()  # the programme's number is read from the rows
    return reward


async def _follow_rewards(session: AsyncSession, program: Program) -> None:
    """Keep stamps_needed the highest active stamp reward; the caller holds the programme's lock."""
    active = [r.threshold for r in await _list_locked(session, program) if r.active and r.kind == "stamps"]
    if active and max(active) != program.stamps_needed:
        await session.execute(
            update(Program)
            .where(Program.merchant_id == program.merchant_id, Program.id == program.id)
            .values(stamps_needed=max(active))
        )


async def _recompute(
    session: AsyncSession,
    program: Program,
    *,
    reward_id: UUID | None = None,
    old_threshold: int | None = None,
) -> None:
    """Queue the recomputation of unlocks; a raised threshold goes along, so that nothing is taken away."""
    if reward_id is None or old_threshold is None:
        await enqueue(
            session,
            recompute_unlocks,
            merchant_id=program.merchant_id,
            key=f"unlocks:{program.id}",
            program_id=program.id,
        )
        return
    await enqueue(
        session,
        recompute_unlocks,
        merchant_id=program.merchant_id,
        key=f"unlocks:{program.id}:{reward_id}:{old_threshold}",
        program_id=program.id,
        reward_id=reward_id,
        old_threshold=old_threshold,
    )


async def _audit(
    session: AsyncSession,
    principal: Principal,
    action: str,
    reward: Reward,
    *,
    now: datetime,
    facts: dict[str, object],
) -> None:
    await record_audit(
        session, principal, action=action, target_kind="reward", target_id=reward.id, now=now, facts=facts
    )

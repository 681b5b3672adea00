"""Looking at cards: where they stand after what was bought, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.outcomes import Refusal
from app.kernel.settings import get_settings
from app.modules.cards.public import (
    TIER_CHANGED,
    PassObject,
    TierChanged,
    lock_cards,
    raise_revision,
    set_trait,
)
from app.modules.merchants.public import find_standstill, get_merchant
from app.modules.rewards.public import GiftOrder, give_gift, take_gift_back
from app.modules.tiers.models import TierLevel, TierMove, TierStanding
from app.modules.tiers.queries import Counted, level_of, list_counted, list_levels, standing_of
from app.modules.tiers.rules import (
    Level,
    Move,
    Projection,
    Scheme,
    Standing,
    place,
    project,
    qualifying,
    walk,
    window_start,
)
from app.modules.tiers.settings import TierSettings
from app.modules.wallets.public import mark_changed
from app.utils.id_generator import new_id

FEATURE = "tiers"
GIFT = "tiers.entry"
# Runs that come later than this look at less than they should; nothing is down for so long.
LATE_MAX = timedelta(days=60)


@dataclass(frozen=True)
class Ladder:
    """A merchant's levels as they stand now."""

    merchant_id: UUID
    settings: TierSettings
    rows: Sequence[TierLevel]
    zone: str
    currency: str
    modules_on: frozenset[str]

    @property
    def levels(self) -> list[Level]:
        """Return them as the rules know them."""
        return [level_of(row) for row in self.rows]

    @property
    def scheme(self) -> Scheme:
        """Return how they are reached and lost."""
        return self.settings.scheme()

    @property
    def is_on(self) -> bool:
        """Tell whether levels have any effect."""
        return FEATURE in self.modules_on and self.settings.started_at is not None

    def row(self, level_id: str | UUID | None) -> TierLevel | None:
        """Return the level with this id."""
        return next((row for row in self.rows if str(row.id) == str(level_id)), None)

    def today(self, now: datetime) -> date:
        """Return the day it is at the shop."""
        return now.astimezone(ZoneInfo(self.zone)).date()

    def looks_back_to(self, today: date) -> date:
        """Return from when on visits may matter: a period that ended late, and the whole window before it."""
        scheme = self.scheme
        if scheme.window == "since_joining":
            return date.min
        length = 2 * (scheme.days if scheme.window == "rolling" else 366)
        return today - timedelta(days=length + scheme.grace_days) - LATE_MAX

    def joined(self, card: PassObject) -> date:
        """Return the day the card was made on."""
        return card.created_at.astimezone(ZoneInfo(self.zone)).date()


async def load_ladder(session: AsyncSession, merchant_id: UUID) -> Ladder:
    """Return a merchant's levels and how they work."""
    merchant = await get_merchant(session, merchant_id)
    settings = await get_settings(session, TierSettings, merchant_id=merchant_id)
    rows = await list_levels(session, merchant_id)
    return Ladder(merchant_id, settings, rows, merchant.time_zone, merchant.currency, merchant.modules_on)


async def weigh_cards(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID], *, now: datetime
) -> int:
    """Bring cards to where they stand today; return how many moved.

    Nothing happens while levels are off, or in a shop that stands still: opened again, it has its cards drawn anew,
    and they are looked at then.
    """
    ladder = await load_ladder(session, merchant_id)
    if not ladder.is_on or await find_standstill(session, merchant_id) is not None:
        return 0
    cards = [
        card
        for card in await lock_cards(session, merchant_id, pass_ids)
        if card.status in {"active", "blocked"}
    ]
    today = ladder.today(now)
    since = ladder.looks_back_to(today)
    rows = await session.scalars(
        select(TierStanding)
        .where(TierStanding.merchant_id == merchant_id, TierStanding.pass_id.in_([card.id for card in cards]))
        .execution_options(populate_existing=True)
    )
    standings = {row.pass_id: row for row in rows}
    counted = await list_counted(
        session,
        merchant_id,
        [card.id for card in cards],
        basis=ladder.settings.basis,
        zone=ladder.zone,
        since=since,
    )
    moved = 0
    for card in cards:
        weighing = Weighing(session, ladder, card, standings.get(card.id), counted.get(card.id, []), now)
        moved += bool(await weighing.run())
    await session.flush()
    return moved


@dataclass
class Weighing:
    """One card being looked at, its row locked."""

    session: AsyncSession
    ladder: Ladder
    card: PassObject
    row: TierStanding | None
    counted: Sequence[Counted]
    now: datetime

    async def run(self) -> list[TierMove]:
        """Decide where the card stands, keep it, and do what follows; return the moves."""
        today = self.ladder.today(self.now)
        moves = await self._take_mistake_back()
        before, joined = self._before(), self.ladder.joined(self.card)
        entries = [one.entry for one in self.counted if not one.is_mistake]
        levels, scheme = self.ladder.levels, self.ladder.scheme
        walked: list[Move] = []
        if before is None:
            after = place(entries, levels, scheme, joined=joined, today=today)
        else:
            after, walked = walk(before, entries, levels, scheme, joined=joined, today=today)
        moves += [self._note(move) for move in walked]
        start = window_start(scheme, today, joined=joined)
        self._keep(after, counted=qualifying(entries, start, today, as_of=today))
        if before is not None and any(move.why == "reached" for move in walked):
            self._remember(before)
        await self._show(after)
        for move in moves:
            await self._tell(move)
        for found in walked:
            if found.why == "reached":
                await self._welcome(found)
        return moves

    def _before(self) -> Standing | None:
        """Return where the card stood; None where levels are new and the card is not."""
        if self.row is not None:
            return standing_of(self.row)
        started = self.ladder.settings.started_at
        is_older = started is not None and self.card.created_at < started
        return None if is_older else Standing(self.ladder.joined(self.card))

    async def _take_mistake_back(self) -> list[TierMove]:
        """Put the card back to where it stood if the visit that lifted it was typed wrong and undone at once."""
        row = self.row
        if row is None or row.before is None or row.moved_at is None:
            return []
        undone = [
            one
            for one in self.counted
            if one.is_mistake and one.voided_at is not None and one.at <= row.moved_at <= one.voided_at
        ]
        if not undone:
            return []
        reached, old = row.level_id, row.before
        old_level = UUID(old["level_id"]) if old["level_id"] else None
        row.level_id = old_level
        row.since, row.period_end, row.held_until = (
            date.fromisoformat(old[name]) if old[name] else None
            for name in ("since", "period_end", "held_until")
        )
        row.before = row.moved_at = None
        if reached == old_level:
            return []
        if reached is not None:
            key = gift_key(self.card.id, reached)
            await take_gift_back(self.session, self.ladder.merchant_id, reason=GIFT, key=key, now=self.now)
        today = self.ladder.today(self.now)
        after = str(old_level) if old_level else None
        return [self._note(Move(today, str(reached), after, "corrected"))]

    def _remember(self, before: Standing) -> None:
        assert self.row is not None
        facts: dict[str, Any] = asdict(before)
        self.row.before = {
            name: value.isoformat() if isinstance(value, date) else value for name, value in facts.items()
        }
        self.row.moved_at = self.now

    def _keep(self, after: Standing, *, counted: int) -> None:
        if self.row is None:
            self.row = TierStanding(merchant_id=self.card.merchant_id, pass_id=self.card.id)
            self.session.add(self.row)
        self.row.level_id = UUID(after.level_id) if after.level_id else None
        self.row.since, self.row.period_end = after.since, after.period_end
        self.row.held_until, self.row.seen_on = after.held_until, after.seen_on
        self.row.qualifying = counted

    def _note(self, move: Move) -> TierMove:
        row = TierMove(
            merchant_id=self.card.merchant_id,
            id=new_id(),
            pass_id=self.card.id,
            before_id=UUID(move.before) if move.before else None,
            after_id=UUID(move.after) if move.after else None,
            why=move.why,
            on_day=move.on,
            at=self.now,
        )
        self.session.add(row)
        return row

    async def _show(self, after: Standing) -> None:
        """Let the next visit know the level, and the card be drawn again."""
        if set_trait(self.card, FEATURE, {"level": after.level_id} if after.level_id else {}):
            raise_revision(self.card, now=self.now)
            await mark_changed(self.session, self.card.merchant_id, self.card.id)

    async def _tell(self, move: TierMove) -> None:
        await TIER_CHANGED.tell(
            TierChanged(
                session=self.session,
                merchant_id=self.card.merchant_id,
                pass_id=self.card.id,
                before=str(move.before_id) if move.before_id else None,
                after=str(move.after_id) if move.after_id else None,
                now=self.now,
                modules_on=self.ladder.modules_on,
            )
        )

    async def _welcome(self, move: Move) -> None:
        """Give the gift of a level reached, the first time this card reaches it; what the card cannot hold is left."""
        level = self.ladder.row(move.after)
        if level is None or not (level.entry_points or level.entry_stamps):
            return
        await self.session.flush()  # the gift locks and reads the card anew
        order = GiftOrder(GIFT, gift_key(self.card.id, level.id), points=level.entry_points)
        orders = [order] if order.points else []
        if level.entry_stamps:
            stamps = replace(order, key=f"{order.key}:stamps", points=0, stamps=level.entry_stamps)
            orders.append(stamps)
        for one in orders:
            outcome = await give_gift(
                self.session, self.card.merchant_id, self.card.id, order=one, now=self.now
            )
            assert not isinstance(outcome, Refusal) or outcome.code in LEFT_AWAY


# A shop of stamps gives no points, a blocked or full card takes nothing: the level is reached all the same.
LEFT_AWAY = frozenset({"wrong_loyalty_type", "card_blocked", "card_full"})


def gift_key(pass_id: UUID, level_id: UUID) -> str:
    """Return what a level's gift is given once for."""
    return f"{pass_id}:{level_id}"


@dataclass(frozen=True)
class CardStanding:
    """A card's level and what is ahead, as pages show it."""

    ladder: Ladder
    level: TierLevel | None
    standing: Standing
    counted: int
    ahead: Projection


async def card_standing(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime
) -> CardStanding | None:
    """Return where a card stands now; None while levels are off or the card was not looked at yet."""
    ladder = await load_ladder(session, merchant_id)
    if not ladder.is_on or not ladder.rows:
        return None
    card = await session.get(PassObject, (merchant_id, pass_id))
    row = await session.get(TierStanding, (merchant_id, pass_id), populate_existing=True)
    if card is None or row is None:
        return None
    today = ladder.today(now)
    since = ladder.looks_back_to(today)
    counted = await list_counted(
        session, merchant_id, [pass_id], basis=ladder.settings.basis, zone=ladder.zone, since=since
    )
    entries = [one.entry for one in counted.get(pass_id, []) if not one.is_mistake]
    standing, joined = standing_of(row), ladder.joined(card)
    ahead = project(standing, entries, ladder.levels, ladder.scheme, joined=joined, today=today)
    start = window_start(ladder.scheme, today, joined=joined)
    total = qualifying(entries, start, today, as_of=today)
    return CardStanding(ladder, ladder.row(standing.level_id), standing, total, ahead)

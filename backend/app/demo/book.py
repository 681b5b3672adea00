"""One card's year as rows: every movement decided by the rules of the till, totals and lots with it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.demo.shops import Shop
from app.demo.year import ZONE, CardPlan
from app.kernel.ledger import Lot, take_from_lots
from app.modules.points.public import points_for
from app.modules.rewards.public import CardTotals, RewardView, is_unlocked
from app.modules.stamps.public import StampGranted, StampPolicy, StampState, decide_stamp
from app.utils.id_generator import new_card_number, new_id

Row = dict[str, Any]
COOLDOWN = timedelta(minutes=10)
STAMPS_PER_VISIT = 10
CURRENCY = "EUR"
VOID_CHANCE = 0.012
# How likely somebody takes a reward once it is ready, on one visit; most do not wait long.
REDEEM_CHANCE = {"stamps": 0.8, "points": 0.35}


@dataclass(frozen=True)
class Place:
    """A store of the demo as it was made: ids of the rows that visits point at."""

    shop: Shop
    merchant_id: UUID
    store_id: UUID
    program_id: UUID
    device_id: UUID
    rewards: tuple[RewardView, ...]
    staff: tuple[UUID, ...]


@dataclass
class Rows:
    """The rows of the big tables, in the order they may be written."""

    cards: list[Row] = field(default_factory=list)
    visits: list[Row] = field(default_factory=list)
    stamps: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    lots: list[Row] = field(default_factory=list)
    redemptions: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Till:
    """Who gave something, and on which device."""

    staff_id: UUID
    given_by: str
    source: str
    device_id: UUID | None


class CardBook:
    """A card while its year is played."""

    def __init__(self, place: Place, rng: random.Random, rows: Rows, *, joined_at: datetime) -> None:
        self.place, self.rng, self.rows = place, rng, rows
        self.id = new_id(at=joined_at)
        self.joined_at = self.changed_at = joined_at
        self.stamp_count = self.points_balance = self.changes = self.visits_today = 0
        self.first_stamp_at: datetime | None = None
        self.visits_day: date | None = None
        self.lots: dict[UUID, Row] = {}
        # Visits that stand: (at, stamps, points).
        self.standing: list[tuple[datetime, int, int]] = []
        self.has_known_store = False
        self.likes_device = rng.random() < 0.55

    def play(self, visits: Sequence[datetime]) -> None:
        """Let the holder come at these moments."""
        for at in visits:
            till = self._till()
            given = self._redeem_some(at, till)
            if given and self.place.shop.crowd.amount is None and self.rng.random() < 0.6:
                continue  # came for the free coffee only
            visit = self._visit(at + timedelta(seconds=20 if given else 0), till)
            if visit is not None and self.rng.random() < VOID_CHANCE:
                self._void(visit, at + timedelta(seconds=self.rng.randrange(60, 400)))

    def close(self, customer_id: UUID) -> None:
        """Write the card itself, as the year left it, and its lots."""
        last_stamp = next((at for at, stamps, _ in reversed(self.standing) if stamps), None)
        last_points = next((at for at, _, points in reversed(self.standing) if points), None)
        totals = CardTotals(self.stamp_count, self.points_balance)
        self.rows.lots.extend(self.lots.values())
        self.rows.cards.append(
            {
                "merchant_id": self.place.merchant_id,
                "id": self.id,
                "customer_id": customer_id,
                "store_id": self.place.store_id,
                "program_id": self.place.program_id,
                "card_number": new_card_number(),
                "stamp_count": self.stamp_count,
                "points_balance": self.points_balance,
                "reward_unlocked": is_unlocked(totals, self.place.rewards),
                "rewards_banked": {},
                "rewards_kept": {},
                "last_stamp_at": last_stamp,
                "last_points_at": last_points,
                "first_stamp_at": self.first_stamp_at,
                "last_visit_at": self.standing[-1][0] if self.standing else None,
                "visits_day": self.visits_day,
                "visits_today": self.visits_today,
                "known_stores": [self.place.store_id] if self.has_known_store else [],
                "revision": 1 + self.changes,
                "changed_at": self.changed_at,
                "update_tag": 0,
                "status": "active",
                "token_version": 1,
                "created_at": self.joined_at,
            }
        )

    def _till(self) -> Till:
        staff = self.rng.choices(self.place.staff, range(len(self.place.staff), 0, -1))[0]
        if self.rng.random() < (0.85 if self.likes_device else 0.15):
            return Till(staff, "device", "staff_device", self.place.device_id)
        return Till(staff, "pin", "customer_phone", None)

    def _visit(self, at: datetime, till: Till) -> Row | None:
        """Give what the visit earns; None where a stamp card is full."""
        amount = self._amount()
        stamp = self._decide_stamp(at) if self.place.shop.loyalty_type != "points" else None
        if amount is None and stamp is None:
            return None
        points = points_for(amount, Decimal(1)) if amount is not None else 0
        visit_id = new_id(at=at)
        stamps = stamp.stamps_added if stamp else 0
        visit = {
            "merchant_id": self.place.merchant_id,
            "id": visit_id,
            "store_id": self.place.store_id,
            "pass_id": self.id,
            "staff_id": till.staff_id,
            "given_by": till.given_by,
            "device_id": till.device_id,
            "source": till.source,
            "amount_minor": int(amount * 100) if amount is not None else None,
            "currency": CURRENCY,
            "stamps": stamps,
            "points": points,
            "explanation": [{"rule": "rate", "points": str(amount), "detail": "1"}]
            if amount is not None
            else [],
            "at": at,
            "voided_at": None,
            "voided_by": None,
            "void_reason": None,
        }
        self.rows.visits.append(visit)
        if stamps:
            rule = {"stamps_needed": self.place.shop.stamps_needed, "full_card": "stop"}
            self._move_stamps(
                stamps, kind="earn", at=at, visit_id=visit_id, staff_id=till.staff_id, rule=rule
            )
        if points:
            self._earn_points(points, at=at, visit=visit)
        day = at.astimezone(ZONE).date()
        self.visits_today = self.visits_today + 1 if self.visits_day == day else 1
        self.visits_day = day
        self.has_known_store = True
        self.standing.append((at, stamps, points))
        self._changed(at)
        return visit

    def _amount(self) -> Decimal | None:
        crowd = self.place.shop.crowd
        if crowd.amount is None:
            return None
        median, spread = crowd.amount
        whole = max(2, int(self.rng.lognormvariate(math.log(median), spread)))
        return Decimal(whole) + Decimal(self.rng.choice(crowd.cents)) / 100

    def _decide_stamp(self, at: datetime) -> StampGranted | None:
        policy = StampPolicy(self.place.shop.stamps_needed, COOLDOWN, STAMPS_PER_VISIT, "stop")
        quantity = 1
        if self.place.shop.loyalty_type == "stamps":
            quantity = self.rng.choices((1, 2, 3), (90, 8, 2))[0]
        last = next((at for at, stamps, _ in reversed(self.standing) if stamps), None)
        decided = decide_stamp(StampState(self.stamp_count, last), policy, quantity=quantity, now=at)
        return decided if isinstance(decided, StampGranted) else None

    def _redeem_some(self, at: datetime, till: Till) -> bool:
        """Take one ready reward, the dearest first, if the holder feels like it."""
        for reward in sorted(
            self.place.rewards, key=lambda reward: (reward.kind == "points", -reward.threshold)
        ):
            balance = self.stamp_count if reward.kind == "stamps" else self.points_balance
            if balance < reward.threshold or self.rng.random() >= REDEEM_CHANCE[reward.kind]:
                continue
            self._redeem(reward, at, till)
            return True
        return False

    def _redeem(self, reward: RewardView, at: datetime, till: Till) -> None:
        redemption_id = new_id(at=at)
        rule = {"reward_id": str(reward.id), "threshold": reward.threshold}
        self.rows.redemptions.append(
            {
                "merchant_id": self.place.merchant_id,
                "id": redemption_id,
                "reward_id": reward.id,
                "pass_id": self.id,
                "store_id": self.place.store_id,
                "staff_id": till.staff_id,
                "given_by": till.given_by,
                "device_id": till.device_id,
                "kind": reward.kind,
                "cost": reward.threshold,
                "taken": {"pays": "balance"},
                "redeemed_at": at,
            }
        )
        cause = {"redemption_id": redemption_id, "staff_id": till.staff_id, "rule": rule}
        if reward.kind == "stamps":
            self._move_stamps(-reward.threshold, kind="redeem", at=at, **cause)
        else:
            self._take_points(reward.threshold, kind="redeem", at=at, first=None, **cause)
        self._changed(at)

    def _void(self, visit: Row, at: datetime) -> None:
        """Take the last visit back, as staff do within the quarter of an hour."""
        reason = "Wrong amount" if visit["points"] else "Stamped twice"
        visit |= {"voided_at": at, "voided_by": visit["staff_id"], "void_reason": reason}
        cause = {"visit_id": visit["id"], "staff_id": visit["staff_id"], "rule": {}}
        earned_stamps = [row for row in self.rows.stamps[-1:] if row["visit_id"] == visit["id"]]
        earned_points = [row for row in self.rows.points[-1:] if row["visit_id"] == visit["id"]]
        for entry in earned_stamps:
            self._move_stamps(-entry["stamps_added"], kind="void", at=at, voids=entry["id"], **cause)
        for entry in earned_points:
            self._take_points(
                entry["points_added"], kind="void", at=at, first=entry["id"], voids=entry["id"], **cause
            )
        self.standing.pop()
        self.visits_today -= 1
        self._changed(at)

    def _move_stamps(self, stamps: int, *, kind: str, at: datetime, **cause: Any) -> None:
        if self.stamp_count == 0:
            self.first_stamp_at = at
        self.stamp_count += stamps
        if self.stamp_count == 0:
            self.first_stamp_at = None
        entry = self._entry(kind, at, cause) | {"stamps_added": stamps, "balance_after": self.stamp_count}
        self.rows.stamps.append(entry)

    def _earn_points(self, points: int, *, at: datetime, visit: Row) -> None:
        self.points_balance += points
        rule = {"points_per_unit": "1.0000", "rounding": "down", "expires_at": None}
        entry = self._entry(
            "earn", at, {"visit_id": visit["id"], "staff_id": visit["staff_id"], "rule": rule}
        )
        moved = {
            "points_added": points,
            "amount_minor": visit["amount_minor"],
            "balance_after": self.points_balance,
        }
        self.rows.points.append(entry | moved | {"lots": []})
        self.lots[entry["id"]] = {
            "merchant_id": self.place.merchant_id,
            "id": entry["id"],
            "pass_id": self.id,
            "remaining": points,
            "earned_at": at,
            "expires_at": None,
        }

    def _take_points(self, points: int, *, kind: str, at: datetime, first: UUID | None, **cause: Any) -> None:
        uses: list[list[Any]] = []
        wanted = points
        if first is not None:
            taken = min(self.lots[first]["remaining"], wanted)
            uses.append([str(first), taken])
            self.lots[first]["remaining"] -= taken
            wanted -= taken
        held = [Lot(row["id"], row["remaining"], None) for row in self.lots.values() if row["remaining"] > 0]
        for use in take_from_lots(held, wanted):
            self.lots[use.lot_id]["remaining"] -= use.points
            uses.append([str(use.lot_id), use.points])
        self.points_balance -= points
        entry = self._entry(kind, at, cause) | {"points_added": -points, "amount_minor": None}
        self.rows.points.append(entry | {"balance_after": self.points_balance, "lots": uses})

    def _entry(self, kind: str, at: datetime, cause: Mapping[str, Any]) -> Row:
        return {
            "merchant_id": self.place.merchant_id,
            "id": new_id(at=at),
            "pass_id": self.id,
            "store_id": self.place.store_id,
            "visit_id": cause.get("visit_id"),
            "redemption_id": cause.get("redemption_id"),
            "staff_id": cause["staff_id"],
            "kind": kind,
            "rule": cause["rule"],
            "voids": cause.get("voids"),
            "timestamp": at,
        }

    def _changed(self, at: datetime) -> None:
        self.changes += 1
        earliest = self.changed_at.replace(microsecond=0) + timedelta(seconds=1)
        self.changed_at = max(at.astimezone(UTC), earliest)


def play_cards(
    place: Place, plans: Sequence[CardPlan], *, customers: Sequence[UUID], seed: int, rows: Rows
) -> list[UUID]:
    """Play the year of every card of a store into `rows`; return the cards' ids in the order of the plans."""
    made: list[UUID] = []
    for index, plan in enumerate(plans):
        rng = random.Random(f"{seed}|{place.shop.name}|{index}|till")
        book = CardBook(place, rng, rows, joined_at=plan.joined_at)
        book.play(plan.visits)
        book.close(customers[plan.customer])
        made.append(book.id)
    return made

"""Everything that happened with a customer, in one order, page by page: the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg

PAGE_SIZE = 25

# Each part gives the same columns. Nothing here is more than a customer's own rows: every part ends by itself at a
# page, and begins behind the last one's moment. Merged cards belong to whoever they were joined to.
_CARDS = (
    "SELECT id, card_number FROM pass_object"
    " WHERE merchant_id = :merchant_id AND customer_id = :customer_id ORDER BY id LIMIT 100"
)
_EMPTY = "NULL::bigint AS stamps, NULL::bigint AS points"
_PARTS = (
    """SELECT 'visit' AS kind, row.at, row.id, store.name AS place, coalesce(staff.name, row.given_by) AS who,
       row.stamps, row.points, row.amount_minor, row.currency, row.explanation::text AS what, NULL AS word,
       row.voided_at IS NOT NULL AS gone, card.card_number
     FROM card JOIN visit row ON row.merchant_id = :merchant_id AND row.pass_id = card.id
     LEFT JOIN store ON store.merchant_id = row.merchant_id AND store.id = row.store_id
     LEFT JOIN staff_member staff ON staff.merchant_id = row.merchant_id AND staff.id = row.staff_id
     WHERE (row.at, row.id) < (:at, :id)""",
    """SELECT 'undone', row.voided_at, row.id, store.name, NULL, -row.stamps, -row.points, row.amount_minor,
       row.currency, NULL, row.void_reason, false, card.card_number
     FROM card JOIN visit row ON row.merchant_id = :merchant_id AND row.pass_id = card.id
     LEFT JOIN store ON store.merchant_id = row.merchant_id AND store.id = row.store_id
     WHERE row.voided_at IS NOT NULL AND (row.voided_at, row.id) < (:at, :id)""",
    """SELECT 'reward', row.redeemed_at, row.id, store.name, coalesce(staff.name, row.given_by),
       CASE row.kind WHEN 'stamps' THEN -row.cost ELSE 0 END, CASE row.kind WHEN 'points' THEN -row.cost ELSE 0 END,
       NULL, NULL, reward.title, NULL, row.voided_at IS NOT NULL, card.card_number
     FROM card JOIN redemption row ON row.merchant_id = :merchant_id AND row.pass_id = card.id
     LEFT JOIN reward ON reward.merchant_id = row.merchant_id AND reward.id = row.reward_id
     LEFT JOIN store ON store.merchant_id = row.merchant_id AND store.id = row.store_id
     LEFT JOIN staff_member staff ON staff.merchant_id = row.merchant_id AND staff.id = row.staff_id
     WHERE (row.redeemed_at, row.id) < (:at, :id)""",
    """SELECT 'reward_undone', row.voided_at, row.id, store.name, NULL,
       CASE row.kind WHEN 'stamps' THEN row.cost ELSE 0 END, CASE row.kind WHEN 'points' THEN row.cost ELSE 0 END,
       NULL, NULL, reward.title, row.void_reason, false, card.card_number
     FROM card JOIN redemption row ON row.merchant_id = :merchant_id AND row.pass_id = card.id
     LEFT JOIN reward ON reward.merchant_id = row.merchant_id AND reward.id = row.reward_id
     LEFT JOIN store ON store.merchant_id = row.merchant_id AND store.id = row.store_id
     WHERE row.voided_at IS NOT NULL AND (row.voided_at, row.id) < (:at, :id)""",
    """SELECT row.kind, row.timestamp, row.id, NULL, NULL, row.stamps_added, 0, NULL, NULL, NULL,
       row.rule ->> 'reason', false, card.card_number
     FROM card JOIN stamp_event row ON row.merchant_id = :merchant_id AND row.pass_id = card.id
     WHERE row.kind IN ('adjust', 'transfer', 'expire', 'bank', 'gift') AND (row.timestamp, row.id) < (:at, :id)""",
    """SELECT row.kind, row.timestamp, row.id, NULL, NULL, 0, row.points_added, NULL, NULL, NULL,
       row.rule ->> 'reason', false, card.card_number
     FROM card JOIN points_event row ON row.merchant_id = :merchant_id AND row.pass_id = card.id
     WHERE row.kind IN ('adjust', 'transfer', 'expire', 'gift') AND (row.timestamp, row.id) < (:at, :id)""",
    """SELECT 'joined', row.created_at, row.id, store.name, NULL, 0, 0, NULL, NULL, NULL, NULL, false, row.card_number
     FROM pass_object row LEFT JOIN store ON store.merchant_id = row.merchant_id AND store.id = row.store_id
     WHERE row.merchant_id = :merchant_id AND row.customer_id = :customer_id
       AND (row.created_at, row.id) < (:at, :id)""",
    """SELECT 'mail', row.created_at, row.id, NULL, NULL, 0, 0, NULL, NULL, row.kind, row.status, false, NULL
     FROM outbox_message row WHERE row.merchant_id = :merchant_id AND row.customer_id = :customer_id
       AND (row.created_at, row.id) < (:at, :id)""",
    """SELECT CASE WHEN row.given THEN 'agreed' ELSE 'withdrew' END, row.at, row.id, NULL, NULL, 0, 0, NULL, NULL,
       row.text_shown, row.source, false, NULL
     FROM consent_record row WHERE row.merchant_id = :merchant_id AND row.customer_id = :customer_id
       AND (row.at, row.id) < (:at, :id)""",
    """SELECT 'change', row.at, row.id, NULL, nullif(member.name, ''), 0, 0, NULL, NULL, row.action, NULL, false, NULL
     FROM audit_entry row LEFT JOIN member ON member.merchant_id = row.merchant_id AND member.id = row.actor_id
     WHERE row.merchant_id = :merchant_id AND row.target_id = ANY(ARRAY(SELECT id FROM card) || :customer_id)
       AND row.action <> 'card.adjusted' AND (row.at, row.id) < (:at, :id)""",
)
_STATEMENT = text(
    f"WITH card AS MATERIALIZED ({_CARDS}) SELECT * FROM ("  # noqa: S608 (constants of this file)
    + " UNION ALL ".join(f"({part} ORDER BY 2 DESC, 3 DESC LIMIT :most)" for part in _PARTS)
    + ") AS event ORDER BY at DESC, id DESC LIMIT :most"
)

TITLES = {
    "visit": msg("Visit"),
    "undone": msg("Visit taken back"),
    "reward": msg("Reward given"),
    "reward_undone": msg("Reward taken back"),
    "adjust": msg("Corrected by hand"),
    "transfer": msg("Moved between cards"),
    "expire": msg("Expired"),
    "gift": msg("Gift"),
    "bank": msg("A full card was put by"),
    "joined": msg("Card made"),
    "mail": msg("E-mail"),
    "agreed": msg("Agreed to e-mails"),
    "withdrew": msg("Took the agreement back"),
    "change": msg("Changed in the dashboard"),
}
ICONS = {
    "visit": "rubber-stamp",
    "undone": "arrow-back-up",
    "reward": "gift",
    "reward_undone": "arrow-back-up",
    "adjust": "edit",
    "transfer": "arrows-sort",
    "expire": "clock",
    "gift": "gift",
    "bank": "circle-check",
    "joined": "id-badge-2",
    "mail": "mail",
    "agreed": "circle-check",
    "withdrew": "x",
    "change": "settings",
}
_FROM_NOW = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, in words. what: of a visit its explanation, as JSON."""

    kind: str
    title: str
    icon: str
    at: datetime
    id: UUID
    place: str | None
    who: str | None
    stamps: int
    points: int
    amount_minor: int | None
    currency: str | None
    what: str | None
    word: str | None
    gone: bool
    card_number: str | None


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """A page of it. next: where the following one begins, as it stands in an address."""

    events: Sequence[Event]
    next: str | None


def read_place(place: str) -> tuple[datetime, UUID]:
    """Return where a page begins: what an address says, or now for what makes no sense."""
    at, _sign, key = place.partition("_")
    try:
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)), UUID(key)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC), _FROM_NOW


async def list_events(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, after: str = ""
) -> TimelinePage:
    """Return a page of what happened with a customer."""
    at, key = read_place(after)
    found = await session.execute(
        _STATEMENT,
        {
            "merchant_id": merchant_id,
            "customer_id": customer_id,
            "at": at,
            "id": key,
            "most": PAGE_SIZE + 1,
        },
    )
    rows = found.mappings().all()
    shown = rows[:PAGE_SIZE]
    last = shown[-1] if len(rows) > PAGE_SIZE else None
    return TimelinePage(
        [_event(row) for row in shown], f"{last['at'].isoformat()}_{last['id']}" if last else None
    )


def _event(row: Any) -> Event:
    kind = str(row["kind"])
    return Event(
        **{**row, "stamps": int(row["stamps"] or 0), "points": int(row["points"] or 0)},
        title=_(TITLES[kind]),
        icon=ICONS[kind],
    )

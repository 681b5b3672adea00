"""News: written, counted, sent in batches that each remember how far they came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.kernel.jobs import enqueue
from app.kernel.metering import find_refusal
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.modules.customers.public import AudienceFilter, audience_sql, list_customers
from app.modules.merchants.public import MerchantView, find_standstill, get_merchant
from app.modules.nudges.models import News
from app.modules.nudges.queries import REACHED, RESTED, firmness, list_zones
from app.modules.nudges.rules import REST
from app.modules.nudges.service import Letter, note, send_letter
from app.modules.nudges.settings import NudgeSettings
from app.modules.nudges.wording import Wording
from app.utils.id_generator import new_id

BATCH = 200
# A shop that stands still is looked at again after so long.
STANDSTILL_WAIT = timedelta(hours=1)
NEWS_SHOWN_MAX = 50
FILTER_FIELDS = ("store_id", "activity", "tag_id")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a shop wrote. meant: store_id, activity, tag_id, where given."""

    kind: str
    subject: str
    text: str
    meant: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reach:
    """How many a message reaches now, and how many more had one within the week."""

    now: int
    rested: int


def filter_of(meant: dict[str, Any], *, within: frozenset[UUID] = frozenset()) -> AudienceFilter:
    """Return the kept filter as customers know it: only those who agreed."""
    store_id, tag_id = (UUID(meant[name]) if meant.get(name) else None for name in ("store_id", "tag_id"))
    activity = meant.get("activity") or None
    return AudienceFilter(consent="yes", store_id=store_id, tag_id=tag_id, activity=activity, within=within)


async def is_off(session: AsyncSession, merchant_id: UUID, kind: str) -> bool:
    """Tell whether the shop switched this kind of news off."""
    return not (await get_settings(session, NudgeSettings, merchant_id=merchant_id)).is_on(kind)


async def write_draft(
    session: AsyncSession, principal: Principal, draft: Draft, *, now: datetime
) -> UUID | Refusal:
    """Keep a draft and return its id; whoever is limited to some stores writes to their customers."""
    if await is_off(session, principal.merchant_id, draft.kind):
        return Refusal("message_off")
    stores = sorted(str(store_id) for store_id in principal.store_ids)
    row = News(
        merchant_id=principal.merchant_id,
        id=new_id(),
        kind=draft.kind,
        subject=draft.subject,
        text=draft.text,
        meant=draft.meant | ({"within": stores} if stores else {}),
        created_by=principal.id,
        created_at=now,
    )
    session.add(row)
    await note(session, principal, "news.drafted", now=now, facts={"kind": draft.kind}, target_id=row.id)
    return row.id


async def get_news(session: AsyncSession, merchant_id: UUID, news_id: UUID, *, lock: bool = False) -> News:
    """Return a shop's news; raises NotFound."""
    statement = select(News).where(News.merchant_id == merchant_id, News.id == news_id)
    row = await session.scalar(statement.with_for_update() if lock else statement)
    if row is None or not _is_in_reach(session, row):
        raise NotFound("message")
    return row


def _is_in_reach(session: AsyncSession, news: News) -> bool:
    """Tell whether a news goes to customers of the signed-in member's stores only; always, where there is no limit."""
    limited_to: frozenset[UUID] = session.info.get("store_ids", frozenset())
    within = _within(news.meant)
    return not limited_to or bool(within and within <= limited_to)


async def list_news(session: AsyncSession, merchant_id: UUID) -> list[News]:
    """Return a shop's news, the newest first."""
    rows = await session.scalars(
        select(News)
        .where(News.merchant_id == merchant_id)
        .order_by(News.created_at.desc())
        .limit(NEWS_SHOWN_MAX)
    )
    return [row for row in rows if _is_in_reach(session, row)]


def _within(meant: dict[str, Any]) -> frozenset[UUID]:
    return frozenset(UUID(store_id) for store_id in meant.get("within", ()))


async def count_reach(session: AsyncSession, news: News, *, now: datetime) -> Reach:
    """Count who would be written to now."""
    chosen = filter_of(news.meant, within=_within(news.meant))
    where, values = await audience_sql(session, news.merchant_id, chosen, now=now)
    statement = text(
        f"SELECT count(*) FILTER (WHERE {RESTED}), count(*) FROM customer WHERE {where} AND {REACHED}"  # noqa: S608
    )
    zones = await list_zones(session, await get_merchant(session, news.merchant_id))
    values = {**values, **zones.only(None), **await firmness(session, news.merchant_id)}
    reached, everybody = (await session.execute(statement, {**values, "rest_since": now - REST})).one()
    return Reach(reached, everybody - reached)


async def begin_sending(
    session: AsyncSession, principal: Principal, news_id: UUID, *, now: datetime
) -> Refusal | None:
    """Send a draft, once."""
    # The job calls the use case below; importing it here breaks the circle.
    from app.modules.nudges.jobs import send_news

    row = await get_news(session, principal.merchant_id, news_id, lock=True)
    if row.status != "draft":
        return Refusal("already_sent")
    if await is_off(session, row.merchant_id, row.kind):
        return Refusal("message_off")
    reach = (await count_reach(session, row, now=now)).now
    if await find_refusal(session, row.merchant_id, "mails", more=reach, takes=False, now=now):
        return Refusal("plan_limit")
    row.status, row.sent_at = "sending", now
    await enqueue(session, send_news, merchant_id=row.merchant_id, key=str(row.id), news_id=row.id)
    await note(session, principal, "news.sent", now=now, facts={"kind": row.kind}, target_id=row.id)
    return None


async def delete_draft(
    session: AsyncSession, principal: Principal, news_id: UUID, *, now: datetime
) -> Refusal | None:
    """Throw a draft away."""
    row = await get_news(session, principal.merchant_id, news_id, lock=True)
    if row.status != "draft":
        return Refusal("already_sent")
    await session.execute(delete(News).where(News.merchant_id == row.merchant_id, News.id == row.id))
    await note(session, principal, "news.deleted", now=now, facts={}, target_id=row.id)
    return None


async def send_batch(
    session: AsyncSession, merchant_id: UUID, news_id: UUID, *, now: datetime
) -> datetime | None:
    """Write the next mails of a news and move its mark, under its lock; return when to go on, None at its end.

    Zone after zone, each outside of its quiet hours, because what is said on the card is said at once. While the shop
    stands still nothing is written, and the mark stays where it is.
    """
    try:
        row = await get_news(session, merchant_id, news_id, lock=True)
    except NotFound:
        # It waited in a shop that stood still, and was taken away with it.
        return None
    if row.status != "sending":
        return None
    if await find_standstill(session, merchant_id) is not None:
        return now + STANDSTILL_WAIT
    merchant = await get_merchant(session, merchant_id)
    zones = await list_zones(session, merchant)
    settings = await get_settings(session, NudgeSettings, merchant_id=merchant_id)
    if not settings.is_on(row.kind):
        # Switched off meanwhile: whoever has not been written to is not.
        row.status = "sent"
        return None
    left = [zone for zone in zones.all if zone not in row.meant.get("zones_done", ())]
    begun = [zone for zone in left if zone == row.meant.get("zone")] or left
    quiet = {zone: settings.quiet_until(now, zone=zone) for zone in begun}
    zone = next((zone for zone, until in quiet.items() if until is None), None)
    if begun and zone is None:
        return min(until for until in quiet.values() if until is not None)
    is_through = zone is None or await _write_batch(session, row, merchant, zones.only(zone), now=now)
    if zone is not None:
        row.meant = {**row.meant, "zone": zone}
    if is_through and zone is not None:
        row.meant = {**row.meant, "zone": None, "zones_done": [*row.meant.get("zones_done", ()), zone]}
        row.after, left = None, [other for other in left if other != zone]
    row.status = "sent" if is_through and not left else "sending"
    return None if row.status == "sent" else now


async def _write_batch(
    session: AsyncSession, row: News, merchant: MerchantView, zone: Mapping[str, object], *, now: datetime
) -> bool:
    """Write to the next people of one zone; True when there are no more."""
    merchant_id = merchant.id
    chosen = filter_of(row.meant, within=_within(row.meant))
    where, values = await audience_sql(session, merchant_id, chosen, now=now)
    statement = text(
        f"SELECT customer.id FROM customer WHERE {where} AND {REACHED} AND customer.id > :after"  # noqa: S608
        " ORDER BY customer.id LIMIT :batch"
    )
    after = row.after or UUID(int=0)
    values = {**values, **zone, **await firmness(session, merchant_id), "after": after, "batch": BATCH}
    ids: list[UUID] = list((await session.execute(statement, values)).scalars())
    people = await list_customers(session, merchant_id, ids)
    for customer_id in ids:
        customer = people[customer_id]
        facts = {"name": customer.name or "", "shop": merchant.name}
        letter = Letter(
            row.kind, Wording(row.subject, row.text).filled(facts), f"news:{row.id}:{customer_id}", None
        )
        is_sent = await send_letter(session, merchant, customer, letter, now=now)
        row.queued, row.rested = row.queued + is_sent, row.rested + (not is_sent)
    row.after = ids[-1] if ids else row.after
    return len(ids) < BATCH

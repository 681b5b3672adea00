"""What webhooks know of a person: that something about them was told, and the answers to it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.clock import make_clock
from app.kernel.i18n import msg
from app.kernel.points import PersonalData, Purpose
from app.modules.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEvent
from app.modules.webhooks.telling.listening import tell_erased

EXPORTED_MAX = 10_000


async def export_events(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return what was told about a person, and how the answers began."""
    rows = await session.execute(
        select(WebhookEvent.type, WebhookEvent.at, WebhookEvent.data, WebhookAttempt.answer)
        .outerjoin(
            WebhookDelivery,
            (WebhookDelivery.merchant_id == WebhookEvent.merchant_id)
            & (WebhookDelivery.event_id == WebhookEvent.id),
        )
        .outerjoin(
            WebhookAttempt,
            (WebhookAttempt.merchant_id == WebhookDelivery.merchant_id)
            & (WebhookAttempt.delivery_id == WebhookDelivery.id),
        )
        .where(WebhookEvent.merchant_id == merchant_id, WebhookEvent.customer_id == customer_id)
        .order_by(WebhookEvent.id, WebhookAttempt.id)
        .limit(EXPORTED_MAX)
    )
    told = [
        {"event": kind, "at": at.isoformat(), "data": data, "answer": answer or None}
        for kind, at, data, answer in rows
    ]
    return {"told_to_other_programs": told} if told else {}


async def erase_events(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Forget other programs' words about a person and tell those programs; ids stay, as in every ledger."""
    about = (
        select(WebhookDelivery.id)
        .join(
            WebhookEvent,
            (WebhookEvent.merchant_id == WebhookDelivery.merchant_id)
            & (WebhookEvent.id == WebhookDelivery.event_id),
        )
        .where(WebhookEvent.merchant_id == merchant_id, WebhookEvent.customer_id == customer_id)
    )
    await session.execute(
        update(WebhookAttempt)
        .where(WebhookAttempt.merchant_id == merchant_id, WebhookAttempt.delivery_id.in_(about))
        .values(answer="")
        .execution_options(synchronize_session=False)
    )
    now = make_clock(resources_of(session).get(Settings).clock_file).now()
    await tell_erased(session, merchant_id, customer_id, now=now)


PERSONAL = PersonalData(
    tables=("webhook_event", "webhook_delivery", "webhook_attempt"),
    export=export_events,
    erase=erase_events,
    purpose=Purpose(
        msg("Telling the shop's other programs what happened"),
        ground="interest",
        kept=msg("30 days"),
        goes_to=msg(
            "Other programs of the shop, such as its till or web shop, learn of visits, rewards and changes: internal "
            "numbers and amounts, without name or address."
        ),
    ),
    holds={
        "webhook_attempt.answer": "answers",
        "webhook_event.key": "numbers",
        "webhook_event.data": "numbers",
    },
)

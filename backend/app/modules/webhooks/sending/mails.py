"""The mail that says that an address is told nothing any more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.kernel.outgoing.addresses import parse_target
from app.modules.merchants.public import get_merchant, members_mail
from app.modules.messaging.public import queue_mail
from app.modules.webhooks.models import WebhookEndpoint


async def tell_switched_off(session: AsyncSession, point: WebhookEndpoint, *, now: datetime) -> None:
    """Write to the owner that we switched an address off, and how it comes back."""
    merchant = await get_merchant(session, point.merchant_id)
    url = f"{resources_of(session).get(Settings).public_url.rstrip('/')}/dashboard/webhooks/{point.id}"
    host = parse_target(point.url).host
    with use_language(merchant.locale):
        subject = _("A webhook was switched off")
        why = (
            _("%(host)s answered that it wants no more events (410 Gone).", host=host)
            if point.off_reason == "gone"
            else _("%(host)s has not taken an event for five days.", host=host)
        )
        rest = _(
            "Events are not written down for it any more. Look at the log, mend it, and switch it on again:"
        )
        label = _("Open the webhook")
    for place, recipient in enumerate(await members_mail(session, point.merchant_id)):
        await queue_mail(
            session, merchant_id=point.merchant_id, recipient=recipient, kind="webhook_off",
            locale=merchant.locale, subject=subject, text=f"{why} {rest}\n\n{url}\n", action_label=label,
            now=now, once_key=f"webhook_off:{point.id}:{now:%Y%m%d%H%M%S}:{place}",
        )  # fmt: skip

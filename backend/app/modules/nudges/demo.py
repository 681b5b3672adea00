"""What the demo shops have to show: a promotion on its way to customers, and a draft."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.modules.merchants.public import get_merchant
from app.modules.nudges.broadcasts.service import Draft, begin_sending, send_batch, write_draft

NEWS = {
    "en": (
        "Two for one on Saturday",
        "Hello {name}\n\nOn Saturday, bring a friend to {shop}: the second one is on us.",
    ),
    "fr": (
        "Deux pour un ce samedi",
        "Bonjour {name}\n\nSamedi, venez à deux chez {shop} : nous offrons le second.",
    ),
    "de": (
        "Samstag: zwei für eins",
        "Hallo {name}\n\nKommen Sie am Samstag zu zweit zu {shop}: Das Zweite geht auf uns.",
    ),
    "lb": (
        "Samschdes: zwee fir een",
        "Moien {name}\n\nKommt samschdes zu zwee bei {shop}: Dat Zweet ass vun eis.",
    ),
}
SENT_DAYS_AGO = 12


async def add_messages(shop: DemoShop) -> None:
    """Write a promotion of some days ago, and a draft that waits."""
    session, merchant_id = shop.session, shop.merchant_id
    merchant = await get_merchant(session, merchant_id)
    system = Principal("system", merchant_id, None)
    subject, text = NEWS.get(merchant.locale, NEWS["en"])
    # In the middle of the day, outside of the quiet hours.
    sent_at = (shop.now - timedelta(days=SENT_DAYS_AGO)).replace(hour=10)
    first = await write_draft(
        session, system, Draft("promotion", subject, text, {"activity": "back"}), now=sent_at
    )
    assert isinstance(first, UUID), "a new shop has every kind of message on"
    await session.flush()
    await begin_sending(session, system, first, now=sent_at)
    await send_batch(session, merchant_id, first, now=sent_at)
    await write_draft(session, system, Draft("new_collection", subject, text, {}), now=shop.now)

"""A customer's history on the dashboard's profile."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.points import PageContext, Panel
from app.modules.cards.public import list_cards_of_customer
from app.modules.merchants.public import get_merchant
from app.modules.portal.queries import list_history


async def history_panels(page: PageContext) -> list[Panel]:
    """Contribute the visits, redemptions and corrections of the customer's cards."""
    merchant_id, customer_id = page.principal.merchant_id, page.subject_id
    assert customer_id is not None
    merchant = await get_merchant(page.session, merchant_id)
    items = []
    for card in await list_cards_of_customer(page.session, merchant_id, customer_id):
        items += await list_history(page.session, merchant_id, card.id)
    items.sort(key=lambda item: item.at, reverse=True)
    context = {"history": items, "zone": merchant.time_zone}
    return [Panel(_("History"), "portal/_history_table.html", context, order=50)]

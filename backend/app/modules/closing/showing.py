"""What a closing contributes: the way to it, a word on every home page and card."""

from __future__ import annotations

from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.points import CardContext, NavItem, PageContext, Panel
from app.modules.closing.deleting import is_used
from app.modules.closing.service import URL, find_closing
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import get_store
from app.modules.wallets.public import PassField

ABOVE_THE_CARD = -1


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the page where the owner closes the business."""
    return [NavItem(msg("Close the business"), URL, "alert-triangle", "business.close", 990, msg("Business"))]


async def home_block(page: PageContext) -> list[Panel]:
    """Tell every member that the business is closed, and until when it can be opened again."""
    merchant_id = page.principal.merchant_id
    closing = await find_closing(page.session, merchant_id)
    if closing is None:
        return []
    merchant = await get_merchant(page.session, merchant_id)
    context = {
        "until": current().format_date(closing.erase_at, zone=merchant.time_zone),
        "url": URL if page.principal.may("business.close") else "",
    }
    return [Panel(_("This business is closed"), "closing/_home.html", context, order=1)]


async def _until(context: CardContext) -> str:
    closing = await find_closing(context.session, context.merchant_id)
    if closing is None or closing.erased_at is not None:
        return ""
    merchant = await get_merchant(context.session, context.merchant_id)
    return current().format_date(closing.erase_at, zone=merchant.time_zone)


async def card_block(context: CardContext) -> list[Panel]:
    """Tell the holder that the shop has closed, and how long rewards can be had."""
    until = await _until(context)
    if not until:
        return []
    return [Panel(_("This shop has closed"), "closing/_card.html", {"until": until}, order=ABOVE_THE_CARD)]


async def pass_fields(context: CardContext) -> list[PassField]:
    """Say the same in the wallets."""
    until = await _until(context)
    if not until:
        return []
    text = _("Nothing more is collected. Rewards can be had until %(day)s.", day=until)
    return [PassField("closing", _("This shop has closed"), text, place="back", order=1, in_browser=False)]


async def store_panel(page: PageContext) -> list[Panel]:
    """Offer the owner to delete a closed store that was never used."""
    merchant_id, store_id = page.principal.merchant_id, page.subject_id
    if store_id is None or not page.principal.may("stores.delete"):
        return []
    store = await get_store(page.session, merchant_id, store_id)
    if store.closed_at is None or await is_used(page.session, merchant_id, store_id):
        return []
    return [Panel(_("Delete the store"), "closing/_store.html", {"store_id": store_id}, order=900)]

"""What Google Wallet contributes to the dashboard."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext, Panel
from app.modules.cards.public import list_cards_of_customer
from app.modules.wallets.google_wallet.rules import notifications_left
from app.modules.wallets.google_wallet.store import find_object


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the line of the set-up page."""
    return [NavItem(msg("Google Wallet"), "/dashboard/wallets/google", "wallet", "merchant.edit", 61)]


async def customer_panel(page: PageContext) -> list[Panel]:
    """Contribute whether a customer's cards live in Google Wallet, and how many notifications are left today."""
    merchant_id, customer_id = page.principal.merchant_id, page.subject_id
    if customer_id is None:
        return []
    rows = []
    for card in await list_cards_of_customer(page.session, merchant_id, customer_id):
        known = await find_object(page.session, merchant_id, card.id)
        rows.append(
            {
                "number": card.card_number,
                "is_saved": known is not None and known.saves > known.deletions,
                "is_made": known is not None and bool(known.sent),
                "left": notifications_left(known.notified if known else [], now=page.now),
            }
        )
    return (
        [Panel(_("Google Wallet"), "wallets/google_customer.html", {"rows": rows}, order=120)] if rows else []
    )

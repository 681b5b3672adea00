"""What wallets adds to the dashboard: a line of the navigation, and where a customer's cards live."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext, Panel
from app.modules.cards.public import list_cards_of_customer
from app.modules.wallets.google_wallet.rules import notifications_left
from app.modules.wallets.overview.queries import find_lives
from app.utils.id_generator import format_card_number


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the line of the overview."""
    return [NavItem(msg("Wallets"), "/dashboard/wallets", "wallet", "merchant.edit", 215, msg("Shop"))]


async def customer_panel(page: PageContext) -> list[Panel]:
    """Contribute in which wallets a customer's cards live, and how many notifications are left today."""
    merchant_id, customer_id = page.principal.merchant_id, page.subject_id
    if customer_id is None:
        return []
    cards = await list_cards_of_customer(page.session, merchant_id, customer_id)
    if not cards:
        return []
    rows = [
        {
            "number": format_card_number(life["card_number"]),
            "devices": life["devices"],
            "in_google": bool(life["in_google"]),
            "made": life["made"],
            "left": notifications_left(life["notified"], now=page.now),
        }
        for life in await find_lives(page.session, merchant_id, [card.id for card in cards])
    ]
    return [Panel(_("In which wallets"), "wallets/customer.html", {"rows": rows}, order=120)]

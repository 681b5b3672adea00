"""The way into Apple Wallet on the customer's card page: a plain labelled button, not Apple's badge."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.points import CardContext, Panel
from app.modules.wallets.apple_wallet.credentials import find_identity
from app.modules.wallets.apple_wallet.faults import IdentityFault


async def card_block(context: CardContext) -> list[Panel]:
    """Offer the pass where it can be signed."""
    try:
        identity = await find_identity(context.session, context.merchant_id, now=context.now)
    except IdentityFault:
        return []
    if identity is None:
        return []
    values = {"pass_id": context.pass_id, "is_demo": identity.is_demo}
    return [Panel(_("Apple Wallet"), "wallets/apple_button.html", values, order=50)]

"""The way into Apple Wallet on the card page: Apple's badge where the operator has put it, else our own button."""

from __future__ import annotations

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.points import CardContext, Panel
from app.kernel.web.devices import Device, current_device
from app.modules.wallets.apple_wallet.badge import find_badge
from app.modules.wallets.apple_wallet.credentials import find_identity
from app.modules.wallets.apple_wallet.faults import IdentityFault

# Before Google's on Apple's devices, behind it elsewhere.
FIRST, AFTER_GOOGLE = 10, 50


async def card_block(context: CardContext) -> list[Panel]:
    """Offer the pass where it can be signed, and to whoever may have an iPhone."""
    device = current_device()
    if device is Device.ANDROID:
        return []
    try:
        identity = await find_identity(context.session, context.merchant_id, now=context.now)
    except IdentityFault:
        return []
    if identity is None:
        return []
    values = {
        "pass_id": context.pass_id,
        "is_demo": identity.is_demo,
        "badge": find_badge(resources_of(context.session).get(Settings), current().language),
    }
    order = FIRST if device in {Device.IPHONE, Device.MAC} else AFTER_GOOGLE
    return [Panel(_("Apple Wallet"), "wallets/apple_button.html", values, order=order)]

"""What the demo shops say about themselves in their privacy notice."""

from __future__ import annotations

from app.kernel.points import DemoShop
from app.kernel.settings import save_settings
from app.modules.merchants.public import get_merchant
from app.modules.privacy.settings import PrivacySettings
from app.modules.stores.public import list_stores


async def add_controller(shop: DemoShop) -> None:
    """Name the business, the address of its first store and a mailbox as responsible."""
    merchant = await get_merchant(shop.session, shop.merchant_id)
    stores = await list_stores(shop.session, shop.merchant_id)
    name = f"{merchant.name} S.à r.l."
    mailbox = f"privacy@{merchant.name.lower().replace(' ', '')}.example"
    notice = PrivacySettings(
        controller_name=name, controller_address=stores[0].address or "", contact_email=mailbox
    )
    await save_settings(shop.session, notice, merchant_id=shop.merchant_id)

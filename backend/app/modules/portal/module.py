"""The manifest of portal."""

from app.kernel.module import Module
from app.modules.portal.live import put_card_watcher

MODULE = Module(
    name="portal",
    title="Customer pages",
    layer="surface",
    needs=(
        *("merchants", "stores", "customers", "cards", "wallets", "stamps", "points", "rewards", "visits"),
        *("qr", "staff", "messaging"),
    ),
    has_models=False,
    routers=(
        "api:router",
        "assets:router",
        "join_pages:router",
        "link_pages:router",
        "card_pages:router",
        "data_pages:router",
        "till_pages:router",
        "redeem_pages:router",
        "void_pages:router",
    ),
    resources=(put_card_watcher,),
)

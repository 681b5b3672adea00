"""The manifest of rewards."""

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import STORE_SETTINGS
from app.modules.rewards.config import follow_program
from app.modules.rewards.config_panel import store_panel
from app.modules.rewards.hooks import REWARD_KIND, FreeItem
from app.modules.rewards.jobs import EXPIRY, expire_card, recompute_unlocks
from app.modules.stores.public import PROGRAM_CHANGED

MODULE = Module(
    name="rewards",
    title="Rewards",
    layer="foundation",
    needs=("merchants", "stores", "cards", "staff", "wallets", "stamps", "points"),
    has_models=True,
    routers=("api:router", "config_api:router", "config_pages:router"),
    jobs=(recompute_unlocks, expire_card),
    periodic=(EXPIRY,),
    offers=(Offer(REWARD_KIND, "free_item", FreeItem()),),
    hooks=(On(PROGRAM_CHANGED, follow_program), On(STORE_SETTINGS, store_panel)),
    permissions=(
        Permission("rewards.edit", msg("Change rewards"), roles=frozenset({"manager"}), api_scope=True),
        Permission("rewards.redeem", msg("Give rewards out through an API key"), api_scope=True),
    ),
)

"""The manifest of merchants."""

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import AUTHENTICATOR, Permission
from app.kernel.points import NAV_ITEM
from app.modules.merchants.authenticators import authenticate_api_key, authenticate_session
from app.modules.merchants.jobs import sweep
from app.modules.merchants.navigation import nav_items

MODULE = Module(
    name="merchants",
    title="Merchants",
    layer="foundation",
    needs=("messaging",),
    routers=("api:router", "pages:router", "dashboard_pages:router"),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(
        Offer(AUTHENTICATOR, "session", authenticate_session),
        Offer(AUTHENTICATOR, "api_key", authenticate_api_key),
    ),
    periodic=(sweep,),
    has_models=True,
    permissions=(
        Permission("merchant.edit", msg("Change the business's own details")),
        Permission(
            "members.view",
            msg("See the own account and its sessions"),
            roles=frozenset({"manager", "cashier", "analyst"}),
        ),
        Permission("api_keys.edit", msg("Make and revoke API keys")),
        Permission("audit.view", msg("See who changed what"), roles=frozenset({"manager"})),
    ),
)

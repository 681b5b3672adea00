"""The manifest of stores."""

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.metering import METER
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM
from app.modules.stores.meters import STORES
from app.modules.stores.navigation import nav_items

EVERYBODY = frozenset({"manager", "cashier", "analyst"})
MANAGERS = frozenset({"manager"})

MODULE = Module(
    name="stores",
    title="Stores",
    layer="foundation",
    needs=("merchants",),
    has_models=True,
    routers=("api:router", "pages:router"),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(Offer(METER, "stores", STORES),),
    permissions=(
        Permission("stores.view", msg("See stores and programmes"), roles=EVERYBODY, api_scope=True),
        Permission("stores.edit", msg("Open, change and close stores"), roles=MANAGERS, api_scope=True),
        Permission("programme.edit", msg("Change the rules of a programme"), roles=MANAGERS, api_scope=True),
    ),
)

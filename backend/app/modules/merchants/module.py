"""The manifest of merchants."""

from app.kernel.hooks import On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM
from app.modules.merchants.navigation import nav_items

MODULE = Module(
    name="merchants",
    title="Merchants",
    layer="foundation",
    routers=("api:router", "pages:router"),
    hooks=(On(NAV_ITEM, nav_items),),
    has_models=True,
    permissions=(Permission("merchant.edit", msg("Change the business's own details")),),
)

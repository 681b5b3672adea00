"""The manifest of cards."""

from app.kernel.hooks import On
from app.kernel.module import Module
from app.kernel.points import NAV_ITEM
from app.modules.cards.navigation import nav_items

MODULE = Module(
    name="cards",
    title="Cards",
    layer="foundation",
    needs=("merchants", "stores", "customers", "messaging"),
    has_models=True,
    routers=("api:router", "pages:router"),
    hooks=(On(NAV_ITEM, nav_items),),
    list_pages=("/dashboard/customers",),
)

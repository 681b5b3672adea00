"""The manifest of cards."""

from app.kernel.hooks import Offer, On
from app.kernel.module import Module
from app.kernel.points import NAV_ITEM, PERSONAL_DATA
from app.modules.cards.jobs import sweep
from app.modules.cards.navigation import nav_items
from app.modules.cards.personal import PERSONAL

MODULE = Module(
    name="cards",
    title="Cards",
    layer="foundation",
    needs=("merchants", "stores", "customers", "messaging"),
    has_models=True,
    routers=("api:router", "pages:router"),
    hooks=(On(NAV_ITEM, nav_items),),
    periodic=(sweep,),
    offers=(Offer(PERSONAL_DATA, "cards", PERSONAL),),
    list_pages=("/dashboard/customers",),
)

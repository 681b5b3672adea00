"""The manifest of the dashboard."""

from app.kernel.hooks import On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM, NavItem, PageContext

EVERYBODY = frozenset({"manager", "analyst", "cashier"})


def nav_items(page: PageContext) -> list[NavItem]:
    """Return the dashboard's own lines."""
    return [
        NavItem(msg("Home"), "/dashboard", "home", "dashboard.view", order=10),
        NavItem(msg("Visits"), "/dashboard/visits", "history", "visits.view", order=15),
    ]


MODULE = Module(
    name="dashboard",
    title="Dashboard",
    layer="surface",
    needs=(
        "merchants",
        "stores",
        "customers",
        "cards",
        "wallets",
        "stamps",
        "points",
        "rewards",
        "visits",
        "qr",
        "staff",
        "messaging",
        "design",
    ),
    routers=("public_pages:router", "pages:router", "wizard_pages:router"),
    hooks=(On(NAV_ITEM, nav_items),),
    permissions=(
        Permission("dashboard.view", msg("Open the dashboard"), roles=EVERYBODY),
        Permission("visits.view", msg("See visits"), roles=frozenset({"manager", "analyst"})),
    ),
    list_pages=("/dashboard/visits",),
)

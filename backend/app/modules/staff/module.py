"""The manifest of staff."""

from __future__ import annotations

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import AUTHENTICATOR, Permission
from app.kernel.points import NAV_ITEM, NavItem, PageContext
from app.modules.staff.devices import authenticate_device
from app.modules.staff.jobs import sweep
from app.modules.staff.pins import prepare_resources
from app.modules.staff.service import StaffSettings

MANAGERS = frozenset({"manager"})


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the lines of the team and the devices."""
    shop = msg("Shop")
    return [
        NavItem(msg("Staff"), "/dashboard/staff", "id-badge-2", "staff.view", 200, shop),
        NavItem(msg("Devices"), "/dashboard/devices", "device-tablet", "staff.view", 210, shop),
    ]


MODULE = Module(
    name="staff",
    title=msg("Staff"),
    layer="foundation",
    needs=("merchants", "stores", "messaging", "qr"),
    has_models=True,
    routers=("api:router", "pages:router"),
    permissions=(
        Permission("staff.view", msg("See the team and its devices"), MANAGERS, api_scope=True),
        Permission("staff.edit", msg("Change the team and its PINs"), MANAGERS, api_scope=True),
        Permission("devices.edit", msg("Pair and revoke devices"), MANAGERS, api_scope=True),
    ),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(Offer(AUTHENTICATOR, "device", authenticate_device),),
    settings=(StaffSettings,),
    resources=(prepare_resources,),
    periodic=(sweep,),
)

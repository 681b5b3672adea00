"""The manifest of staff."""

from __future__ import annotations

from app.kernel.hooks import Offer, On
from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.module import Module
from app.kernel.permissions import AUTHENTICATOR, Permission
from app.kernel.points import HOME_TILE, NAV_ITEM, NavItem, PageContext, Tile
from app.modules.staff.devices import authenticate_device
from app.modules.staff.jobs import sweep
from app.modules.staff.pins import prepare_resources
from app.modules.staff.queries import count_wrong_by_store
from app.modules.staff.rules import ALERT
from app.modules.staff.service import StaffSettings

MANAGERS = frozenset({"manager"})


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the lines of the team and the devices."""
    shop = msg("Shop")
    return [
        NavItem(msg("Staff"), "/dashboard/staff", "id-badge-2", "staff.view", 200, shop),
        NavItem(msg("Devices"), "/dashboard/devices", "device-tablet", "staff.view", 210, shop),
    ]


async def alert_tiles(page: PageContext) -> list[Tile]:
    """Show on the dashboard's home where somebody is guessing PINs; nothing while nobody is."""
    if not page.principal.may("staff.view"):
        return []
    counts = await count_wrong_by_store(page.session, page.principal.merchant_id, now=page.now)
    return [
        Tile(
            label=_("Wrong PINs this hour"),
            value=current().format_number(wrong),
            note=_("Somebody is guessing PINs"),
            url=f"/dashboard/staff/{store_id}",
            order=1,
        )
        for store_id, wrong in counts.items()
        if wrong >= ALERT.wrong_max
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
    hooks=(On(NAV_ITEM, nav_items), On(HOME_TILE, alert_tiles)),
    offers=(Offer(AUTHENTICATOR, "device", authenticate_device),),
    settings=(StaffSettings,),
    resources=(prepare_resources,),
    periodic=(sweep,),
)

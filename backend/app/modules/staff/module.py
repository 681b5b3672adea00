"""The manifest of staff."""

from __future__ import annotations

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import AUTHENTICATOR, Permission
from app.kernel.points import HOME_TILE, NAV_ITEM, STORE_SETTINGS
from app.modules.accounts.public import ACCOUNT_TAKEN_BACK
from app.modules.staff.devices import authenticate_device
from app.modules.staff.jobs import renew_pins, sweep
from app.modules.staff.pins import prepare_resources
from app.modules.staff.service import StaffSettings
from app.modules.staff.surface import home_tiles, nav_items, store_panel
from app.modules.staff.taken_back import on_taken_back

MANAGERS = frozenset({"manager"})


MODULE = Module(
    name="staff",
    title=msg("Staff"),
    layer="foundation",
    needs=("accounts", "merchants", "stores", "messaging", "qr"),
    has_models=True,
    routers=("api:router", "settings_pages:router", "pages:router"),
    permissions=(
        Permission("staff.view", msg("See the team and its devices"), MANAGERS, api_scope=True),
        Permission("staff.edit", msg("Change the team and its PINs"), MANAGERS, api_scope=True),
        Permission("devices.edit", msg("Pair and revoke devices"), MANAGERS, api_scope=True),
    ),
    hooks=(
        On(NAV_ITEM, nav_items),
        On(HOME_TILE, home_tiles),
        On(STORE_SETTINGS, store_panel),
        On(ACCOUNT_TAKEN_BACK, on_taken_back),
    ),
    offers=(Offer(AUTHENTICATOR, "device", authenticate_device),),
    settings=(StaffSettings,),
    resources=(prepare_resources,),
    periodic=(sweep, renew_pins),
)

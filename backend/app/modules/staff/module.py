"""The manifest of staff."""

from app.kernel.hooks import Offer
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import AUTHENTICATOR, Permission
from app.modules.staff.devices import authenticate_device
from app.modules.staff.pins import prepare_resources
from app.modules.staff.service import StaffSettings

MODULE = Module(
    name="staff",
    title=msg("Staff"),
    layer="foundation",
    needs=("merchants", "stores", "messaging"),
    has_models=True,
    routers=("api:router",),
    permissions=(
        Permission("staff.view", msg("See the team and its devices"), frozenset({"manager"}), api_scope=True),
        Permission("staff.edit", msg("Change the team and its PINs"), frozenset({"manager"}), api_scope=True),
        Permission("devices.edit", msg("Pair and revoke devices"), frozenset({"manager"}), api_scope=True),
    ),
    offers=(Offer(AUTHENTICATOR, "device", authenticate_device),),
    settings=(StaffSettings,),
    resources=(prepare_resources,),
)

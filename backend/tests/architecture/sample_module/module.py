"""The manifest of fridays."""

from app.kernel.hooks import On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import NAV_ITEM, NavItem, PageContext
from app.modules.visits.public import EARN_GUARD, EARN_MODIFIER
from app.modules.wallets.public import PASS_FIELDS
from tests.architecture.sample_module.rules import add_on_fridays, refuse_at_night
from tests.architecture.sample_module.service import note_field


def nav_items(page: PageContext) -> list[NavItem]:
    """Return the module's line in the navigation."""
    return [NavItem("Fridays", "/dashboard/fridays", "calendar", "fridays.edit", order=80)]


MODULE = Module(
    name="fridays",
    title="Fridays",
    package="tests.architecture.sample_module",
    needs=("wallets", "visits"),
    switchable=True,
    about=msg("A word on every card, and more points on Fridays."),
    has_models=True,
    routers=("pages:router",),
    hooks=(
        On(EARN_GUARD, refuse_at_night),
        On(EARN_MODIFIER, add_on_fridays),
        On(PASS_FIELDS, note_field),
        On(NAV_ITEM, nav_items),
    ),
    permissions=(Permission("fridays.edit", "Write what stands on every card", frozenset({"manager"})),),
)

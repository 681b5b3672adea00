"""The manifest of fraud. Always on: a shop that does not look at it pays nothing for it."""

from __future__ import annotations

from app.kernel.hooks import Offer, On
from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import (
    DEMO_DATA,
    FRAUD_RULE,
    HOME_TILE,
    NAV_ITEM,
    PERSONAL_DATA,
    NavItem,
    PageContext,
    Tile,
)
from app.modules.fraud.demo import add_misuse
from app.modules.fraud.finders import RULES
from app.modules.fraud.jobs import catch_up, look_soon, scan, sweep
from app.modules.fraud.personal import PERSONAL
from app.modules.fraud.queries import count_by_status
from app.modules.fraud.settings import FraudSettings
from app.modules.wallets.public import CARDS_CHANGED

MANAGERS = frozenset({"manager"})


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the findings."""
    return [
        NavItem(msg("Unusual visits"), "/dashboard/fraud", "shield-check", "fraud.view", 220, msg("Shop"))
    ]


async def open_tiles(page: PageContext) -> list[Tile]:
    """Show on the dashboard's home how many findings wait; nothing while none does."""
    if not page.principal.may("fraud.view"):
        return []
    waiting = (await count_by_status(page.session, page.principal.merchant_id)).get("open", 0)
    if not waiting:
        return []
    number = current().format_number(waiting)
    return [Tile(_("Unusual visits"), number, _("to look at"), "/dashboard/fraud", order=2)]


MODULE = Module(
    name="fraud",
    title=msg("Unusual visits"),
    needs=("messaging", "merchants", "stores", "staff", "customers", "cards", "wallets", "rewards", "visits"),
    has_models=True,
    routers=("pages:router",),
    hooks=(On(NAV_ITEM, nav_items), On(HOME_TILE, open_tiles), On(CARDS_CHANGED, look_soon)),
    offers=(
        *(Offer(FRAUD_RULE, name, rule) for name, rule in RULES.items()),
        Offer(PERSONAL_DATA, "fraud", PERSONAL),
        Offer(DEMO_DATA, "fraud", add_misuse),
    ),
    permissions=(
        Permission("fraud.view", msg("See unusual visits"), MANAGERS),
        Permission("fraud.edit", msg("Decide on unusual visits and set the rules"), MANAGERS),
    ),
    settings=(FraudSettings,),
    jobs=(scan,),
    periodic=(catch_up, sweep),
    list_pages=("/dashboard/fraud",),
)

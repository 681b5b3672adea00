"""The manifest of tiers."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION, AUDIT_VALUE
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import (
    CARD_BLOCK,
    CUSTOMER_PANEL,
    DEMO_DATA,
    EXPORTER,
    NAV_ITEM,
    PERSONAL_DATA,
    REPORT_VIEW,
    TILL_PANEL,
    NavItem,
    PageContext,
)
from app.modules.merchants.public import FEATURE_SWITCHED
from app.modules.rewards.public import GIFT_REASON
from app.modules.tiers.demo import add_levels
from app.modules.tiers.earning import ORDER, RULE, multiply, words
from app.modules.tiers.jobs import follow_cards, go_round, start_again, weigh_all, weigh_card, weigh_due
from app.modules.tiers.personal import PERSONAL
from app.modules.tiers.reports import REPORT, STANDINGS
from app.modules.tiers.service import FEATURE, GIFT
from app.modules.tiers.settings import TierSettings
from app.modules.tiers.showing import card_block, customer_panel, pass_fields, till_panel
from app.modules.visits.public import EARN_MODIFIER, EARN_RULE
from app.modules.wallets.public import CARDS_CHANGED, PASS_FIELDS

MANAGERS = frozenset({"manager"})
ACTIONS = {
    "tiers.level_added": msg("Level added"),
    "tiers.level_changed": msg("Level changed"),
    "tiers.level_removed": msg("Level removed"),
    "tiers.settings_changed": msg("Changed how levels work"),
}


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the levels."""
    return [NavItem(msg("Levels"), "/dashboard/tiers", "crown", "tiers.view", 195, msg("Shop"))]


MODULE = Module(
    name=FEATURE,
    title=msg("Levels"),
    about=msg("Bronze, Silver, Gold: more points, a gift and perks for those who buy more."),
    needs=("merchants", "cards", "wallets", "rewards", "visits"),
    switchable=True,
    has_models=True,
    routers=("pages:router",),
    hooks=(
        On(EARN_MODIFIER, multiply, ORDER),
        On(CARDS_CHANGED, follow_cards),
        On(FEATURE_SWITCHED, start_again),
        On(CARD_BLOCK, card_block, 20),
        On(PASS_FIELDS, pass_fields, 40),
        On(TILL_PANEL, till_panel),
        On(CUSTOMER_PANEL, customer_panel),
        On(NAV_ITEM, nav_items),
    ),
    offers=(
        *(Offer(AUDIT_ACTION, key, text) for key, text in ACTIONS.items()),
        Offer(AUDIT_VALUE, FEATURE, msg("Levels")),
        Offer(EARN_RULE, RULE, words),
        Offer(GIFT_REASON, GIFT, msg("A gift for the new level")),
        Offer(REPORT_VIEW, "tiers", REPORT),
        Offer(EXPORTER, "levels", STANDINGS),
        Offer(PERSONAL_DATA, FEATURE, PERSONAL),
        Offer(DEMO_DATA, FEATURE, add_levels),
    ),
    permissions=(
        Permission(
            "tiers.view", msg("See levels and who has reached them"), frozenset({"manager", "analyst"})
        ),
        Permission("tiers.edit", msg("Set levels up"), MANAGERS, of_all_stores=True),
    ),
    settings=(TierSettings,),
    jobs=(weigh_card, weigh_all, weigh_due),
    periodic=(go_round,),
    list_pages=("/dashboard/tiers",),
)

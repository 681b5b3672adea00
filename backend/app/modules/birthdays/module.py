"""The manifest of birthdays."""

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
from app.modules.birthdays.demo import add_birthdays
from app.modules.birthdays.earning import ORDER, RULE, multiply, words
from app.modules.birthdays.jobs import end, give, go_round, look, look_at_joined, start_again, tell
from app.modules.birthdays.personal import PERSONAL
from app.modules.birthdays.reports import GIFTS, REPORT
from app.modules.birthdays.rules import GIFT
from app.modules.birthdays.service import FEATURE, on_merged
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.birthdays.showing import card_block, customer_panel, pass_fields, till_panel
from app.modules.birthdays.telling import KIND
from app.modules.cards.public import CARD_JOINED, CARD_MERGED
from app.modules.merchants.public import FEATURE_SWITCHED
from app.modules.messaging.public import MAIL_INSTEAD
from app.modules.rewards.public import GIFT_REASON
from app.modules.visits.public import EARN_MODIFIER, EARN_RULE
from app.modules.wallets.public import PASS_FIELDS


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the birthdays."""
    return [NavItem(msg("Birthdays"), "/dashboard/birthdays", "cake", "birthdays.view", 196, msg("Shop"))]


MODULE = Module(
    name=FEATURE,
    title=msg("Birthdays"),
    about=msg("A gift on the card in the days around the birthday, and a message that says so."),
    needs=("messaging", "merchants", "stores", "customers", "cards", "wallets", "rewards", "visits", "staff"),
    switchable=True,
    has_models=True,
    routers=("pages:router",),
    hooks=(
        On(EARN_MODIFIER, multiply, ORDER),
        On(CARD_JOINED, look_at_joined),
        On(CARD_MERGED, on_merged),
        On(FEATURE_SWITCHED, start_again),
        On(CARD_BLOCK, card_block, 10),
        On(PASS_FIELDS, pass_fields, 45),
        On(TILL_PANEL, till_panel, 15),
        On(CUSTOMER_PANEL, customer_panel),
        On(NAV_ITEM, nav_items),
    ),
    offers=(
        Offer(AUDIT_ACTION, "birthdays.settings_changed", msg("Changed the birthday gift")),
        Offer(AUDIT_VALUE, FEATURE, msg("Birthdays")),
        Offer(EARN_RULE, RULE, words),
        Offer(GIFT_REASON, GIFT, msg("Birthday gift")),
        Offer(MAIL_INSTEAD, KIND, FEATURE),
        Offer(REPORT_VIEW, "birthdays", REPORT),
        Offer(EXPORTER, "birthday_gifts", GIFTS),
        Offer(PERSONAL_DATA, FEATURE, PERSONAL),
        Offer(DEMO_DATA, FEATURE, add_birthdays),
    ),
    permissions=(
        Permission("birthdays.view", msg("See birthdays and their gifts"), frozenset({"manager", "analyst"})),
        Permission(
            "birthdays.edit", msg("Set the birthday gift"), frozenset({"manager"}), of_all_stores=True
        ),
    ),
    settings=(BirthdaySettings,),
    jobs=(look, give, tell, end),
    periodic=(go_round,),
    list_pages=("/dashboard/birthdays",),
)

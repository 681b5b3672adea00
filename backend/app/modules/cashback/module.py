"""The manifest of cashback."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION, AUDIT_VALUE
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.ledger import INVARIANT
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
from app.modules.cards.public import CARD_MERGED
from app.modules.cashback.demo import add_credit
from app.modules.cashback.earning import ORDER, RULE, give_cashback, words
from app.modules.cashback.invariants import credit_equals_entries, lots_hold_the_credit
from app.modules.cashback.jobs import catch_up, expire_due, go_round, on_switched
from app.modules.cashback.personal import PERSONAL
from app.modules.cashback.reports import MOVEMENTS, REPORT
from app.modules.cashback.settings import CashbackSettings
from app.modules.cashback.showing import card_block, customer_panel, pass_fields, till_panel
from app.modules.cashback.till import FEATURE, StoreCredit, on_earned, on_merged, on_voided, refuse_void
from app.modules.merchants.public import FEATURE_SWITCHED
from app.modules.rewards.public import TENDER, VOID_REFUSAL, VOIDED
from app.modules.visits.public import EARN_MODIFIER, EARN_RULE, EARNED
from app.modules.wallets.public import PASS_FIELDS

MANAGERS = frozenset({"manager"})
ACTIONS = {
    "cashback.settings_changed": msg("Changed how cashback works"),
    "cashback.credit_adjusted": msg("Gave or took store credit by hand"),
}


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of cashback."""
    return [NavItem(msg("Cashback"), "/dashboard/cashback", "coins", "cashback.view", 197, msg("Shop"))]


MODULE = Module(
    name=FEATURE,
    title=msg("Cashback and store credit"),
    about=msg("A percentage of each purchase comes back as money on the card, to be spent in your shop."),
    needs=("merchants", "stores", "customers", "cards", "wallets", "points", "rewards", "visits"),
    switchable=True,
    has_models=True,
    routers=("pages:router",),
    hooks=(
        On(EARN_MODIFIER, give_cashback, ORDER),
        On(EARNED, on_earned),
        On(VOID_REFUSAL, refuse_void),
        On(VOIDED, on_voided),
        On(CARD_MERGED, on_merged),
        On(FEATURE_SWITCHED, on_switched),
        On(CARD_BLOCK, card_block, 21),
        On(PASS_FIELDS, pass_fields, 45),
        On(TILL_PANEL, till_panel),
        On(CUSTOMER_PANEL, customer_panel),
        On(NAV_ITEM, nav_items),
    ),
    offers=(
        *(Offer(AUDIT_ACTION, key, text) for key, text in ACTIONS.items()),
        Offer(AUDIT_VALUE, FEATURE, msg("Cashback and store credit")),
        Offer(EARN_RULE, RULE, words),
        Offer(TENDER, "credit", StoreCredit()),
        Offer(INVARIANT, "credit", credit_equals_entries),
        Offer(INVARIANT, "credit_lots", lots_hold_the_credit),
        Offer(REPORT_VIEW, "cashback", REPORT),
        Offer(EXPORTER, "credit", MOVEMENTS),
        Offer(PERSONAL_DATA, FEATURE, PERSONAL),
        Offer(DEMO_DATA, FEATURE, add_credit),
    ),
    permissions=(
        Permission(
            "cashback.view", msg("See store credit and what is owed"), frozenset({"manager", "analyst"})
        ),
        Permission("cashback.edit", msg("Set cashback up"), MANAGERS, of_all_stores=True),
        Permission("cashback.adjust", msg("Give and take store credit by hand"), MANAGERS),
    ),
    settings=(CashbackSettings,),
    jobs=(expire_due, catch_up),
    periodic=(go_round,),
    list_pages=("/dashboard/cashback",),
)

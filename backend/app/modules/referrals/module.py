"""The manifest of referrals."""

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
    NavItem,
    PageContext,
)
from app.modules.cards.public import CARD_JOINED
from app.modules.merchants.public import FEATURE_SWITCHED
from app.modules.referrals.demo import add_friends
from app.modules.referrals.jobs import (
    follow_cards,
    follow_undone,
    go_round,
    look_at_card,
    look_at_friend,
    look_due,
    make_links,
    start_again,
)
from app.modules.referrals.links import FEATURE, make_link, note_joined
from app.modules.referrals.personal import PERSONAL
from app.modules.referrals.reports import FRIENDS, REPORT
from app.modules.referrals.service import REASON_OF
from app.modules.referrals.settings import ReferralSettings
from app.modules.referrals.showing import card_block, customer_panel, pass_fields
from app.modules.rewards.public import GIFT_REASON, VOIDED
from app.modules.wallets.public import CARDS_CHANGED, PASS_FIELDS

ACTIONS = {
    "referrals.settings_changed": msg("Changed what friends bring"),
    "referrals.approved": msg("Gift for a friend approved"),
    "referrals.declined": msg("Gift for a friend declined"),
}


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the friends."""
    return [NavItem(msg("Friends"), "/dashboard/referrals", "users", "referrals.view", 196, msg("Shop"))]


MODULE = Module(
    name=FEATURE,
    title=msg("Friends brought along"),
    about=msg("A personal link on every card; both get a gift once the friend has bought something."),
    needs=("merchants", "stores", "customers", "cards", "wallets", "rewards", "visits", "qr"),
    switchable=True,
    has_models=True,
    routers=("public_pages:router", "pages:router"),
    hooks=(
        On(CARD_JOINED, make_link),
        On(CARD_JOINED, note_joined),
        On(FEATURE_SWITCHED, start_again),
        On(CARDS_CHANGED, follow_cards),
        On(VOIDED, follow_undone),
        On(CARD_BLOCK, card_block, 40),
        On(PASS_FIELDS, pass_fields, 60),
        On(CUSTOMER_PANEL, customer_panel),
        On(NAV_ITEM, nav_items),
    ),
    offers=(
        *(Offer(AUDIT_ACTION, key, text) for key, text in ACTIONS.items()),
        Offer(AUDIT_VALUE, FEATURE, msg("Friends brought along")),
        Offer(GIFT_REASON, REASON_OF["inviter"], msg("A gift for bringing a friend along")),
        Offer(GIFT_REASON, REASON_OF["friend"], msg("A gift for coming by an invitation")),
        Offer(REPORT_VIEW, FEATURE, REPORT),
        Offer(EXPORTER, "friends", FRIENDS),
        Offer(PERSONAL_DATA, FEATURE, PERSONAL),
        Offer(DEMO_DATA, FEATURE, add_friends),
    ),
    permissions=(
        Permission(
            "referrals.view",
            msg("See who brought whom along"),
            frozenset({"manager", "analyst"}),
            of_all_stores=True,
        ),
        Permission(
            "referrals.edit",
            msg("Set up gifts for friends, and decide on those that are held"),
            frozenset({"manager"}),
            of_all_stores=True,
        ),
    ),
    settings=(ReferralSettings,),
    jobs=(look_at_friend, look_at_card, look_due, make_links),
    periodic=(go_round,),
    list_pages=("/dashboard/referrals",),
)

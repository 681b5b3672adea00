"""The manifest of webhooks."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION, AUDIT_VALUE
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.metering import USAGE_TOLD
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import DEMO_DATA, EXPORTER, NAV_ITEM, PERSONAL_DATA, NavItem, PageContext
from app.kernel.sealing import SEALED
from app.modules.cards.public import CARD_CHANGED, CARD_JOINED, CARD_MERGED, TIER_CHANGED
from app.modules.customers.public import CUSTOMER_CHANGED
from app.modules.rewards.public import REDEEMED, VOIDED
from app.modules.visits.public import EARNED
from app.modules.webhooks.demo import add_webhooks
from app.modules.webhooks.endpoints import SealedSecrets
from app.modules.webhooks.exporting import LOG
from app.modules.webhooks.personal import PERSONAL
from app.modules.webhooks.rules import FEATURE
from app.modules.webhooks.sending.jobs import forget, poll_due, send
from app.modules.webhooks.telling.listening import (
    on_card_changed,
    on_customer_changed,
    on_earned,
    on_joined,
    on_merged,
    on_redeemed,
    on_tier_changed,
    on_usage,
    on_voided,
)

AUDIT_WORDS = {
    "webhook.created": msg("Added a webhook"),
    "webhook.changed": msg("Changed a webhook"),
    "webhook.switched_on": msg("Switched a webhook on"),
    "webhook.switched_off": msg("Switched a webhook off"),
    "webhook.secret_changed": msg("Changed the secret of a webhook"),
    "webhook.removed": msg("Removed a webhook"),
    "webhook.tested": msg("Tested a webhook"),
    "webhook.sent_again": msg("Sent events of a webhook again"),
}
MANAGER = frozenset({"manager"})


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the webhooks."""
    return [NavItem(msg("Webhooks"), "/dashboard/webhooks", "webhook", "webhooks.view", 925, msg("Business"))]


MODULE = Module(
    name=FEATURE,
    title=msg("Webhooks"),
    about=msg(
        "Your own programs, a till or a web shop, are told at once what happens: visits, rewards, cards."
    ),
    needs=("messaging", "merchants", "customers", "cards", "rewards", "visits"),
    switchable=True,
    has_models=True,
    routers=("web.api:router", "web.pages:router"),
    hooks=(
        On(EARNED, on_earned),
        On(REDEEMED, on_redeemed),
        On(VOIDED, on_voided),
        On(CARD_JOINED, on_joined),
        On(CARD_MERGED, on_merged),
        On(CARD_CHANGED, on_card_changed),
        On(CUSTOMER_CHANGED, on_customer_changed),
        On(TIER_CHANGED, on_tier_changed),
        On(USAGE_TOLD, on_usage),
        On(NAV_ITEM, nav_items),
    ),
    offers=(
        *(Offer(AUDIT_ACTION, action, words) for action, words in AUDIT_WORDS.items()),
        Offer(AUDIT_VALUE, FEATURE, msg("Webhooks")),
        Offer(SEALED, FEATURE, SealedSecrets()),
        Offer(PERSONAL_DATA, FEATURE, PERSONAL),
        Offer(EXPORTER, "webhook_log", LOG),
        Offer(DEMO_DATA, FEATURE, add_webhooks),
    ),
    permissions=(
        Permission(
            "webhooks.view", msg("See webhooks and their log"), MANAGER, api_scope=True, of_all_stores=True
        ),
        Permission(
            "webhooks.edit", msg("Change and send webhooks"), MANAGER, api_scope=True, of_all_stores=True
        ),
    ),
    jobs=(send,),
    pollers=(poll_due,),
    periodic=(forget,),
    list_pages=("/dashboard/webhooks",),
)

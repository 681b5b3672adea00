"""The manifest of closing."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.metering import PLAN_LIMIT
from app.kernel.module import Module
from app.kernel.permissions import MEMBER_GUARD, Permission
from app.kernel.points import CARD_BLOCK, HOME_BLOCK, NAV_ITEM, STORE_SETTINGS
from app.modules.closing.guards import refuse_mail, refuse_member, refuse_new, refuse_shop, refuse_visit
from app.modules.closing.jobs import empty, erase, go_round
from app.modules.closing.showing import card_block, home_block, nav_items, pass_fields, store_panel
from app.modules.merchants.public import SHOP_GUARD
from app.modules.messaging.public import MAIL_GUARD
from app.modules.visits.public import EARN_GUARD
from app.modules.wallets.public import PASS_FIELDS

MODULE = Module(
    name="closing",
    title="Closing a business",
    needs=(
        "messaging",
        "merchants",
        "accounts",
        "stores",
        "second_factor",
        "customers",
        "cards",
        "wallets",
        "visits",
    ),
    has_models=True,
    routers=("pages:router",),
    hooks=(
        On(EARN_GUARD, refuse_visit, order=1),
        On(PLAN_LIMIT, refuse_new, order=1),
        On(MEMBER_GUARD, refuse_member),
        On(SHOP_GUARD, refuse_shop),
        On(NAV_ITEM, nav_items),
        On(HOME_BLOCK, home_block, order=1),
        On(CARD_BLOCK, card_block, order=1),
        On(PASS_FIELDS, pass_fields, order=1),
        On(STORE_SETTINGS, store_panel, order=900),
    ),
    offers=(
        Offer(MAIL_GUARD, "closing", refuse_mail),
        Offer(AUDIT_ACTION, "store.deleted", msg("Store deleted")),
        Offer(AUDIT_ACTION, "business.closed", msg("Business closed")),
        Offer(AUDIT_ACTION, "business.opened_again", msg("Business opened again")),
    ),
    permissions=(
        Permission("business.close", msg("Close the business for good")),
        Permission("stores.delete", msg("Delete stores that were never used")),
    ),
    jobs=(erase, empty),
    periodic=(go_round,),
)

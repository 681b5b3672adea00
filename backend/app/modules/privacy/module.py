"""The manifest of privacy. Always on: what the law asks for cannot be switched off."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import DEMO_DATA, NAV_ITEM, PERSONAL_DATA, NavItem, PageContext
from app.modules.messaging.public import UNSUBSCRIBE
from app.modules.privacy.demo import add_controller
from app.modules.privacy.personal import PERSONAL
from app.modules.privacy.retention import RETENTION, erase_inactive_job
from app.modules.privacy.settings import PrivacySettings
from app.modules.privacy.unsubscribing import offer_unsubscribe

VIEW, EDIT = "privacy.view", "privacy.edit"


def nav_items(_page: PageContext) -> list[NavItem]:
    """Return the line of the navigation."""
    return [NavItem(msg("Privacy"), "/dashboard/privacy", "lock", VIEW, order=240, section=msg("Business"))]


MODULE = Module(
    name="privacy",
    title=msg("Privacy"),
    needs=("messaging", "merchants", "stores", "customers", "cards", "wallets"),
    has_models=True,
    routers=(
        "pages.card_pages:router",
        "pages.mail_pages:router",
        "pages.notice_pages:router",
        "pages.member_pages:router",
    ),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(
        Offer(PERSONAL_DATA, "privacy", PERSONAL),
        Offer(DEMO_DATA, "privacy", add_controller),
        Offer(UNSUBSCRIBE, "privacy", offer_unsubscribe),
        Offer(AUDIT_ACTION, "privacy.changed", msg("Privacy settings changed")),
        Offer(AUDIT_ACTION, "privacy.proved", msg("Consents downloaded")),
    ),
    permissions=(
        Permission(VIEW, msg("See privacy settings and requests"), frozenset({"manager"})),
        Permission(EDIT, msg("Change privacy settings and download consents")),
    ),
    settings=(PrivacySettings,),
    jobs=(erase_inactive_job,),
    periodic=(RETENTION,),
)

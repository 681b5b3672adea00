"""The manifest of nudges."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import DEMO_DATA, NAV_ITEM, PERSONAL_DATA, NavItem, PageContext
from app.modules.messaging.public import MAIL_SLOT, MAIL_WAIT, MAIL_WORDING
from app.modules.nudges.demo import add_messages
from app.modules.nudges.jobs import go_round, send_news, write_messages
from app.modules.nudges.personal import PERSONAL
from app.modules.nudges.service import own_words, quiet_end, slot_of
from app.modules.nudges.settings import NudgeSettings

ACTIONS = {
    "message.text_changed": msg("Words of a message changed"),
    "message.settings_changed": msg("Automatic messages changed"),
    "message.tested": msg("Message tested"),
    "news.drafted": msg("News written"),
    "news.sent": msg("News sent"),
    "news.deleted": msg("Draft of news deleted"),
}


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the line of the messages."""
    return [NavItem(msg("Messages"), "/dashboard/messages", "mail", "nudges.edit", 45)]


MODULE = Module(
    name="nudges",
    title=msg("Messages to customers"),
    needs=("messaging", "merchants", "accounts", "stores", "customers", "cards", "wallets", "rewards"),
    switchable=True,
    about=msg("Mails that go by themselves when a reward is ready or a birthday comes, and news you write."),
    starts_on=True,
    has_models=True,
    routers=("pages:router",),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(
        Offer(PERSONAL_DATA, "nudges", PERSONAL),
        Offer(DEMO_DATA, "nudges", add_messages),
        Offer(MAIL_SLOT, "week", slot_of),
        Offer(MAIL_WAIT, "quiet_hours", quiet_end),
        Offer(MAIL_WORDING, "nudges", own_words),
        *(Offer(AUDIT_ACTION, name, words) for name, words in ACTIONS.items()),
    ),
    permissions=(
        Permission("nudges.edit", msg("Write to customers"), frozenset({"manager"})),
        Permission(
            "nudges.set",
            msg("Set which messages go by themselves"),
            frozenset({"manager"}),
            of_all_stores=True,
        ),
    ),
    settings=(NudgeSettings,),
    jobs=(write_messages, send_news),
    periodic=(go_round,),
)

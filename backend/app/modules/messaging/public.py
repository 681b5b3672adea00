"""What other modules use of messaging: queue a mail, and ask whether mail can be sent at all."""

from __future__ import annotations

from app.modules.messaging.bounces.service import count_suppressed
from app.modules.messaging.composing import with_goodbye
from app.modules.messaging.framing import mail_frame
from app.modules.messaging.hooks import (
    MAIL_COMPLAINED,
    MAIL_GUARD,
    MAIL_INSTEAD,
    MAIL_SLOT,
    MAIL_WAIT,
    MAIL_WORDING,
    UNSUBSCRIBE,
    MailCheck,
    MailComplained,
    MailTurn,
    OwnWords,
    Unsubscribe,
    WordingAsk,
    find_own_words,
    quiet_until,
    take_slot,
    written_instead,
)
from app.modules.messaging.layout import find_brand, render_html
from app.modules.messaging.rules import MARKETING, SERVICE, split_text
from app.modules.messaging.service import Mail, count_mails, messaging_ready, queue_mail

# The service mails there are; they need no consent. Marketing mail comes with its own module.
SERVICE_KINDS = (
    "sign_up",
    "sign_up_known",
    "password_reset",
    "card_link",
    "message_test",
    "pin_alert",
    "pin_renewal",
    "fraud_alert",
    "factor_changed",
    "apple_alert",
    "export_ready",
    "new_device",
    "password_changed",
    "address_new",
    "address_changed",
    "invitation",
    "owner_changed",
    "privacy_request",
    "webhook_off",
    "business_closed",
)

__all__ = [
    "MAIL_COMPLAINED",
    "MAIL_GUARD",
    "MAIL_INSTEAD",
    "MAIL_SLOT",
    "MAIL_WAIT",
    "MAIL_WORDING",
    "OwnWords",
    "WordingAsk",
    "find_own_words",
    "quiet_until",
    "take_slot",
    "written_instead",
    "mail_frame",
    "with_goodbye",
    "MARKETING",
    "SERVICE",
    "UNSUBSCRIBE",
    "Mail",
    "MailCheck",
    "MailComplained",
    "MailTurn",
    "Unsubscribe",
    "count_suppressed",
    "find_brand",
    "render_html",
    "split_text",
    "SERVICE_KINDS",
    "count_mails",
    "messaging_ready",
    "queue_mail",
]

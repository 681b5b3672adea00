"""The words of the mails that cards sends, in the language in effect."""

from __future__ import annotations

from dataclasses import dataclass

from app.kernel.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class Mail:
    """A subject and a plain text."""

    subject: str
    text: str


def compose_card_link(shop: str, url: str, *, purpose: str, joins: bool) -> Mail:
    """Return the mail that brings a card to its mailbox. joins: the address already has a card there."""
    if joins:
        subject = _("Your card at %(shop)s", shop=shop)
        lead = _(
            "You already have a card at %(shop)s. This link opens it, and adds the new one to it:", shop=shop
        )
    elif purpose == "confirm":
        subject = _("Confirm your e-mail for your card at %(shop)s", shop=shop)
        lead = _("Please confirm that this address belongs to your card at %(shop)s:", shop=shop)
    else:
        subject = _("Your card at %(shop)s", shop=shop)
        lead = _("This link opens your card at %(shop)s on the device you read this on:", shop=shop)
    rest = _("The link works once, for seven days. If you did not ask for it, you need not do anything.")
    return Mail(subject, f"{lead}\n\n{url}\n\n{rest}\n")


def compose_no_card(shop: str, join_url: str) -> Mail:
    """Return the mail to an address that asked for a card it does not have."""
    subject = _("Your card at %(shop)s", shop=shop)
    lead = _("Somebody asked for the card of this address at %(shop)s. There is none yet.", shop=shop)
    way = _("You can get one here:")
    return Mail(subject, f"{lead} {way}\n\n{join_url}\n")

"""The words of the mails that cards sends, in the language in effect."""

from __future__ import annotations

from dataclasses import dataclass

from app.kernel.i18n import gettext as _
from app.modules.messaging.public import OwnWords


@dataclass(frozen=True, slots=True)
class Mail:
    """A subject and a plain text."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class CardWords:
    """What a link is for. joins: the address already has a card there. consent: the agreement to be confirmed."""

    purpose: str
    joins: bool = False
    consent: str = ""

    @property
    def wording(self) -> str | None:
        """Name the wording that a shop may write itself; what a second card says is ours."""
        if self.joins:
            return None
        return "verify_address" if self.purpose == "confirm" else "card_link"


def compose_card_link(shop: str, url: str, words: CardWords, own: OwnWords | None = None) -> Mail:
    """Return the mail that brings a card to its mailbox. own: the shop's words before the link."""
    if words.joins:
        subject = _("Your card at %(shop)s", shop=shop)
        lead = _(
            "You already have a card at %(shop)s. This link opens it, and adds the new one to it:", shop=shop
        )
    elif words.purpose == "confirm":
        subject = _("Confirm your e-mail for your card at %(shop)s", shop=shop)
        lead = _("Please confirm that this address belongs to your card at %(shop)s:", shop=shop)
    else:
        subject = _("Your card at %(shop)s", shop=shop)
        lead = _("This link opens your card at %(shop)s on the device you read this on:", shop=shop)
    if own is not None:
        subject, lead = own.subject, own.text
    rest = _("The link works once, for seven days. If you did not ask for it, you need not do anything.")
    if words.consent:
        asked = _("With the button behind it you also confirm what was ticked for this address:")
        rest = (
            f"{asked}\n“{words.consent}”\n\n"
            + _("You can open your card without agreeing, too.")
            + f"\n\n{rest}"
        )
    return Mail(subject, f"{lead}\n\n{url}\n\n{rest}\n")


def compose_no_card(shop: str, join_url: str) -> Mail:
    """Return the mail to an address that asked for a card it does not have."""
    subject = _("Your card at %(shop)s", shop=shop)
    lead = _("Somebody asked for the card of this address at %(shop)s. There is none yet.", shop=shop)
    way = _("You can get one here:")
    return Mail(subject, f"{lead} {way}\n\n{join_url}\n")

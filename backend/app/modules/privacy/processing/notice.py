"""The privacy notice of a merchant: who, what for, on what ground, how long, who else, and what one may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext
from app.kernel.points import PERSONAL_DATA
from app.kernel.settings import get_settings
from app.modules.merchants.public import MerchantView
from app.modules.messaging.public import messaging_ready
from app.modules.privacy.settings import PrivacySettings
from app.modules.wallets.public import offered_wallets

# The supervisory authority by the merchant's time zone, which says its country. Source: edpb.europa.eu, "Members",
# read on 21 November 2026. Names of authorities are not translated.
AUTHORITIES: Mapping[str, tuple[str, str]] = {
    "Europe/Luxembourg": (
        "CNPD, Commission nationale pour la protection des données",
        "https://cnpd.public.lu",
    ),
    "Europe/Paris": ("CNIL, Commission nationale de l’informatique et des libertés", "https://www.cnil.fr"),
    "Europe/Brussels": (
        "APD/GBA, Autorité de protection des données",
        "https://www.autoriteprotectiondonnees.be",
    ),
    "Europe/Berlin": ("Datenschutzaufsichtsbehörde des Bundeslandes", "https://www.bfdi.bund.de"),
    "Europe/Vienna": ("Österreichische Datenschutzbehörde", "https://www.dsb.gv.at"),
    "Europe/Amsterdam": ("Autoriteit Persoonsgegevens", "https://www.autoriteitpersoonsgegevens.nl"),
}
ALL_AUTHORITIES = "https://www.edpb.europa.eu/about-edpb/about-edpb/members_en"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its paragraphs."""

    title: str
    paragraphs: tuple[str, ...]


async def make_notice(session: AsyncSession, merchant: MerchantView, *, now: datetime) -> Mapping[str, Any]:
    """Return what the page shows, in the reader's language. Source: Art. 13 GDPR, point by point."""
    settings = await get_settings(session, PrivacySettings, merchant_id=merchant.id)
    name = settings.controller_name or merchant.name
    recipients = await _who_else(session, merchant, now=now)
    sections = [
        Section(_("What we keep, and what for"), _what(merchant.modules_on)),
        Section(_("On what ground"), _grounds()),
        Section(_("How long"), _how_long(settings.inactive_months)),
        Section(_("Who else sees it"), recipients),
        Section(_("Your rights"), _rights()),
        Section(_("Where you can complain"), _complaint(merchant.time_zone)),
    ]
    return {
        "controller": {
            "name": name,
            "address": settings.controller_address,
            "email": settings.contact_email,
        },
        "sections": sections,
        "extra_note": settings.extra_note,
    }


def _what(modules_on: frozenset[str]) -> tuple[str, ...]:
    lines = [
        _(
            "Your card: its number, stamps, points, visits, rewards and when they happened. "
            "Without them there is no card."
        ),
        _("Your name, email, phone and birthday, if you told us. You may leave out each of them."),
        _("What you agreed to, with the exact words and the moment, so that we can prove it."),
        _("Mails and messages that we sent you about your card."),
    ]
    if "fingerprints" in modules_on:
        lines.append(
            _(
                "For each visit on your phone, a code made from network address, browser and device, which cannot "
                "be read back: to find misuse at the till."
            )
        )
    lines.append(
        _(
            "Cookies: one that remembers your card on this device, one for your language, one "
            "that protects forms. None follows you."
        )
    )
    lines.append(_("No machine decides anything about you: what looks unusual is looked at by people."))
    return tuple(lines)


def _grounds() -> tuple[str, ...]:
    return (
        _("The card itself, and mails that you ask for: the contract with you (Art. 6(1)(b) GDPR)."),
        _(
            "Reminders and promotions: only your consent (Art. 6(1)(a) GDPR). You can take it "
            "back at any time, in every mail and on your card. What happened before stays lawful."
        ),
        _(
            "Preventing misuse, and counting visits to run the shop: our legitimate interest (Art. 6(1)(f) GDPR). "
            "You may object."
        ),
        _("Keeping the proof of what you agreed to: our legal duty (Art. 6(1)(c) and 7(1) GDPR)."),
    )


def _how_long(months: int) -> tuple[str, ...]:
    first = _("Until you delete it: the button is on your card.")
    mails = _("The words of mails: some weeks. Then only that one was sent is kept.")
    after = _(
        "Sums without any name stay, because our books must balance, and so does the "
        "proof of what you agreed to."
    )
    if not months:
        return first, mails, after
    limit = ngettext(
        "Without a visit for %(num)s month it is deleted by itself.",
        "Without a visit for %(num)s months it is deleted by itself.",
        months,
    )
    return first, limit, mails, after


async def _who_else(session: AsyncSession, merchant: MerchantView, *, now: datetime) -> tuple[str, ...]:
    lines = [
        _(
            "Nobody buys it. Those who run this website for us process it on our behalf, bound by contract "
            "(Art. 28 GDPR)."
        )
    ]
    if messaging_ready(resources_of(session).get(Settings)):
        lines.append(_("Mails pass through the mail service that we use for sending."))
    lines += [
        _(handler.purpose.goes_to)
        for feature, handler in PERSONAL_DATA.items()
        if feature in merchant.modules_on and handler.purpose is not None and handler.purpose.goes_to
    ]
    offered = await offered_wallets(session, merchant.id, now=now)
    if "apple" in offered:
        lines.append(_("If you put the card into Apple Wallet, Apple delivers it to your devices."))
    if "google" in offered:
        lines.append(_("If you put the card into Google Wallet, Google keeps a copy to show it to you."))
    if offered:
        lines.append(
            _(
                "Apple and Google may process it in the USA, under the EU–US Data Privacy Framework or the "
                "standard contractual clauses of the EU. You decide: the card works without a wallet."
            )
        )
    return tuple(lines)


def _rights() -> tuple[str, ...]:
    return (
        _(
            "See, download, correct and delete everything: on your card, under “My data and "
            "this device”. You need no account."
        ),
        _(
            "You have the right of access, rectification, erasure, restriction, data portability and objection "
            "(Art. 15 to 21 GDPR), and may write to us about each. We answer within a month, free of charge."
        ),
    )


def _complaint(time_zone: str) -> tuple[str, ...]:
    known = AUTHORITIES.get(time_zone)
    first = _(
        "You may complain to a data protection authority, where you live, where you work or where we are."
    )
    if known is None:
        return first, _("All authorities of the EU and how to reach them: %(url)s", url=ALL_AUTHORITIES)
    return first, _("Where we are, that is: %(name)s, %(url)s", name=known[0], url=known[1])

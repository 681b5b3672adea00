"""The mail that finishes a sign-up, in the language of the form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.modules.accounts.signing_in.mails import absolute_url
from app.modules.messaging.public import queue_mail
from app.utils.validators import without_links

CONFIRM_PATH = "/sign-up/confirm"


@dataclass(frozen=True, slots=True)
class SignUpLink:
    """What the mail of a sign-up needs. token None: the address has an account, and the mail says so."""

    merchant_id: UUID
    token: str | None


async def send_sign_up_mail(
    session: AsyncSession, link: SignUpLink, *, name: str, email: str, locale: str, now: datetime
) -> None:
    """Queue the mail that finishes a sign-up, or tells the owner of a known address what was tried."""
    with use_language(locale):
        ignore = _("If this was not you, you need not do anything.")
        if link.token is None:
            kind, label = "sign_up_known", _("Sign in")
            subject = _("You already have an account")
            lead = _("Somebody, perhaps you, tried to sign up with this address. It already has an account:")
            url = absolute_url(session, "/sign-in")
            rest = _("If you have forgotten the password, choose a new one from the sign-in page.")
        else:
            kind, label = "sign_up", _("Open my account")
            subject = _("Open your account")
            lead = _("One click, and the loyalty programme of %(name)s can begin:", name=without_links(name))
            url = absolute_url(session, f"{CONFIRM_PATH}/{link.token}")
            rest = _("The link works once, for 24 hours.")
    await queue_mail(
        session,
        merchant_id=link.merchant_id,
        recipient=email,
        kind=kind,
        locale=locale,
        subject=subject,
        text=f"{lead}\n\n{url}\n\n{rest} {ignore}\n",
        action_label=label,
        now=now,
    )

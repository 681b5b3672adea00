"""Mails of the team, in the business's language: an invitation, and that the owner has changed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.modules.accounts.members import MemberView
from app.modules.accounts.models import MemberInvitation
from app.modules.accounts.signing_in.mails import (
    MailText,
    absolute_url,
    alarm_path,
    alarm_text,
    send_security_mail,
)
from app.modules.merchants.public import MerchantView
from app.modules.messaging.public import queue_mail
from app.utils.validators import without_links

INVITATION_PATH = "/invitation/link"
TEAM_PATH = "/dashboard/team"


async def send_invitation_mail(
    session: AsyncSession, merchant: MerchantView, invitation: MemberInvitation, *, token: str, now: datetime
) -> None:
    """Queue the mail with the link of an invitation; the same for every address."""
    with use_language(merchant.locale):
        name = without_links(merchant.name)
        subject = _("An invitation to the team of %(name)s", name=name)
        lead = _(
            "%(name)s invites you to its loyalty dashboard. Choose a password, and you are in:", name=name
        )
        rest = _(
            "The link works once, for 7 days. If you do not know this business, you need not do anything."
        )
    url = absolute_url(session, f"{INVITATION_PATH}/{token}")
    with use_language(merchant.locale):
        label = _("Join the team")
    await queue_mail(
        session,
        merchant_id=merchant.id,
        recipient=invitation.email,
        kind="invitation",
        locale=merchant.locale,
        subject=subject,
        text=f"{lead}\n\n{url}\n\n{rest}\n",
        action_label=label,
        now=now,
    )


async def send_owner_mails(
    session: AsyncSession, former: MemberView, successor: MemberView, *, now: datetime
) -> None:
    """Tell both that the business has another owner."""

    def to_successor() -> MailText:
        return MailText(
            _("You are the owner now"),
            _("%(name)s was handed over to you: you may do everything there.", name=former.merchant_name),
            _("The owner of until now is a manager in your team."),
            TEAM_PATH,
            _("See the team"),
        )

    def to_former() -> MailText:
        return MailText(
            _("You have handed over the business"),
            _("%(name)s has another owner; you are a manager in its team.", name=former.merchant_name),
            alarm_text() + " " + _("You are the owner again then."),
            path,
            _("That was not me"),
        )

    path = await alarm_path(session, former, now=now)
    await send_security_mail(session, successor, kind="owner_changed", write=to_successor, now=now)
    await send_security_mail(session, former, kind="owner_changed", write=to_former, now=now)

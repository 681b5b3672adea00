"""Mails to a member whose second factor changed: the first a victim hears of a stranger, so they name the way out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.modules.accounts.public import MailText, MemberView, send_security_mail

SECURITY_PATH = "/dashboard/account/security"


class Change(StrEnum):
    """What happened; the value is the action of the audit entry."""

    APP_ON = "second_factor.app_on"
    APP_OFF = "second_factor.app_off"
    CODES_DRAWN = "second_factor.codes_drawn"
    CODE_USED = "second_factor.code_used"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_REMOVED = "passkey.removed"
    RESET = "second_factor.reset"
    RESET_BY_OWNER = "second_factor.reset_by_owner"


SUBJECTS = {
    Change.APP_ON: msg("Signing in now takes a code from your phone"),
    Change.APP_OFF: msg("Signing in takes no code any more"),
    Change.CODES_DRAWN: msg("You have new recovery codes"),
    Change.CODE_USED: msg("A recovery code was used"),
    Change.PASSKEY_ADDED: msg("A passkey was added to your account"),
    Change.PASSKEY_REMOVED: msg("A passkey was removed from your account"),
    Change.RESET: msg("Your second factor was taken away"),
    Change.RESET_BY_OWNER: msg("Your second factor was taken away"),
}
LEADS = {
    Change.APP_ON: msg("An authenticator app was added to your account at %(name)s."),
    Change.APP_OFF: msg("The authenticator app was removed from your account at %(name)s."),
    Change.CODES_DRAWN: msg("Your account at %(name)s has new recovery codes. The old ones work no more."),
    Change.CODE_USED: msg("Somebody used one of your recovery codes for your account at %(name)s."),
    Change.PASSKEY_ADDED: msg(
        "A passkey was added to your account at %(name)s. It signs in without the password."
    ),
    Change.PASSKEY_REMOVED: msg("A passkey was removed from your account at %(name)s."),
    Change.RESET: msg(
        "Whoever runs this installation removed the authenticator app, the passkeys and the recovery codes of your "
        "account at %(name)s. The password alone signs in until you set up a second factor again."
    ),
    Change.RESET_BY_OWNER: msg(
        "The owner of %(name)s removed the authenticator app, the passkeys and the recovery codes of your account. "
        "The password alone signs in until you set up a second factor again."
    ),
}


async def send_change_mail(
    session: AsyncSession, member: MemberView, change: Change, *, now: datetime
) -> None:
    """Queue the mail about a change, in the business's language."""

    def write() -> MailText:
        rest = _("If this was not you, choose a new password at once and end all your sessions.")
        lead = _(LEADS[change], name=member.merchant_name)
        return MailText(_(SUBJECTS[change]), lead, rest, SECURITY_PATH, _("Look at my account"))

    await send_security_mail(session, member, kind="factor_changed", write=write, now=now)

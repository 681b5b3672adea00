"""Mails about sign-ins, in the business's language: a new device, a reset, and what others have to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.modules.accounts.members import MemberView
from app.modules.accounts.signing_in.browser import Browser
from app.modules.accounts.signing_in.links import LinkWish, make_link
from app.modules.accounts.signing_in.sessions import SignedIn
from app.modules.messaging.public import queue_mail
from app.utils.validators import without_links

RESET_PATH = "/password-reset/link"
ALARM_PATH = "/not-me/link"


@dataclass(frozen=True, slots=True)
class MailText:
    """The words of a mail with one link. path: of the link, below the public address. label: on its button."""

    subject: str
    lead: str
    rest: str
    path: str
    label: str


def absolute_url(session: AsyncSession, path: str) -> str:
    """Return a path below the public address."""
    return resources_of(session).get(Settings).public_url.rstrip("/") + path


async def send_security_mail(
    session: AsyncSession,
    member: MemberView,
    *,
    kind: str,
    write: Callable[[], MailText],
    now: datetime,
    recipient: str = "",
) -> None:
    """Queue a mail about a member's sign-in. write: called while the business's language is in use.

    recipient: another mailbox than the member's own, such as the one they had until now.
    """
    with use_language(member.locale):
        words = write()
    await queue_mail(
        session,
        merchant_id=member.merchant_id,
        recipient=recipient or member.email,
        kind=kind,
        locale=member.locale,
        subject=words.subject,
        text=f"{words.lead}\n\n{absolute_url(session, words.path)}\n\n{words.rest}\n",
        action_label=words.label,
        now=now,
    )


def alarm_text() -> str:
    """Return what an alarm's link does, in the language in use."""
    return _("The link ends all your sessions and lets you choose a new password. It works once, for 7 days.")


async def send_new_device_mail(
    session: AsyncSession, member: MemberView, *, opened: SignedIn, browser: Browser, now: datetime
) -> None:
    """Tell a member that a browser never seen before has signed in, with a way to say that it was not them."""
    path = await alarm_path(session, member, session_id=opened.session_id, now=now)
    at = now.astimezone(ZoneInfo(member.time_zone))

    def write() -> MailText:
        lead = _(
            "Somebody signed in to the dashboard of %(name)s with your address from a browser that we have "
            "not seen before: %(browser)s, %(time)s. If it was you, you need not do anything.",
            name=without_links(member.merchant_name),
            browser=browser.name or _("unknown browser"),
            time=f"{at:%Y-%m-%d %H:%M}",
        )
        return MailText(
            _("A new sign-in to your dashboard"),
            lead,
            alarm_text(),
            path,
            _("That was not me"),
        )

    await send_security_mail(session, member, kind="new_device", write=write, now=now)


async def alarm_path(
    session: AsyncSession,
    member: MemberView,
    *,
    now: datetime,
    email: str | None = None,
    session_id: UUID | None = None,
) -> str:
    """Make a "that was not me" link and return its path. email: the address it gives back."""
    wish = LinkWish("alarm", member.merchant_id, member.id, email=email, session_id=session_id)
    return f"{ALARM_PATH}/{await make_link(session, wish, now=now)}"


async def send_reset_mail(
    session: AsyncSession, member: MemberView | None, *, email: str, token: str, locale: str, now: datetime
) -> None:
    """Queue the mail with a reset link; an address without an account is told that it has none."""
    with use_language(member.locale if member else locale):
        ignore = _("If this was not you, you need not do anything.")
        if member is None:
            subject, label = _("There is no account for this address"), _("Sign up")
            lead = _("Somebody, perhaps you, asked for a new password. This address has no account yet:")
            url, rest = absolute_url(session, "/sign-up"), _("Perhaps you signed up with another address.")
        else:
            subject, label = _("Choose a new password"), _("Choose a new password")
            lead = _("Here you can choose a new password for %(name)s:", name=member.merchant_name)
            url = absolute_url(session, f"{RESET_PATH}/{token}")
            rest = _("The link works once, for one hour.")
    await queue_mail(
        session,
        # Without an account the mail belongs to the made-up tenant that the transaction was bound to.
        merchant_id=session.info["merchant_id"],
        recipient=email,
        kind="password_reset",
        locale=member.locale if member else locale,
        subject=subject,
        text=f"{lead}\n\n{url}\n\n{rest} {ignore}\n",
        action_label=label,
        now=now,
    )

"""Sign-up and reset up to their mails: the use cases, and the words in the reader's language."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import Database
from app.kernel.adapters import resources_of
from app.kernel.errors import AppError
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.kernel.outcomes import Refusal
from app.modules.merchants.rules import without_links
from app.modules.merchants.service import SignUpLink, SignUpWish, begin_sign_up, is_sign_up_open
from app.modules.merchants.sign_in import ResetLink, begin_reset, reserve_attempt
from app.modules.messaging.public import queue_mail
from app.utils.security import Keyring

MAIL_LIMITS = {"sign_up": 3, "reset": 3}  # mails that one address gets in a window

CONFIRM_PATH = "/sign-up/confirm"
RESET_PATH = "/password-reset/link"


def _url(session: AsyncSession, path: str) -> str:
    return resources_of(session).get(Settings).public_url.rstrip("/") + path


async def request_sign_up(session: AsyncSession, wish: SignUpWish, *, now: datetime) -> None | Refusal:
    """Keep a sign-up and mail its link; refuses only what the form itself shows, never whether one is known.

    Raises sign_up_closed.
    """
    if not is_sign_up_open(resources_of(session).get(Settings)):
        raise AppError("sign-up is closed", code="sign_up_closed")
    link = await begin_sign_up(session, wish, now=now)
    if isinstance(link, Refusal):
        return link
    if await _may_mail(session, "sign_up", wish.email, now=now):
        await send_sign_up_mail(session, link, wish, now=now)
    return None


async def request_reset(session: AsyncSession, email: str, *, locale: str, now: datetime) -> None:
    """Mail a link to choose a new password; the answer says nothing about the address."""
    link = await begin_reset(session, email, now=now)
    if await _may_mail(session, "reset", email, now=now):
        await send_reset_mail(session, link, email=email, locale=locale, now=now)


async def _may_mail(session: AsyncSession, purpose: str, email: str, *, now: datetime) -> bool:
    # Over the limit the answer stays the same and no mail goes out: nobody's mailbox is flooded through us.
    resources = resources_of(session)
    refused = await reserve_attempt(
        resources.get(Database),
        resources.get(Keyring),
        purpose=purpose,
        subjects={"user": (email, MAIL_LIMITS[purpose])},
        now=now,
    )
    return refused is None


async def send_sign_up_mail(
    session: AsyncSession, link: SignUpLink, wish: SignUpWish, *, now: datetime
) -> None:
    """Queue the mail that finishes a sign-up, or tells the owner of a known address what was tried."""
    with use_language(wish.locale):
        ignore = _("If this was not you, you need not do anything.")
        if link.token is None:
            kind, label = "sign_up_known", _("Sign in")
            subject = _("You already have an account")
            lead = _("Somebody, perhaps you, tried to sign up with this address. It already has an account:")
            url = _url(session, "/sign-in")
            rest = _("If you have forgotten the password, choose a new one from the sign-in page.")
        else:
            kind, label = "sign_up", _("Open my account")
            subject = _("Open your account")
            lead = _(
                "One click, and the loyalty programme of %(name)s can begin:", name=without_links(wish.name)
            )
            url = _url(session, f"{CONFIRM_PATH}/{link.token}")
            rest = _("The link works once, for 24 hours.")
    await queue_mail(
        session,
        merchant_id=link.merchant_id,
        recipient=wish.email,
        kind=kind,
        locale=wish.locale,
        subject=subject,
        text=f"{lead}\n\n{url}\n\n{rest} {ignore}\n",
        action_label=label,
        now=now,
    )


async def send_reset_mail(
    session: AsyncSession, link: ResetLink | None, *, email: str, locale: str, now: datetime
) -> None:
    """Queue the mail with a reset link; an address without an account is told that it has none."""
    with use_language(link.locale if link else locale):
        ignore = _("If this was not you, you need not do anything.")
        if link is None:
            subject, label = _("There is no account for this address"), _("Sign up")
            lead = _("Somebody, perhaps you, asked for a new password. This address has no account yet:")
            url, rest = _url(session, "/sign-up"), _("Perhaps you signed up with another address.")
        else:
            subject, label = _("Choose a new password"), _("Choose a new password")
            lead = _("Here you can choose a new password for %(name)s:", name=link.name)
            url, rest = _url(session, f"{RESET_PATH}/{link.token}"), _("The link works once, for one hour.")
    await queue_mail(
        session,
        # Without an account the mail belongs to the made-up tenant that the transaction was bound to.
        merchant_id=session.info["merchant_id"],
        recipient=email,
        kind="password_reset",
        locale=link.locale if link else locale,
        subject=subject,
        text=f"{lead}\n\n{url}\n\n{rest} {ignore}\n",
        action_label=label,
        now=now,
    )

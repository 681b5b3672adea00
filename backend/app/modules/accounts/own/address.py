"""Another sign-in address: asked for with the password, confirmed by the new mailbox, told to the old one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.lookup import add_lookup, remove_lookup
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.accounts.members import MemberView, find_member, store_sign_in
from app.modules.accounts.own.service import confirm_password
from app.modules.accounts.signing_in.limits import count_attempt
from app.modules.accounts.signing_in.links import LinkWish, lock_link, make_link, use_links
from app.modules.accounts.signing_in.mails import MailText, alarm_path, alarm_text, send_security_mail
from app.modules.accounts.signing_in.sessions import principal_of
from app.modules.merchants.public import EMAIL_LOOKUP, email_key
from app.utils.security import Keyring
from app.utils.validators import without_links

ADDRESS_PATH = "/new-address/link"
ADDRESS_MAILS_MAX = 3


async def request_address(
    session: AsyncSession, principal: Principal, *, email: str, password: str, now: datetime
) -> Refusal | None:
    """Mail a link to the new address; nothing tells whether it signs in somewhere already.

    Refuses password_wrong or rate_limited.
    """
    member = await confirm_password(session, principal, password=password, now=now)
    if isinstance(member, Refusal):
        return member
    keyring = resources_of(session).get(Keyring)
    for value in (str(member.id), email):
        limit = {"user": (value, ADDRESS_MAILS_MAX)}
        refused = await count_attempt(session, keyring, purpose="address", subjects=limit, now=now)
        if refused is not None:
            return refused
    wish = LinkWish("email", member.merchant_id, member.id, email=email)
    token = await make_link(session, wish, now=now)
    await record_audit(
        session, principal, action="address.asked", target_kind="member", target_id=member.id, now=now
    )

    def write() -> MailText:
        return MailText(
            _("Confirm your new address"),
            _("From now on you want to sign in to the dashboard of %(name)s with this address:", name=name),
            _("The link works once, for 24 hours. If this was not you, you need not do anything."),
            f"{ADDRESS_PATH}/{token}",
            _("Confirm the address"),
        )

    name = without_links(member.merchant_name)
    await send_security_mail(session, member, kind="address_new", write=write, now=now, recipient=email)
    return None


async def confirm_address(session: AsyncSession, token: str, *, now: datetime) -> Refusal | None:
    """Take the new address over, once, and tell the old mailbox.

    Refuses link_unusable, and address_taken where the address signs in elsewhere: who reads it holds the mailbox.
    """
    link = await lock_link(session, "email", token=token, now=now)
    member = await find_member(session, link.merchant_id, link.member_id) if link else None
    if link is None or link.email is None or member is None:
        return Refusal("link_unusable")
    if not await move_address(session, member, email=link.email, now=now):
        return Refusal("address_taken")
    await use_links(session, member.merchant_id, member_id=member.id, now=now)
    path = await alarm_path(session, member, email=member.email, now=now)

    def write() -> MailText:
        return MailText(
            _("Your sign-in address was changed"),
            _(
                "The dashboard of %(name)s is signed in to with another address now. If it was you, you need not "
                "do anything.",
                name=without_links(member.merchant_name),
            ),
            alarm_text() + " " + _("Your address of until now is put back."),
            path,
            _("That was not me"),
        )

    # `member` still names the old mailbox.
    await send_security_mail(session, member, kind="address_changed", write=write, now=now)
    return None


async def move_address(session: AsyncSession, member: MemberView, *, email: str, now: datetime) -> bool:
    """Let a member sign in with another address; False where somebody else does."""
    keyring = resources_of(session).get(Keyring)
    old, new = email_key(keyring, member.email), email_key(keyring, email)
    if old != new:
        merchant_id = member.merchant_id
        if not await add_lookup(session, EMAIL_LOOKUP, new, merchant_id=merchant_id, target_id=member.id):
            return False
        await remove_lookup(session, EMAIL_LOOKUP, old, merchant_id=merchant_id)
    await store_sign_in(session, member, email=email)
    await record_audit(
        session,
        principal_of(member),
        action="account.changed",
        target_kind="member",
        target_id=member.id,
        now=now,
        facts={"fields": ["email"]},
    )
    return True

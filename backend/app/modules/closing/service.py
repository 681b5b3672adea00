"""Closing a business and opening it again. What follows after thirty days is in erasing.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import Forbidden, NotFound
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.accounts.public import MailText, MemberView, get_own_member, send_security_mail
from app.modules.closing.guards import FEATURE
from app.modules.closing.models import BusinessClosing
from app.modules.closing.rules import OPEN_AGAIN_FOR, is_name
from app.modules.merchants.public import get_merchant, set_feature_rules
from app.modules.second_factor.public import Proof, prove_again
from app.modules.stores.public import list_stores
from app.modules.wallets.public import mark_program_changed
from app.utils.validators import without_links

URL = "/dashboard/closing"


async def find_closing(
    session: AsyncSession, merchant_id: UUID, *, lock: bool = False
) -> BusinessClosing | None:
    """Return since when a business is closed, freshly read; None for one that is open."""
    statement = (
        select(BusinessClosing)
        .where(BusinessClosing.merchant_id == merchant_id)
        .execution_options(populate_existing=True)
    )
    found: BusinessClosing | None = await session.scalar(statement.with_for_update() if lock else statement)
    return found


async def close_business(
    session: AsyncSession, principal: Principal, proof: Proof, *, typed_name: str, now: datetime
) -> Refusal | None:
    """Close the owner's business; doing it again changes nothing.

    Refuses name_differs before any password is looked at, and what prove_again refuses.
    """
    merchant = await get_merchant(session, principal.merchant_id)
    if not is_name(typed_name, merchant.name):
        return Refusal("name_differs")
    owner = await prove_again(session, principal, proof, any_factor=True, now=now)
    if isinstance(owner, Refusal):
        return owner
    # Handed over while the password was being looked at: no longer theirs to close.
    if (await get_own_member(session, principal)).role != "owner":
        raise Forbidden
    made = await session.scalar(
        insert(BusinessClosing)
        .values(merchant_id=merchant.id, closed_at=now, erase_at=now + OPEN_AGAIN_FOR)
        .on_conflict_do_nothing()
        .returning(BusinessClosing.erase_at)
    )
    if made is None:
        return None
    await set_feature_rules(session, merchant.id, FEATURE, {"since": now.isoformat()})
    await _record(session, principal, "business.closed", now=now)
    await _redraw_cards(session, merchant.id)
    await _write_to(session, owner, _closed_words(owner, made), now=now)
    return None


async def open_again(session: AsyncSession, principal: Principal, *, now: datetime) -> None:
    """Open a closed business again, as it was; raises NotFound once its time is over."""
    closing = await find_closing(session, principal.merchant_id, lock=True)
    if closing is None:
        return
    if closing.erased_at is not None or now >= closing.erase_at:
        raise NotFound("business")
    await session.execute(
        delete(BusinessClosing)
        .where(BusinessClosing.merchant_id == principal.merchant_id)
        .execution_options(synchronize_session=False)
    )
    await set_feature_rules(session, principal.merchant_id, FEATURE, {})
    await _record(session, principal, "business.opened_again", now=now)
    await _redraw_cards(session, principal.merchant_id)
    owner = await get_own_member(session, principal)
    await _write_to(session, owner, _open_words(owner), now=now)


async def _redraw_cards(session: AsyncSession, merchant_id: UUID) -> None:
    for program_id in sorted({store.program.id for store in await list_stores(session, merchant_id)}):
        await mark_program_changed(session, merchant_id, program_id)


async def _write_to(
    session: AsyncSession, owner: MemberView, words: Callable[[], MailText], *, now: datetime
) -> None:
    await send_security_mail(session, owner, kind="business_closed", write=words, now=now)


def _closed_words(owner: MemberView, erase_at: datetime) -> Callable[[], MailText]:
    def words() -> MailText:
        name, day = without_links(owner.merchant_name), current().format_date(erase_at, zone=owner.time_zone)
        return MailText(
            _("%(name)s is closed", name=name),
            _("You closed %(name)s. Nobody joins or collects any more. Open it again here:", name=name),
            _(
                "You can until %(day)s. After that customers, cards and everything else are erased, and nobody"
                " can bring them back. Was it not you? Open it again and change your password.",
                day=day,
            ),
            URL,
            _("Open it again"),
        )

    return words


def _open_words(owner: MemberView) -> Callable[[], MailText]:
    def words() -> MailText:
        name = without_links(owner.merchant_name)
        return MailText(
            _("%(name)s is open again", name=name),
            _("%(name)s is open again, as it was. Nothing was erased.", name=name),
            _("If that was not you, change your password now."),
            "/dashboard",
            _("To the dashboard"),
        )

    return words


async def _record(session: AsyncSession, principal: Principal, action: str, *, now: datetime) -> None:
    await record_audit(
        session,
        principal,
        action=action,
        target_kind="merchant",
        target_id=principal.merchant_id,
        now=now,
    )

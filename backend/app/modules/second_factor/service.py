"""What a member has set up, and changing it: each change asks who it is again, leaves an entry and sends a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy import delete, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.settings import ModuleSettings, get_settings, save_settings
from app.modules.accounts.public import (
    Browser,
    MemberView,
    confirm_password,
    find_member,
    refund_factor_try,
    reserve_factor_try,
)
from app.modules.second_factor.mails import Change, send_change_mail
from app.modules.second_factor.models import MemberTotp, Passkey, RecoveryCode
from app.modules.second_factor.passkeys.service import forget_passkeys, remove_passkey
from app.modules.second_factor.recovery import draw_codes, forget_codes, spend_code
from app.modules.second_factor.rules import Factors, parse_recovery_code, parse_totp_code
from app.modules.second_factor.totp import begin_totp, forget_totp, take_totp_code


class SecondFactorSettings(ModuleSettings):
    """What the owner decides for everyone who signs in to the dashboard."""

    section: ClassVar[str] = "second_factor"
    required: bool = Field(
        default=False,
        description="Everyone who signs in to the dashboard has a second factor, or sets one up at the next sign-in.",
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """What a member gives again before a change that matters. code: of the app, or a recovery code."""

    password: str
    browser: Browser
    code: str = ""


async def factors_of(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, without: UUID | None = None
) -> Factors:
    """Return what the member has set up, in one statement. without: a passkey that is not counted."""
    is_counted = Passkey.id != without if without else true()
    app = (
        select(func.count())
        .where(
            MemberTotp.merchant_id == merchant_id,
            MemberTotp.member_id == member_id,
            MemberTotp.confirmed_at.is_not(None),
        )
        .scalar_subquery()
    )
    keys = (
        select(func.count())
        .where(
            Passkey.merchant_id == merchant_id,
            Passkey.member_id == member_id,
            Passkey.blocked_at.is_(None),
            is_counted,
        )
        .scalar_subquery()
    )
    codes = (
        select(func.count())
        .where(
            RecoveryCode.merchant_id == merchant_id,
            RecoveryCode.member_id == member_id,
            RecoveryCode.used_at.is_(None),
        )
        .scalar_subquery()
    )
    row = (await session.execute(select(app.label("app"), keys.label("keys"), codes.label("codes")))).one()
    return Factors(row.app > 0, row.keys, row.codes)


async def is_required_here(session: AsyncSession, merchant_id: UUID) -> bool:
    """Tell whether the owner asks everyone for a second factor."""
    return (await get_settings(session, SecondFactorSettings, merchant_id=merchant_id)).required


async def set_required(
    session: AsyncSession, principal: Principal, *, settings: SecondFactorSettings, now: datetime
) -> None:
    """Ask everyone for a second factor from the next sign-in on, or no more."""
    await save_settings(session, settings, merchant_id=principal.merchant_id)
    action = "second_factor.required" if settings.required else "second_factor.optional"
    await record_audit(
        session,
        principal,
        action=action,
        target_kind="merchant",
        target_id=principal.merchant_id,
        now=now,
    )


async def begin_app(
    session: AsyncSession, principal: Principal, *, password: str, begun_in: str, now: datetime
) -> Refusal | None:
    """Draw the secret of a new authenticator app, after the password; it counts for nothing yet."""
    member = await confirm_password(session, principal, password=password, now=now)
    if isinstance(member, Refusal):
        return member
    if not await begin_totp(session, member.merchant_id, member_id=member.id, begun_in=begun_in, now=now):
        return Refusal("app_is_on")
    return None


async def confirm_app(
    session: AsyncSession, member: MemberView, *, code: str, begun_in: str, now: datetime
) -> list[str] | Refusal:
    """Make the new app count, by its first code; returns recovery codes where the member had none.

    Nothing is limited here: whoever may open this page has just been shown the secret.
    """
    typed = parse_totp_code(code)
    merchant_id, member_id = member.merchant_id, member.id
    before = await factors_of(session, merchant_id, member_id=member_id)
    if typed is None or not await take_totp_code(
        session, merchant_id, member_id=member_id, code=typed, now=now, begun_in=begun_in
    ):
        return Refusal("code_wrong")
    await _changed(session, member, Change.APP_ON, now=now)
    return [] if before.on else await draw_codes(session, merchant_id, member_id=member_id, now=now)


async def check_code(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, code: str, now: datetime
) -> bool:
    """Tell whether a code of the app or a recovery code is right, and use it up. The try was reserved before."""
    digits = parse_totp_code(code)
    if digits is not None:
        return await take_totp_code(session, merchant_id, member_id=member_id, code=digits, now=now)
    symbols = parse_recovery_code(code)
    if symbols is None or not await spend_code(
        session, merchant_id, member_id=member_id, code=symbols, now=now
    ):
        return False
    member = await find_member(session, merchant_id, member_id)
    if member is not None:
        await _changed(session, member, Change.CODE_USED, now=now)
    return True


async def prove_again(
    session: AsyncSession, principal: Principal, proof: Proof, *, any_factor: bool = False, now: datetime
) -> MemberView | Refusal:
    """Ask for the password again and, where the member has an app, for a code; every try is counted.

    any_factor: who has passkeys and no app gives a recovery code, for what cannot be taken back. Call it before
    anything is written.
    """
    member = await confirm_password(session, principal, password=proof.password, now=now)
    if isinstance(member, Refusal):
        return member
    factors = await factors_of(session, member.merchant_id, member_id=member.id)
    if not (factors.totp or (any_factor and factors.on)):
        return member
    refused = await reserve_factor_try(session, member.ref, browser=proof.browser, now=now)
    if refused is not None:
        return refused
    if not await check_code(session, member.merchant_id, member_id=member.id, code=proof.code, now=now):
        return Refusal("code_wrong")
    await refund_factor_try(session, member.ref, browser=proof.browser, now=now)
    return member


async def draw_new_codes(
    session: AsyncSession, principal: Principal, proof: Proof, *, now: datetime
) -> list[str] | Refusal:
    """Replace the recovery codes; the old ones are worth nothing from now on."""
    member = await prove_again(session, principal, proof, now=now)
    if isinstance(member, Refusal):
        return member
    if not (await factors_of(session, member.merchant_id, member_id=member.id)).on:
        return Refusal("not_found")
    await _changed(session, member, Change.CODES_DRAWN, now=now)
    return await draw_codes(session, member.merchant_id, member_id=member.id, now=now)


async def turn_app_off(
    session: AsyncSession, principal: Principal, proof: Proof, *, now: datetime
) -> Refusal | None:
    """Forget the authenticator app, after password and code."""
    member = await prove_again(session, principal, proof, now=now)
    if isinstance(member, Refusal):
        return member
    factors = await factors_of(session, member.merchant_id, member_id=member.id)
    if not factors.passkeys and await is_required_here(session, member.merchant_id):
        return Refusal("factor_required_here")
    if await forget_totp(session, member.merchant_id, member_id=member.id):
        await _changed(session, member, Change.APP_OFF, now=now)
    if not factors.passkeys:
        await forget_codes(session, member.merchant_id, member_id=member.id)
    return None


async def take_passkey_away(
    session: AsyncSession, principal: Principal, passkey_id: UUID, *, password: str, now: datetime
) -> Refusal | None:
    """Remove a passkey, after the password; raises NotFound."""
    member = await confirm_password(session, principal, password=password, now=now)
    if isinstance(member, Refusal):
        return member
    others = await factors_of(session, member.merchant_id, member_id=member.id, without=passkey_id)
    if not others.on and await is_required_here(session, member.merchant_id):
        return Refusal("factor_required_here")
    await remove_passkey(session, principal, passkey_id, now=now)
    await send_change_mail(session, member, Change.PASSKEY_REMOVED, now=now)
    if not others.on:
        await forget_codes(session, member.merchant_id, member_id=member.id)
    return None


async def passkey_added(session: AsyncSession, member: MemberView, *, now: datetime) -> list[str]:
    """Tell the member of a new passkey; returns recovery codes where there were none."""
    await send_change_mail(session, member, Change.PASSKEY_ADDED, now=now)
    factors = await factors_of(session, member.merchant_id, member_id=member.id)
    if factors.codes_left or factors.totp or factors.passkeys > 1:
        return []
    return await draw_codes(session, member.merchant_id, member_id=member.id, now=now)


async def forget_member(session: AsyncSession, merchant_id: UUID, *, member_id: UUID) -> bool:
    """Forget every factor of a member; returns whether there was one."""
    had_app = await forget_totp(session, merchant_id, member_id=member_id)
    had_keys = await forget_passkeys(session, merchant_id, member_id=member_id)
    await forget_codes(session, merchant_id, member_id=member_id)
    return had_app or had_keys > 0


async def forget_since(session: AsyncSession, merchant_id: UUID, *, member_id: UUID, since: datetime) -> None:
    """Forget the factors of a member that were set up from a moment on, and codes that nothing else stands beside."""
    for table in (MemberTotp, Passkey, RecoveryCode):
        await session.execute(
            delete(table)
            .where(table.merchant_id == merchant_id, table.member_id == member_id, table.created_at >= since)
            .execution_options(synchronize_session=False)
        )
    if not (await factors_of(session, merchant_id, member_id=member_id)).on:
        await forget_codes(session, merchant_id, member_id=member_id)


async def reset_member(session: AsyncSession, member: MemberView, *, by: Principal, now: datetime) -> bool:
    """Help a member who lost every factor: forget them all, and tell the member; False where there was none."""
    if not await forget_member(session, member.merchant_id, member_id=member.id):
        return False
    await _changed(session, member, Change.RESET, now=now, by=by)
    return True


async def reset_colleague(
    session: AsyncSession, principal: Principal, member_id: UUID, *, password: str, now: datetime
) -> Refusal | None:
    """Help a member who lost every factor, as the owner and after the owner's password; the member gets a mail.

    Refuses password_wrong, rate_limited, or not_found where there is no factor; raises NotFound for nobody of the team.
    """
    owner = await confirm_password(session, principal, password=password, now=now)
    if isinstance(owner, Refusal):
        return owner
    member = await find_member(session, principal.merchant_id, member_id)
    if member is None or member.role == "owner":
        raise NotFound("member")
    if not await forget_member(session, member.merchant_id, member_id=member.id):
        return Refusal("not_found")
    await _changed(session, member, Change.RESET_BY_OWNER, now=now, by=principal)
    return None


async def _changed(
    session: AsyncSession, member: MemberView, change: Change, *, now: datetime, by: Principal | None = None
) -> None:
    await record_audit(
        session,
        by or Principal("member", member.merchant_id, member.id, role=member.role),
        action=change.value,
        target_kind="member",
        target_id=member.id,
        now=now,
    )
    await send_change_mail(session, member, change, now=now)

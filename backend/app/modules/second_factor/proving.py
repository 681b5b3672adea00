"""Proving who one is at the sign-in: a passkey alone, a passkey after the password, or a first app on demand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import set_tenant
from app.kernel.outcomes import Refusal
from app.modules.accounts.public import (
    Browser,
    SignedIn,
    find_half_sign_in,
    find_member,
    finish_sign_in,
    sign_in_without_password,
)
from app.modules.second_factor.passkeys.ceremonies import Answer, UnusableAnswer, read_answer
from app.modules.second_factor.passkeys.challenges import Asked
from app.modules.second_factor.passkeys.service import REFUSED, begin_proof, list_passkeys, take_proof
from app.modules.second_factor.service import confirm_app, factors_of
from app.utils.security import b64, hash_token

SIGN_IN_AGAIN = Refusal("link_unusable")


def half_mark(token: str) -> str:
    """Return what stands for a half sign-in where something is bound to it."""
    return b64(hash_token(token))


def _asked_of_half(token: str) -> Asked:
    return Asked("step", half_mark(token))


def _read(answer: str) -> Answer | None:
    try:
        return read_answer(answer)
    except UnusableAnswer:
        return None


async def begin_key_sign_in(session: AsyncSession, mark: str, *, now: datetime) -> dict[str, Any]:
    """Return the question that any passkey of this installation may answer, in the browser with this mark."""
    return await begin_proof(session, asked=Asked("sign_in", mark), now=now)


async def key_sign_in(
    session: AsyncSession, mark: str, *, answer: str, browser: Browser, now: datetime
) -> SignedIn | Refusal:
    """Open a session for the member whose passkey answered: possession and the device's owner, two factors in one."""
    read = _read(answer)
    if read is None or read.member is None or not mark:
        return REFUSED
    merchant_id, member_id = read.member
    await set_tenant(session, merchant_id)
    passkey = await take_proof(session, read, asked=Asked("sign_in", mark), member=read.member, now=now)
    if isinstance(passkey, Refusal):
        return passkey
    return await sign_in_without_password(session, merchant_id, member_id=member_id, browser=browser, now=now)


async def begin_key_step(session: AsyncSession, token: str, *, now: datetime) -> dict[str, Any] | Refusal:
    """Return the question for the passkeys of the member whose password was right."""
    who = await find_half_sign_in(session, token, now=now)
    if who is None:
        return SIGN_IN_AGAIN
    known = await list_passkeys(session, who.merchant_id, member_id=who.member_id)
    return await begin_proof(session, asked=_asked_of_half(token), now=now, known=known)


async def key_step(
    session: AsyncSession, token: str, *, answer: str, browser: Browser, now: datetime
) -> SignedIn | Refusal:
    """Finish a half sign-in with one of the member's passkeys. Nothing is counted: a signature cannot be guessed."""
    who = await find_half_sign_in(session, token, now=now)
    if who is None:
        return SIGN_IN_AGAIN
    read = _read(answer)
    if read is None:
        return REFUSED
    member = (who.merchant_id, who.member_id)
    passkey = await take_proof(session, read, asked=_asked_of_half(token), member=member, now=now)
    if isinstance(passkey, Refusal):
        return passkey
    return await finish_sign_in(session, token, browser=browser, now=now)


async def first_app_step(
    session: AsyncSession, token: str, *, code: str, browser: Browser, now: datetime
) -> tuple[SignedIn, list[str]] | Refusal:
    """Finish a half sign-in by the first code of a new app, where the member had no factor; returns recovery codes.

    Whoever has a factor must prove that one: a right password alone never adds another.
    """
    who = await find_half_sign_in(session, token, now=now)
    member = await find_member(session, who.merchant_id, who.member_id) if who else None
    if member is None or (await factors_of(session, member.merchant_id, member_id=member.id)).on:
        return SIGN_IN_AGAIN
    codes = await confirm_app(session, member, code=code, begun_in=half_mark(token), now=now)
    if isinstance(codes, Refusal):
        return codes
    opened = await finish_sign_in(session, token, browser=browser, now=now)
    return opened if isinstance(opened, Refusal) else (opened, codes)

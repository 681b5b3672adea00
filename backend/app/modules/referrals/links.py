"""The personal link: made with the card, taken up by a friend's browser, and found again when they join."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from fastapi import Request
from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.settings import get_settings
from app.kernel.web.cookies import read_cookie, set_cookie
from app.kernel.web.current import find_current_request
from app.modules.cards.public import CardJoined, PassObject, cookie_tokens, find_card, held_cards, read_token
from app.modules.merchants.public import get_merchant
from app.modules.referrals.models import Referral, ReferralLink
from app.modules.referrals.queries import find_link
from app.modules.referrals.settings import ReferralSettings
from app.modules.stores.public import list_program_stores
from app.utils.id_generator import new_id

FEATURE = "referrals"
COOKIE = "invited"
COOKIE_AGE = timedelta(days=30)
# Invitations of several shops may wait in one browser.
COOKIE_CODES_MAX = 5
CODE_BYTES = 12


async def make_link(joined: CardJoined) -> None:
    """Make the link of a fresh card, so that whoever looks at a card afterwards only reads."""
    await _insert_links(joined.session, joined.merchant_id, [joined.pass_id], now=joined.now)


async def make_missing_links(
    session: AsyncSession, merchant_id: UUID, *, most: int, now: datetime
) -> list[UUID]:
    """Make links for cards from before the feature was switched on, at most so many; return their cards."""
    has_link = exists().where(
        ReferralLink.merchant_id == PassObject.merchant_id, ReferralLink.pass_id == PassObject.id
    )
    rows = await session.scalars(
        select(PassObject.id)
        .where(
            PassObject.merchant_id == merchant_id,
            PassObject.status.in_(("active", "blocked")),
            ~has_link,
        )
        .order_by(PassObject.id)
        .limit(most)
    )
    ids = list(rows)
    await _insert_links(session, merchant_id, ids, now=now)
    return ids


async def _insert_links(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID], *, now: datetime
) -> None:
    made = [
        {
            "merchant_id": merchant_id,
            "pass_id": pass_id,
            "code": secrets.token_urlsafe(CODE_BYTES),
            "created_at": now,
        }
        for pass_id in pass_ids
    ]
    if made:
        await session.execute(insert(ReferralLink).on_conflict_do_nothing(), made)


async def _code_of(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> str | None:
    code: str | None = await session.scalar(
        select(ReferralLink.code)
        .join(
            PassObject,
            (PassObject.merchant_id == ReferralLink.merchant_id) & (PassObject.id == ReferralLink.pass_id),
        )
        .where(
            ReferralLink.merchant_id == merchant_id,
            ReferralLink.pass_id == pass_id,
            PassObject.status == "active",
        )
    )
    return code


async def link_url(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> str | None:
    """Return the address a holder shares; None where the card or every store of its programme is closed.

    It only reads: links are made with the card, or by the worker.
    """
    card = await find_card(session, merchant_id, str(pass_id))
    if card is None or card.status != "active":
        return None
    stores = await list_program_stores(session, merchant_id, card.program_id)
    code = await _code_of(session, merchant_id, card.id) if stores else None
    if code is None:
        return None
    base = resources_of(session).get(Settings).public_url.rstrip("/")
    return f"{base}/invite/{stores[0].id}/{code}"


async def is_own_link(request: Request, session: AsyncSession, link: ReferralLink) -> bool:
    """Tell whether the browser holds the card that the link belongs to."""
    target = await find_card(session, link.merchant_id, str(link.pass_id))
    held = await held_cards(request, session, link.merchant_id)
    return target is not None and target.customer_id in {card.customer_id for card in held}


async def take_up(request: Request, response: Response, session: AsyncSession, link: ReferralLink) -> None:
    """Let the browser remember the invitation; one browser counts once."""
    codes = read_codes(request)
    if link.code not in codes:
        await session.execute(
            update(ReferralLink)
            .where(ReferralLink.merchant_id == link.merchant_id, ReferralLink.pass_id == link.pass_id)
            .values(invited=ReferralLink.invited + 1)
            .execution_options(synchronize_session=False)
        )
    kept = [link.code, *(code for code in codes if code != link.code)][:COOKIE_CODES_MAX]
    set_cookie(request, response, COOKIE, ".".join(kept), max_age=COOKIE_AGE)


def read_codes(request: Request) -> list[str]:
    """Return the invitations that a browser took up, the newest first."""
    return [code for code in (read_cookie(request, COOKIE) or "").split(".") if code][:COOKIE_CODES_MAX]


async def note_joined(joined: CardJoined) -> None:
    """Note by whose link a fresh card was made: the browser says it; the unique key keeps the first."""
    request = find_current_request()
    codes = read_codes(request) if request is not None else []
    if request is None or not codes:
        return
    link = await find_link(joined.session, joined.merchant_id, codes)
    inviter = await find_card(joined.session, joined.merchant_id, str(link.pass_id)) if link else None
    if inviter is None or inviter.id == joined.pass_id:
        return
    await add_referral(joined, inviter.id, same_device=_holds_a_card(request, joined.merchant_id))


def _holds_a_card(request: Request, merchant_id: UUID) -> bool:
    """Tell whether the browser kept a card of this merchant before: whoever joins with it may be no new face."""
    parts = (read_token(token) for token in cookie_tokens(request))
    return any(part is not None and part.merchant_id == merchant_id for part in parts)


async def add_referral(joined: CardJoined, inviter_pass_id: UUID, *, same_device: bool) -> None:
    """Write who came by whose link, with what both were promised; a person's second one changes nothing."""
    session, merchant_id = joined.session, joined.merchant_id
    settings = await get_settings(session, ReferralSettings, merchant_id=merchant_id)
    statement = insert(Referral).values(
        merchant_id=merchant_id,
        id=new_id(),
        inviter_pass_id=inviter_pass_id,
        friend_pass_id=joined.pass_id,
        friend_id=joined.customer_id,
        promise=settings.promise().as_row(),
        visits_needed=settings.visits_needed,
        reasons=["same_device"] if same_device else [],
        joined_at=joined.now,
    )
    await session.execute(statement.on_conflict_do_nothing())


async def is_on(session: AsyncSession, merchant_id: UUID) -> bool:
    """Tell whether the merchant has switched the feature on."""
    return FEATURE in (await get_merchant(session, merchant_id)).modules_on

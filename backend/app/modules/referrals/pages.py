"""The dashboard's page about friends brought along: what both get, who waits for a look, and everybody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import AppError
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.form_input import FormInput, read_form, text_or_none, whole
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.merchants.public import get_merchant
from app.modules.referrals import review
from app.modules.referrals.queries import count_by_status, count_invited, list_referrals
from app.modules.referrals.settings import ReferralSettings
from app.modules.referrals.showing import promise_words, shop_row

router = APIRouter(prefix="/dashboard/referrals", include_in_schema=False)
URL = "/dashboard/referrals"
LIST_SHOWN = 50
NUMBERS = (
    "inviter_points",
    "inviter_stamps",
    "friend_points",
    "friend_stamps",
    "visits_needed",
    "month_max",
    "total_max",
)


def _count(text: str) -> Any:
    return whole(text) if text.strip() else 0


CONVERT = {
    **dict.fromkeys(NUMBERS, _count),
    "inviter_reward": text_or_none,
    "friend_reward": text_or_none,
}


async def _overview(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    form: FormInput[ReferralSettings] | None = None,
) -> Response:
    merchant_id = principal.merchant_id
    settings = await get_settings(session, ReferralSettings, merchant_id=merchant_id)
    rewards = await review.offered_rewards(session, merchant_id)
    held = await list_referrals(session, merchant_id, statuses=("review",))
    rows = await list_referrals(session, merchant_id, limit=LIST_SHOWN)
    counts = await count_by_status(session, merchant_id)
    stored = {
        name: str(value) if isinstance(value, UUID) else value
        for name, value in settings.model_dump().items()
    }
    context = {
        "page_title": _("Friends brought along"),
        "page_text": _(
            "A personal link on every card: both get a gift once the friend has bought something."
        ),
        "words": await promise_words(session, merchant_id),
        "figures": await _figures(session, merchant_id, counts),
        "held": [shop_row(one, rewards) for one in held],
        "rows": [shop_row(one, rewards) for one in rows if one.row.status != "review"],
        "zone": (await get_merchant(session, merchant_id)).time_zone,
        "rewards": [("", _("none")), *((str(key), title) for key, title in rewards.items())],
        "values": {**stored, **(form.values if form else {})},
        "errors": form.errors if form else {},
        "may_edit": principal.may("referrals.edit"),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "referrals/overview.html", context, status_code=status)


async def _figures(session: AsyncSession, merchant_id: UUID, counts: dict[str, int]) -> list[tuple[str, int]]:
    joined = sum(counts.values())
    waiting = counts.get("joined", 0) + counts.get("due", 0)
    return [
        (_("Invitations taken up"), max(joined, await count_invited(session, merchant_id))),
        (_("Joined"), joined),
        (_("Waiting for the purchase"), waiting),
        (_("Given"), counts.get("given", 0)),
    ]


@router.get("", dependencies=[member("referrals.view", api_key=False)])
async def get_page(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show figures, who waits for a look, everybody, and what both get."""
    return await _overview(request, session, principal)


@router.post("", dependencies=[member("referrals.edit", api_key=False)])
async def post_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep what both get."""
    form = await read_form(request, ReferralSettings, convert=CONVERT)
    if form.data is not None:
        try:
            await review.change_settings(session, principal, form.data, now=clock.now())
        except AppError as error:
            form.refuse(error)
    if form.errors:
        return await _overview(request, session, principal, form)
    return redirect(request, URL, flash=_("Saved. Who has joined before gets what was promised then."))


@router.post("/{referral_id}/approve", dependencies=[member("referrals.edit", api_key=False)])
async def post_approve(
    request: Request, referral_id: UUID, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Let both have their gift."""
    done = await review.approve(session, principal, referral_id, now=clock.now())
    return _decided(request, _("Approved. Both get their gift in a moment."), done=done)


@router.post("/{referral_id}/decline", dependencies=[member("referrals.edit", api_key=False)])
async def post_decline(
    request: Request, referral_id: UUID, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Give nobody anything."""
    done = await review.decline(session, principal, referral_id, now=clock.now())
    return _decided(request, _("Declined. Nobody gets a gift."), done=done)


def _decided(request: Request, words: str, *, done: bool) -> Response:
    return redirect(request, URL, flash=words if done else _("Somebody has decided on this already."))

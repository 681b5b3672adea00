"""What cards, passes, profiles and the friends' page show. To customers: never anything of the other person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.points import CardContext, PageContext, Panel
from app.kernel.settings import get_settings
from app.modules.cards.public import get_card
from app.modules.merchants.public import get_merchant
from app.modules.qr.public import qr_svg
from app.modules.referrals.links import link_url
from app.modules.referrals.models import ReferralLink
from app.modules.referrals.queries import (
    ListedReferral,
    cards_of,
    count_given,
    find_own,
    list_friends,
    list_referrals,
)
from app.modules.referrals.review import offered_rewards
from app.modules.referrals.settings import ReferralSettings
from app.modules.referrals.wording import (
    friend_state,
    gift_text,
    outcome_text,
    reason_text,
    shop_state,
    visits_text,
)
from app.modules.wallets.public import PassField

PROFILE_MAX = 10
ICONS = {
    "joined": "clock",
    "review": "clock",
    "due": "clock",
    "given": "circle-check",
    "declined": "x",
    "ended": "x",
}


async def promise_words(session: AsyncSession, merchant_id: UUID) -> dict[str, Any]:
    """Return what both get now, in words."""
    settings = await get_settings(session, ReferralSettings, merchant_id=merchant_id)
    rewards = await offered_rewards(session, merchant_id)
    promise = settings.promise()
    return {
        "mine": gift_text(promise.inviter, rewards),
        "theirs": gift_text(promise.friend, rewards),
        "after": visits_text(settings.visits_needed),
        "month_max": settings.month_max,
    }


async def share_words(context: CardContext) -> dict[str, Any] | None:
    """Return what sharing needs; None for a card that cannot invite."""
    url = await link_url(context.session, context.merchant_id, context.pass_id)
    if url is None:
        return None
    shop = (await get_merchant(context.session, context.merchant_id)).name
    words = await promise_words(context.session, context.merchant_id)
    return {
        **words,
        "url": url,
        "shop_name": shop,
        "friends_url": f"/card/{context.pass_id}/friends",
        "title": _("A card at %(shop)s", shop=shop),
        "text": _("Take a card at %(shop)s with my link: %(gift)s for you.", shop=shop, gift=words["theirs"])
        if words["theirs"]
        else _("Take a card at %(shop)s with my link.", shop=shop),
    }


async def card_block(context: CardContext) -> list[Panel]:
    """Give the holder the link to share, and say how far the friends are."""
    words = await share_words(context)
    if words is None:
        return []
    counts = await count_states(context.session, context.merchant_id, context.pass_id)
    return [Panel(_("Bring a friend along"), "referrals/_card.html", {**words, "counts": counts}, order=40)]


async def count_states(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> dict[str, int]:
    """Return how many browsers took the invitation up, and how many friends joined, wait and brought a gift."""
    card = await get_card(session, merchant_id, pass_id)
    cards = await cards_of(session, merchant_id, card.customer_id)
    rows = await list_friends(session, merchant_id, cards)
    states = Counter(row.status for row in rows)
    links = [await session.get(ReferralLink, (merchant_id, one)) for one in cards]
    return {
        "invited": max(sum(link.invited for link in links if link), len(rows)),
        "joined": len(rows),
        "waiting": states["joined"] + states["review"] + states["due"],
        "given": await count_given(session, merchant_id, cards),
    }


async def friends_page(context: CardContext) -> dict[str, Any]:
    """Return what the page about the own friends shows."""
    session, merchant_id = context.session, context.merchant_id
    card = await get_card(session, merchant_id, context.pass_id)
    cards = await cards_of(session, merchant_id, card.customer_id)
    rows = await list_friends(session, merchant_id, cards)
    words = await share_words(context) or {**await promise_words(session, merchant_id), "url": ""}
    friends = [
        {
            "name": _("Friend %(number)s", number=len(rows) - place),
            "state": friend_state(row.status, row.inviter_outcome),
            "icon": ICONS[row.status],
            "is_given": row.status == "given",
        }
        for place, row in enumerate(rows)
    ]
    url = words["url"]
    return {
        **words,
        "friends": friends,
        "counts": await count_states(session, merchant_id, context.pass_id),
        "code": Markup(qr_svg(url, title=_("Code with your personal link"))) if url else "",  # noqa: S704 (ours)
        "own_gift": await _own_gift(context, cards),
    }


async def _own_gift(context: CardContext, cards: Sequence[UUID]) -> str:
    """Return what the holder may still expect for having come by an invitation; nothing about who invited."""
    own = await find_own(context.session, context.merchant_id, cards)
    waiting = [row for row in own if row.status in {"joined", "review", "due"}]
    if not waiting:
        return ""
    return _(
        "You came by an invitation: your gift comes %(after)s.", after=visits_text(waiting[0].visits_needed)
    )


async def pass_fields(context: CardContext) -> list[PassField]:
    """Return the personal link for the back of a pass, with how many friends came along."""
    words = await share_words(context)
    if words is None:
        return []
    on_back: dict[str, Any] = {"place": "back", "in_browser": False}
    fields = [PassField("invite", _("Bring a friend along"), words["url"], order=60, **on_back)]
    counts = await count_states(context.session, context.merchant_id, context.pass_id)
    if counts["given"]:
        number = current().format_number(counts["given"])
        fields.append(PassField("invite_given", _("Friends brought along"), number, order=61, **on_back))
    return fields


def shop_row(listed: ListedReferral, rewards: dict[UUID, str]) -> dict[str, Any]:
    """Return a friend as the shop's pages show them."""
    row = listed.row
    outcomes = [
        (_("Inviter"), outcome_text(row.inviter_outcome)),
        (_("Friend"), outcome_text(row.friend_outcome)),
    ]
    return {
        "id": str(row.id),
        "inviter": listed.inviter or _("Without a name"),
        "inviter_url": f"/dashboard/customers/{listed.inviter_id}",
        "friend": listed.friend or _("Without a name"),
        "friend_url": f"/dashboard/customers/{listed.friend_id}",
        "state": shop_state(row.status),
        "status": row.status,
        "reasons": [reason_text(reason) for reason in row.reasons] if row.status != "joined" else [],
        "outcomes": [f"{who}: {what}" for who, what in outcomes if what],
        "joined_at": row.joined_at,
    }


async def customer_panel(page: PageContext) -> list[Panel]:
    """Show on a profile whom the customer brought along, and who brought them."""
    if page.subject_id is None or not page.principal.may("referrals.view"):
        return []
    merchant_id = page.principal.merchant_id
    cards = await cards_of(page.session, merchant_id, page.subject_id)
    listed = (
        await list_referrals(page.session, merchant_id, pass_ids=cards, limit=PROFILE_MAX) if cards else []
    )
    if not listed:
        return []
    rewards = await offered_rewards(page.session, merchant_id)
    rows = [{**shop_row(one, rewards), "is_inviter": one.inviter_id == page.subject_id} for one in listed]
    return [Panel(_("Friends"), "referrals/_customer.html", {"rows": rows}, order=45)]

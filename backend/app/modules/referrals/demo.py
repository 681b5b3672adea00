"""Friends brought along in the demo shops: some given, some on the way, two to be looked at, one declined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.kernel.settings import save_settings
from app.modules.cards.public import CardJoined, PassObject
from app.modules.merchants.public import switch_feature
from app.modules.referrals.links import FEATURE, add_referral, make_missing_links
from app.modules.referrals.models import Referral, ReferralLink
from app.modules.referrals.review import decline
from app.modules.referrals.service import look
from app.modules.referrals.settings import ReferralSettings
from app.modules.stores.public import list_stores

INVITERS, FRIENDS = 6, 12
# Of the newest cards so many for each that came by a link: most people still come by themselves.
STRIDE = 4
CARDS_MAX = 100_000
LATELY = timedelta(days=120)


async def add_friends(shop: DemoShop) -> None:
    """Switch the feature on, say that the newest cards came by links, and look at each."""
    session, merchant_id = shop.session, shop.merchant_id
    stores = await list_stores(session, merchant_id)
    gives_points = any(store.loyalty_type != "stamps" for store in stores)
    gives_stamps = any(store.loyalty_type != "points" for store in stores)
    settings = ReferralSettings(
        inviter_points=50 if gives_points else 0,
        inviter_stamps=1 if gives_stamps else 0,
        friend_points=25 if gives_points else 0,
        friend_stamps=1 if gives_stamps else 0,
    )
    await save_settings(session, settings, merchant_id=merchant_id)
    owner = Principal("system", merchant_id, None)
    await switch_feature(session, owner, FEATURE, is_on=True, now=shop.now)
    await make_missing_links(session, merchant_id, most=CARDS_MAX, now=shop.now)
    cards = await _newest(shop)
    inviters, friends = cards[FRIENDS : FRIENDS + INVITERS], cards[:FRIENDS]
    if len(inviters) < INVITERS:
        return
    await _join(shop, inviters, friends)
    rows = await session.scalars(
        select(Referral.id).where(Referral.merchant_id == merchant_id).order_by(Referral.id)
    )
    for referral_id in list(rows):
        await look(session, merchant_id, referral_id, now=shop.now)
    held = await session.scalar(
        select(Referral.id)
        .where(Referral.merchant_id == merchant_id, Referral.status == "review")
        .order_by(Referral.id)
        .limit(1)
    )
    if held is not None:
        await decline(session, owner, held, now=shop.now)


async def _newest(shop: DemoShop) -> list[PassObject]:
    rows = await shop.session.scalars(
        select(PassObject)
        .where(
            PassObject.merchant_id == shop.merchant_id,
            PassObject.status == "active",
            PassObject.created_at > shop.now - LATELY,
        )
        .order_by(PassObject.created_at.desc(), PassObject.id)
        .limit(STRIDE * (FRIENDS + INVITERS))
    )
    return list(rows)[::STRIDE]


async def _join(shop: DemoShop, inviters: Sequence[PassObject], friends: Sequence[PassObject]) -> None:
    taken: dict[UUID, int] = {}
    for number, friend in enumerate(reversed(friends)):
        inviter = inviters[shop.random.randrange(INVITERS)]
        joined = CardJoined(
            shop.session,
            shop.merchant_id,
            friend.id,
            friend.customer_id,
            friend.store_id,
            friend.program_id,
            source="join_page",
            # The newest one has yet to buy something.
            now=shop.now if number == len(friends) - 1 else friend.created_at,
        )
        await add_referral(joined, inviter.id, same_device=number % 4 == 3)
        taken[inviter.id] = taken.get(inviter.id, 0) + 1
    for pass_id, count in taken.items():
        link = await shop.session.get_one(ReferralLink, (shop.merchant_id, pass_id))
        link.invited = count + shop.random.randrange(4)

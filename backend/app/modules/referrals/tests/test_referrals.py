"""Bringing a friend along, from the link to both gifts: through the pages, the till and the worker's jobs."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text

from app.db.session import system_scope
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.public import merge_people
from app.modules.referrals.jobs import look_due
from app.modules.referrals.models import Referral
from app.modules.referrals.tests.world import LATER, SETTINGS, Shop, open_shop
from app.modules.rewards.public import Gift as GivenGift
from app.modules.wallets.public import card_view


async def test_both_get_their_gift_once_the_visit_cannot_be_undone(shop: Shop) -> None:
    """50 for the inviter and 20 for the friend; nothing within the fifteen minutes, nothing twice afterwards."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    assert (await shop.row(friend)).status == "joined"
    await shop.buy(friend)
    shop.clock.at += timedelta(minutes=15)
    await shop.look(friend)
    assert (await shop.points(inviter.id), await shop.points(friend)) == (0, 10)

    shop.clock.at += timedelta(seconds=1)
    await look_due.function(shop.context())

    assert (await shop.points(inviter.id), await shop.points(friend)) == (50, 30)
    await shop.buy_and_wait(friend)
    assert (await shop.points(inviter.id), await shop.points(friend)) == (50, 40)
    assert (await shop.row(friend)).status == "given"


async def test_the_look_is_planned_for_the_end_of_the_window(shop: Shop) -> None:
    """The worker's next look waits in the queue for the moment the visit can no longer be undone."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    await shop.buy(friend)
    await shop.look(friend)
    waiting = text("SELECT count(*) FROM pgqueuer WHERE dedupe_key LIKE 'referrals.look_at_friend:%' || :id")
    async with system_scope(shop.database) as session:
        assert await session.scalar(waiting, {"id": str((await shop.row(friend)).id)}) == 1


async def test_an_undone_visit_pays_nothing_and_the_next_one_does(shop: Shop) -> None:
    """Undone within its minutes it counts for nothing; another purchase is the first one then."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    await shop.undo(await shop.buy(friend))
    shop.clock.at += LATER
    await shop.look(friend)
    assert (await shop.row(friend)).status == "joined"
    assert await shop.gifts() == 0
    await shop.buy_and_wait(friend)
    assert await shop.points(inviter.id) == 50


async def test_undone_later_by_a_manager_both_gifts_go_back(shop: Shop) -> None:
    """The visit behind the gifts is undone a day later: both gifts go; with the next purchase they come again."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    visit = await shop.buy_and_wait(friend)
    shop.clock.at += timedelta(days=1)
    await shop.undo(visit)
    waiting = text("SELECT count(*) FROM pgqueuer WHERE dedupe_key LIKE 'referrals.look_at_card:%' || :id")
    async with system_scope(shop.database) as session:
        assert await session.scalar(waiting, {"id": str(friend)}) == 1
    await shop.look(friend)
    assert (await shop.points(inviter.id), await shop.points(friend)) == (0, 0)
    await shop.buy_and_wait(friend)
    assert (await shop.points(inviter.id), await shop.points(friend)) == (50, 30)


async def test_the_third_purchase_is_the_third(shop: Shop) -> None:
    """Where the third purchase counts, two bring nothing; what was promised holds though the rule is changed since."""
    await shop.set(SETTINGS.model_copy(update={"visits_needed": 3}))
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    await shop.set(SETTINGS.model_copy(update={"visits_needed": 1, "inviter_points": 1}))
    await shop.buy_and_wait(friend)
    await shop.buy_and_wait(friend)
    assert await shop.gifts() == 0
    await shop.buy_and_wait(friend)
    assert await shop.points(inviter.id) == 50


async def test_limits_by_month_and_in_all(shop: Shop) -> None:
    """One a month, two in all: the second friend of a month and the third in all get theirs, the inviter nothing."""
    await shop.set(SETTINGS.model_copy(update={"month_max": 1, "total_max": 2}))
    inviter = await shop.card()
    expected = (50, 50, 100, 100)
    for number, total in enumerate(expected):
        if number in {2, 3}:
            shop.clock.at += timedelta(days=32)
        friend = await shop.invite(inviter.id)
        await shop.buy_and_wait(friend)
        assert await shop.points(friend) == 30
        assert await shop.points(inviter.id) == total
    assert (await shop.row(friend)).inviter_outcome == "limit"


async def test_a_blocked_card_waits_until_it_is_unblocked(shop: Shop) -> None:
    """The friend gets theirs, the blocked inviter nothing; unblocked, the rest follows, once."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    await shop.status(inviter.id, "blocked")
    await shop.buy_and_wait(friend)
    assert (await shop.points(inviter.id), await shop.points(friend)) == (0, 30)
    assert (await shop.row(friend)).status == "due"
    await shop.status(inviter.id, "active")
    await shop.look(inviter.id)
    await shop.look(inviter.id)
    assert (await shop.points(inviter.id), await shop.points(friend)) == (50, 30)
    assert (await shop.row(friend)).status == "given"


async def test_a_blocked_card_invites_nobody(shop: Shop) -> None:
    """While blocked, the card has no link to share."""
    inviter = await shop.card()
    await shop.status(inviter.id, "blocked")
    page = await shop.browser().get(f"/card/{inviter.id}/friends?t={inviter.token}")
    assert page.status_code == 200
    assert "This card cannot invite anybody at the moment." in page.text
    assert "/invite/" not in page.text
    await shop.status(inviter.id, "active")
    assert "/invite/" in (await shop.browser().get(f"/card/{inviter.id}/friends?t={inviter.token}")).text


async def test_a_merged_inviter_is_paid_on_the_card_that_stays(shop: Shop) -> None:
    """The inviter's card was joined to an older one before the friend bought: that one gets the gift."""
    older, inviter = await shop.card(), await shop.card()
    friend = await shop.invite(inviter.id)
    async with shop.tenant() as session:
        await merge_people(
            session,
            shop.merchant.id,
            source_id=inviter.customer_id,
            target_id=older.customer_id,
            now=shop.clock.at,
        )
    await shop.buy_and_wait(friend)
    assert (await shop.points(older.id), await shop.points(inviter.id)) == (50, 0)


async def test_an_erased_inviter_ends_the_link_and_the_friend_keeps_the_promise(shop: Shop) -> None:
    """The link leads to the plain way to a card; the friend who had joined before gets theirs, nobody else anything."""
    inviter = await shop.card()
    path = await shop.link(inviter.id)
    friend = await shop.invite(inviter.id)
    async with shop.tenant() as session:
        await PERSONAL_DATA.get("referrals").erase(session, shop.merchant.id, inviter.customer_id)
    await shop.status(inviter.id, "erased")
    over = await shop.browser().get(path)
    assert (over.status_code, over.headers["location"]) == (303, f"/join/{shop.store.id}")
    await shop.buy_and_wait(friend)
    assert (await shop.points(friend), await shop.points(inviter.id)) == (30, 0)
    assert (await shop.row(friend)).inviter_outcome == "gone"


async def test_an_erased_friend_brings_nobody_anything(shop: Shop) -> None:
    """Deleted before the visit is past its window: it ends, and the inviter has nothing of it."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id, name="Zsófia Plant")
    await shop.buy(friend)
    row = await shop.row(friend)
    async with shop.tenant() as session:
        await PERSONAL_DATA.get("referrals").erase(session, shop.merchant.id, row.friend_id)
    shop.clock.at += LATER
    await shop.look(inviter.id)
    await look_due.function(shop.context())
    assert (await shop.row(friend)).status == "ended"
    assert (await shop.points(inviter.id), await shop.gifts()) == (0, 0)


async def test_a_link_of_another_merchant_does_nothing(shop: Shop) -> None:
    """One shop's invitation is kept; joining another shop notes nothing there, nor does its code in their address."""
    other = await open_shop(shop.process, shop.app, shop.clock)
    stranger = await other.card()
    browser = shop.browser()
    path = await other.link(stranger.id)
    foreign = path.replace(str(other.store.id), str(shop.store.id))
    assert (await browser.get(foreign)).headers["location"] == f"/join/{shop.store.id}"
    inviter = await shop.card()
    await shop.invite(inviter.id, browser=browser)
    await other.invite(stranger.id, browser=browser)
    assert (await shop.count(Referral), await other.count(Referral)) == (1, 1)


async def test_switched_off_it_is_invisible_and_without_effect_and_the_data_stays(shop: Shop) -> None:
    """Off in the middle: no block, field, page or gift; the link is a plain way to a card; on again, it goes on."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    path = await shop.link(inviter.id)
    await shop.buy(friend)
    await shop.switch()
    shop.clock.at += LATER
    await shop.look(friend)
    await look_due.function(shop.context())
    assert (await shop.gifts(), (await shop.row(friend)).status) == (0, "joined")
    browser = shop.browser()
    page = await browser.get(f"/card/{inviter.id}?t={inviter.token}", follow_redirects=True)
    assert "Bring a friend along" not in page.text
    assert (await browser.get(f"/card/{inviter.id}/friends")).status_code == 404
    assert (await browser.get(path)).headers["location"] == f"/join/{shop.store.id}"
    async with shop.tenant() as session:
        view = await card_view(session, shop.merchant.id, inviter.id, locale="en", now=shop.clock.at)
        assert not [one for one in view.fields if one.key.startswith("invite")]
    browser.cookies.update(shop.merchant.cookies)
    assert (await browser.get("/dashboard/referrals")).status_code == 403
    assert "/dashboard/referrals" not in (await browser.get("/dashboard/stores")).text
    assert (await browser.get("/dashboard/analytics/referrals")).status_code in {403, 404}
    assert "Who joined by whose link" not in (await browser.get("/dashboard/exports")).text

    await shop.switch("referrals")
    await shop.look(friend)
    assert await shop.points(inviter.id) == 50


async def test_a_reward_as_a_gift_and_what_a_card_cannot_hold(shop: Shop) -> None:
    """The friend gets the promised reward; stamps on a points card are left away, and no other part with them."""
    async with shop.tenant() as session:
        reward = await session.scalar(text("SELECT id FROM reward LIMIT 1"))
    await shop.set(SETTINGS.model_copy(update={"friend_reward": reward, "friend_stamps": 3}))
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    await shop.buy_and_wait(friend)
    async with shop.tenant() as session:
        rows = await session.execute(
            select(GivenGift.points, GivenGift.stamps, GivenGift.reward_id).where(GivenGift.pass_id == friend)
        )
        assert sorted((row.points, row.stamps, row.reward_id is not None) for row in rows) == [
            (0, 0, True), (20, 0, False),
        ]  # fmt: skip

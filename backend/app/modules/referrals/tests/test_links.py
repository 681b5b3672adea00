"""The personal link: made with the card or by the worker, and never by whoever looks at a page."""

from __future__ import annotations

from sqlalchemy import delete, select

from app.kernel.jobs import JobContext
from app.modules.referrals.jobs import make_links
from app.modules.referrals.models import ReferralLink
from app.modules.referrals.tests.world import Shop
from app.modules.wallets.public import card_view


async def marks(shop: Shop) -> int:
    """Count the cards that wait to be drawn again."""
    async with shop.tenant() as session:
        rows = await session.execute(select(ReferralLink.metadata.tables["card_refresh"].c.pass_id))
        return len(rows.all())


async def test_a_card_has_its_link_from_the_moment_it_is_made(shop: Shop) -> None:
    """Joining makes it, once; with the feature off it does not."""
    await shop.card()
    assert await shop.count(ReferralLink) == 1
    await shop.switch()
    await shop.card()
    assert await shop.count(ReferralLink) == 1


async def test_who_looks_writes_nothing(shop: Shop) -> None:
    """Card, page of friends, pass and invitation are read again and again: the link is the same row, unchanged."""
    card = await shop.card()
    path = await shop.link(card.id)
    browser = shop.browser()
    for _time in range(2):
        page = await browser.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
        assert path in page.text
        assert path in (await browser.get(f"/card/{card.id}/friends")).text
        assert (await shop.browser().get(path)).status_code == 200
        async with shop.tenant() as session:
            view = await card_view(session, shop.merchant.id, card.id, locale="en", now=shop.clock.at)
        assert [str(one.value).endswith(path) for one in view.fields if one.key == "invite"] == [True]
    async with shop.tenant() as session:
        [row] = await session.scalars(select(ReferralLink))
        assert (row.pass_id, row.invited, path.endswith(row.code)) == (card.id, 0, True)
        await session.execute(delete(ReferralLink))
    # Without a row there is nothing to share, and looking makes none.
    shown = await browser.get(f"/card/{card.id}/friends")
    assert "This card cannot invite anybody at the moment." in shown.text
    assert "Bring a friend along" not in (await browser.get(f"/card/{card.id}")).text
    assert await shop.count(ReferralLink) == 0


async def test_cards_from_before_get_theirs_from_the_worker(shop: Shop) -> None:
    """Three cards from before it was switched on, one blocked: each has a link afterwards, and is drawn again, once."""
    await shop.switch()
    cards = [await shop.card() for _number in range(3)]
    await shop.status(cards[2].id, "blocked")
    context: JobContext = shop.context()
    await make_links.function(context)
    assert await shop.count(ReferralLink) == 0  # off: nothing is made
    await shop.switch("referrals")
    async with shop.tenant() as session:
        await session.execute(ReferralLink.metadata.tables["card_refresh"].delete())
    await make_links.function(context)
    assert (await shop.count(ReferralLink), await marks(shop)) == (3, 3)
    codes = {await shop.link(card.id) for card in cards[:2]}
    await make_links.function(context)
    assert {await shop.link(card.id) for card in cards[:2]} == codes
    assert await shop.count(ReferralLink) == 3

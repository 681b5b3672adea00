"""Birthday gifts in a shop: given once, told, redeemed, ended, switched off; on the real database, jobs run by hand."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta

import asyncpg
from sqlalchemy import text

from app.db.session import tenant_scope
from app.modules.birthdays.jobs import end, give, tell
from app.modules.birthdays.tests.conftest import BIRTHDAY, BORN, Shop
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.public import block_card, merge_people
from app.modules.customers.public import Birthday, erase_person
from app.modules.nudges import jobs as nudges
from app.modules.stores.factories import make_store
from app.modules.wallets.public import card_view


async def test_a_reward_is_given_on_the_day_and_once(shop: Shop) -> None:
    """On 20 May the reward lies on the card until 3 June; further rounds in the window give nothing more."""
    card, other = await shop.card(), await shop.card(Birthday(21, 5, None))
    for days in (0, 0, 1, 3):
        shop.clock.at = BIRTHDAY + timedelta(days=days)
        await shop.work()
        if days == 0:
            assert await shop.balance(other) == (0, 0)
    assert await shop.balance(card) == (0, 1)
    gifts = [gift for gift in await shop.gifts() if gift.customer_id == card.customer_id]
    assert [(gift.year, gift.celebrated_on, gift.good_until) for gift in gifts] == [
        (2026, date(2026, 5, 20), date(2026, 6, 3))
    ]
    assert (await shop.redeem(card)).status_code == 201
    shop.clock.at = BIRTHDAY + timedelta(days=365)
    await shop.work()
    assert await shop.balance(card) == (0, 1)


async def test_stamps_and_points_are_added_as_gifts(shop: Shop) -> None:
    """Three stamps are on the card at once, by an entry of the kind that nothing counts as earned."""
    await shop.set(kind="stamps", stamps=3)
    card = await shop.card(stamps=2)
    await shop.work()
    assert await shop.balance(card) == (5, 0)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        kinds = await session.execute(
            text("SELECT kind, stamps_added FROM stamp_event WHERE kind <> 'adjust'")
        )
        assert [tuple(row) for row in kinds] == [("gift", 3)]
    assert "3 stamps" in await shop.page(card)
    assert "Already on your card." in await shop.page(card)


async def _give_at_once(shop: Shop, card: MadeCard) -> None:
    jobs = (give(shop.context(), customer_id=card.customer_id) for _worker in range(2))
    await asyncio.gather(*jobs)


async def test_two_workers_at_once_give_one(shop: Shop) -> None:
    """Two workers that look at the same person in the same moment give one gift."""
    card = await shop.card()
    await _give_at_once(shop, card)
    assert await shop.balance(card) == (0, 1)
    assert len(await shop.gifts()) == 1


async def test_control_without_the_key_two_workers_give_two(
    shop: Shop, owners_connection: asyncpg.Connection
) -> None:
    """The control: with the unique key of person and year taken away, the same two workers give two."""
    card = await shop.card()
    key = "uq_birthday_gift_merchant_id_customer_id_year"
    await owners_connection.execute(f"ALTER TABLE birthday_gift DROP CONSTRAINT {key}")
    try:
        await _give_at_once(shop, card)
        assert await shop.balance(card) == (0, 2)
    finally:
        await owners_connection.execute("DELETE FROM birthday_gift WHERE merchant_id = $1", shop.merchant.id)
        await owners_connection.execute(
            f"ALTER TABLE birthday_gift ADD CONSTRAINT {key} UNIQUE (merchant_id, customer_id, year)"
        )


async def test_an_edited_birthday_gives_no_second(shop: Shop) -> None:
    """After the gift of 20 May the day is set to 22 May, and in autumn to 1 October: nothing more this year."""
    card = await shop.card()
    await shop.work()
    for at, born in (
        (BIRTHDAY + timedelta(days=2), Birthday(22, 5, None)),
        (datetime(2026, 10, 1, 10, 0, tzinfo=UTC), Birthday(1, 10, None)),
    ):
        shop.clock.at = at
        await shop.rename(card, born)
        await give(shop.context(), customer_id=card.customer_id)
    assert len(await shop.gifts()) == 1


async def test_an_edit_around_new_year_gives_no_second(shop: Shop) -> None:
    """The gift of 31 December, then the day becomes 2 January: another year's key, and still nothing."""
    shop.clock.at = datetime(2026, 12, 31, 10, 0, tzinfo=UTC)
    card = await shop.card(Birthday(31, 12, None))
    await shop.work()
    await shop.rename(card, Birthday(2, 1, None))
    shop.clock.at = datetime(2027, 1, 2, 10, 0, tzinfo=UTC)
    await shop.work()
    assert [gift.year for gift in await shop.gifts()] == [2026]


async def test_a_window_over_new_year_gives_one_of_the_year_of_the_day(shop: Shop) -> None:
    """30 December, seven days before and after: one gift of 2026 from the 23rd on, none more in January."""
    await shop.set(days_before=7, days_after=7)
    card = await shop.card(Birthday(30, 12, None), now=datetime(2026, 1, 1, tzinfo=UTC))
    for at, count in (
        (datetime(2026, 12, 22, 12, 0, tzinfo=UTC), 0),
        (datetime(2026, 12, 23, 12, 0, tzinfo=UTC), 1),
        (datetime(2027, 1, 5, 12, 0, tzinfo=UTC), 1),
    ):
        shop.clock.at = at
        await shop.work()
        assert len(await shop.gifts()) == count
    assert (await shop.gifts())[0].year == 2026
    late = await shop.card(Birthday(30, 12, None), now=shop.clock.at)
    await shop.work()
    assert [gift.year for gift in await shop.gifts()] == [2026, 2026]
    assert await shop.balance(late) == await shop.balance(card) == (0, 1)


async def test_29_february_is_given_on_the_28th(shop: Shop) -> None:
    """Born on 29 February: nothing on the 27th, the gift on 28 February 2027; in 2028 only on the 29th."""
    await shop.set(days_after=0)
    card = await shop.card(Birthday(29, 2, 2000))
    for at, years in (
        (datetime(2027, 2, 27, 12, 0, tzinfo=UTC), []),
        (datetime(2027, 2, 28, 12, 0, tzinfo=UTC), [2027]),
        (datetime(2028, 2, 28, 12, 0, tzinfo=UTC), [2027]),
        (datetime(2028, 2, 29, 12, 0, tzinfo=UTC), [2027, 2028]),
    ):
        shop.clock.at = at
        await shop.work()
        assert [gift.year for gift in await shop.gifts() if gift.customer_id == card.customer_id] == years


async def test_the_day_is_that_of_the_cards_store(shop: Shop) -> None:
    """At 22:00 UTC the 20th begins in Luxembourg and at 04:00 in New York; not a minute before."""
    west = await make_store(shop.database, shop.merchant, "stamps", time_zone="America/New_York")
    here = await shop.card()
    there = await make_card(shop.database, west, name="Rui", birthday=BORN, now=BIRTHDAY - timedelta(days=90))
    shop.clock.at = datetime(2026, 5, 19, 21, 59, tzinfo=UTC)
    await shop.work()
    assert await shop.gifts() == []
    shop.clock.at = datetime(2026, 5, 19, 22, 0, tzinfo=UTC)
    await shop.work()
    assert [gift.pass_id for gift in await shop.gifts()] == [here.id]
    shop.clock.at = datetime(2026, 5, 20, 3, 59, tzinfo=UTC)
    await shop.work()
    assert len(await shop.gifts()) == 1
    shop.clock.at = datetime(2026, 5, 20, 4, 0, tzinfo=UTC)
    await shop.set(kind="stamps")
    await shop.work()
    assert [gift.pass_id for gift in await shop.gifts()] == [here.id, there.id]


async def test_joining_on_the_day_gives_it_in_a_moment(shop: Shop) -> None:
    """Who joins on their birthday has the gift without waiting for the next round; asked for 30 days, not."""
    card = await shop.card(now=shop.clock.at)
    await shop.drain("birthdays")
    assert await shop.balance(card) == (0, 1)
    await shop.set(known_days=30)
    fresh = await shop.card(now=shop.clock.at)
    await shop.drain("birthdays")
    assert await shop.balance(fresh) == (0, 0)


async def test_without_consent_it_is_on_card_and_pass_only(shop: Shop) -> None:
    """Nobody agreed: no mail and no word on the wallet's card, the gift on the page and on both passes all the same."""
    card = await shop.card(email="ana@example.com")
    unconfirmed = await shop.card(email="bea@example.com", email_consent=True)
    await shop.work()
    assert await shop.mails() == []
    assert await shop.said() == []
    assert await shop.balance(unconfirmed) == (0, 1)
    page = await shop.page(card)
    assert "Happy birthday!" in page
    assert "On us until June 3, 2026" in page or "On us until 3 June 2026" in page
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="de", now=shop.clock.at)
    fields = {field.key: str(field.value) for field in view.fields if field.key.startswith("birthday")}
    assert fields == {"birthday": view.rewards[0].title, "birthday_until": "3. Juni 2026"}


async def test_one_mail_replaces_the_plain_one(shop: Shop) -> None:
    """Who agreed gets one mail with the gift and a word on the pass; the plain birthday mail stays away."""
    await shop.agreed()
    await nudges.write_messages(shop.context())
    assert await shop.mails() == []
    await shop.work()
    await nudges.write_messages(shop.context())
    assert [row.kind for row in await shop.mails()] == ["birthday"]
    assert await shop.said() == ["Happy birthday, Ana!"]


async def test_control_switched_off_the_plain_mail_goes(shop: Shop) -> None:
    """The control: without this feature the plain birthday mail is written as before."""
    await shop.switch("nudges")
    await shop.agreed()
    await shop.work()
    await nudges.write_messages(shop.context())
    assert [row.kind for row in await shop.mails()] == ["birthday"]
    assert await shop.gifts() == []


async def test_nobody_is_told_at_night_or_twice_a_week(shop: Shop) -> None:
    """At two in the night the gift is given and nothing is said; at nine it is, if the week's message is free."""
    shop.clock.at = datetime(2026, 5, 20, 0, 0, tzinfo=UTC)
    card = await shop.agreed()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await session.execute(
            text("INSERT INTO nudge_slot (merchant_id, customer_id, last_at) VALUES (:m, :c, :at)"),
            {"m": shop.merchant.id, "c": card.customer_id, "at": BIRTHDAY - timedelta(days=6)},
        )
    await shop.work()
    assert await shop.balance(card) == (0, 1)
    shop.clock.at = BIRTHDAY
    await shop.work()
    assert await shop.mails() == []
    shop.clock.at = BIRTHDAY + timedelta(days=1, minutes=1)
    await shop.work()
    assert len(await shop.mails()) == 1
    assert await shop.said() == ["A gift for your birthday"]


async def test_erased_and_blocked_get_nothing(shop: Shop) -> None:
    """A person erased, and a card blocked, before the day: no gift, no mail; unblocked in time, the gift."""
    gone, blocked = await shop.agreed(), await shop.card()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await erase_person(session, shop.merchant.id, gone.customer_id)
        await block_card(session, shop.merchant.id, blocked.id, now=shop.clock.at)
    for card in (gone, blocked):
        await give(shop.context(), customer_id=card.customer_id)
    await shop.work()
    assert await shop.gifts() == []
    assert await shop.mails() == []


async def test_what_is_not_redeemed_in_time_leaves_the_card(shop: Shop) -> None:
    """On 3 June the reward is still there, on the 4th it is gone; what was redeemed is known as such."""
    late, used = await shop.card(), await shop.card()
    await shop.work()
    assert (await shop.redeem(used)).status_code == 201
    assert "Happy birthday!" not in await shop.page(used)
    shop.clock.at = datetime(2026, 6, 3, 21, 59, tzinfo=UTC)
    await shop.work()
    assert await shop.balance(late) == (0, 1)
    shop.clock.at = datetime(2026, 6, 3, 22, 0, tzinfo=UTC)
    await shop.work()
    assert await shop.balance(late) == (0, 0)
    found = {gift.pass_id: gift.outcome for gift in await shop.gifts()}
    assert found == {late.id: "lapsed", used.id: "redeemed"}
    assert (await shop.redeem(late)).status_code == 409


async def test_the_end_takes_no_reward_that_was_earned(shop: Shop) -> None:
    """A full card's reward set aside beside the gift: one is redeemed, and the end of the gift takes none."""
    card = await shop.card(columns={"rewards_banked": {str(shop.reward_id): 1}, "reward_unlocked": True})
    await shop.work()
    assert await shop.balance(card) == (0, 2)
    assert (await shop.redeem(card)).status_code == 201
    shop.clock.at = BIRTHDAY + timedelta(days=20)
    await shop.work()
    assert await shop.balance(card) == (0, 1)


async def test_switched_off_in_the_middle(shop: Shop) -> None:
    """Off: nothing is shown, told, given or ended; on again: the gift goes on, and ends by its own day."""
    card = await shop.agreed()
    await give(shop.context(), customer_id=card.customer_id)
    (gift,) = await shop.gifts()
    other = await shop.card()
    await shop.switch()
    await tell(shop.context(), gift_id=gift.id)
    shop.clock.at = BIRTHDAY + timedelta(hours=1)
    await shop.work()
    await give(shop.context(), customer_id=other.customer_id)
    assert await shop.mails() == []
    assert len(await shop.gifts()) == 1
    assert "Happy birthday!" not in await shop.page(card)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="en", now=shop.clock.at)
        assert not [field for field in view.fields if field.key.startswith("birthday")]
    shop.client.cookies.update(shop.merchant.cookies)
    assert (await shop.client.get("/dashboard/birthdays")).status_code == 403
    assert "/dashboard/birthdays" not in (await shop.client.get("/dashboard/stores")).text
    assert "/dashboard/analytics/birthdays" not in (await shop.client.get("/dashboard/analytics")).text
    shop.clock.at = BIRTHDAY + timedelta(days=30)
    await end(shop.context(), gift_id=gift.id)
    assert await shop.balance(card) == (0, 1)
    await shop.switch("birthdays")
    await shop.work()
    assert await shop.balance(card) == (0, 0)


async def test_people_who_are_joined_get_one(shop: Shop) -> None:
    """Two entries of one person, one with this year's gift: after joining them there is no second."""
    first = await shop.card(email="ana@example.com")
    await shop.work()
    second = await shop.card(email="ana@example.com")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await merge_people(
            session,
            shop.merchant.id,
            source_id=first.customer_id,
            target_id=second.customer_id,
            now=shop.clock.at,
        )
    await shop.work()
    assert len(await shop.gifts()) == 1
    assert await shop.balance(second) == (0, 1)
    shop.clock.at = BIRTHDAY + timedelta(days=20)
    await shop.work()
    assert await shop.balance(second) == (0, 0)


async def test_what_the_card_cannot_hold_waits(shop: Shop) -> None:
    """A full card takes no stamp: the year stays free, and the gift comes once there is room in the window."""
    await shop.set(kind="stamps", stamps=2)
    card = await shop.card(stamps=10, columns={"reward_unlocked": True})
    await shop.work()
    assert await shop.gifts() == []
    assert (await shop.redeem(card)).status_code == 201
    shop.clock.at = BIRTHDAY + timedelta(days=1)
    await shop.work()
    assert await shop.balance(card) == (2, 0)


async def test_the_page_sets_the_gift(shop: Shop) -> None:
    """The form works without JavaScript; a gift that no card can hold is refused and nothing changes."""
    shop.client.cookies.update(shop.merchant.cookies)
    page = await shop.client.get("/dashboard/birthdays")
    assert page.status_code == 200
    assert "What the customer sees" in page.text
    token = re.search(r'name="csrf"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    form = {"csrf": token[1], "kind": "points", "points": "50", "days_before": "3"}
    origin = {"origin": "http://testserver"}
    refused = await shop.client.post("/dashboard/birthdays", data=form, headers=origin)
    assert refused.status_code == 422
    assert "Your cards do not collect these." in refused.text
    far = form | {"kind": "stamps", "stamps": "2", "days_before": "32"}
    assert (await shop.client.post("/dashboard/birthdays", data=far, headers=origin)).status_code == 422
    card = await shop.card()
    await shop.work()
    assert await shop.balance(card) == (0, 1)  # still the reward
    good = form | {"kind": "stamps", "stamps": "2"}
    saved = await shop.client.post("/dashboard/birthdays", data=good, headers=origin)
    assert saved.status_code == 303
    fresh = await shop.card(Birthday(23, 5, None))
    await shop.work()
    assert await shop.balance(fresh) == (2, 0)


async def test_report_profile_and_download(shop: Shop) -> None:
    """One of two is redeemed: the report counts it, the profile says it, the download has a line for each."""
    card, _other = await shop.card(), await shop.card(name="Bea")
    await shop.work()
    await shop.redeem(card)
    shop.client.cookies.update(shop.merchant.cookies)
    report = await shop.client.get("/dashboard/analytics/birthdays")
    assert report.status_code == 200
    assert "50%" in report.text
    profile = await shop.client.get(f"/dashboard/customers/{card.customer_id}")
    assert "Birthday gifts" in profile.text
    assert "Redeemed" in profile.text
    assert "Birthday gifts" in (await shop.client.get("/dashboard/exports")).text

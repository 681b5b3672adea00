"""One person on both sides, in its disguises: held for the shop and paid to nobody, until somebody has looked."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.kernel.points import PERSONAL_DATA
from app.modules.cards.public import PassObject, merge_people
from app.modules.fingerprints.models import VisitTrace
from app.modules.portal.tests.helpers import send_form
from app.modules.referrals.models import Referral, ReferralLink
from app.modules.referrals.tests.world import LATER, START, Shop

HTML = {"Accept": "text/html"}


async def held(shop: Shop, friend: UUID, *reasons: str) -> None:
    """Buy as the friend, and see that the gift is held for these reasons with nothing given to anybody."""
    await shop.buy_and_wait(friend)
    row = await shop.row(friend)
    assert (row.status, row.reasons) == ("review", list(reasons))
    assert await shop.gifts() == 0


async def test_ones_own_link_is_not_taken_up(shop: Shop) -> None:
    """The browser with the inviter's card is told that the link is its own; pressing the button keeps nothing."""
    browser = shop.browser()
    join = f"/join/{shop.store.id}"
    mine = UUID((await send_form(browser, join, join)).headers["location"].rsplit("/", 1)[1])
    path = await shop.link(mine)
    assert "This is your own link" in (await browser.get(path, headers=HTML)).text
    shown = await shop.browser().get(path, headers=HTML)
    assert "You are invited" in shown.text
    csrf = {"csrf": browser.cookies.get("csrf") or ""}
    await browser.post(path, data=csrf, headers=HTML)
    assert "invited" not in browser.cookies
    async with shop.tenant() as session:
        assert await session.scalar(select(ReferralLink.invited)) == 0


async def test_the_same_device_is_held(shop: Shop) -> None:
    """The link is taken up, then the inviter's card opened in the same browser, then joined: held."""
    inviter = await shop.card()
    browser = shop.browser()
    path = await shop.link(inviter.id)
    await send_form(browser, path, path)
    await browser.get(f"/card/{inviter.id}?t={inviter.token}", follow_redirects=True)
    join = f"/join/{shop.store.id}"
    joined = await send_form(browser, f"{join}?new", join)
    await held(shop, UUID(joined.headers["location"].rsplit("/", 1)[1]), "same_device")


async def test_the_second_friend_in_one_browser_is_held(shop: Shop) -> None:
    """The first friend is fine, the second one who joins in the same browser is held."""
    inviter = await shop.card()
    browser = shop.browser()
    first = await shop.invite(inviter.id, browser=browser)
    join = f"/join/{shop.store.id}"
    second = await send_form(browser, f"{join}?new", join)
    await held(shop, UUID(second.headers["location"].rsplit("/", 1)[1]), "same_device")
    await shop.buy_and_wait(first)
    assert await shop.points(inviter.id) == 50


@pytest.mark.parametrize("modules", [("referrals", "fingerprints"), ("referrals",)])
async def test_a_phone_that_collected_on_both_cards_is_held(shop: Shop, modules: tuple[str, ...]) -> None:
    """The friend joins in a browser of its own, and the purchase is entered on the inviter's phone: held.

    With fingerprints off, which is the default, nothing is kept of it and both are paid: the control.
    """
    await shop.switch(*modules)
    phone = shop.browser()
    inviter = await shop.card()
    await phone.get(f"/card/{inviter.id}?t={inviter.token}", follow_redirects=True)
    await shop.buy(inviter.id, browser=phone)
    friend = await shop.invite(inviter.id)
    await shop.buy(friend, browser=phone)
    shop.clock.at += LATER
    await shop.look(friend)
    row = await shop.row(friend)
    if "fingerprints" in modules:
        assert (row.status, row.reasons, await shop.gifts()) == ("review", ["same_device"], 0)
    else:
        assert (row.status, row.reasons, await shop.gifts()) == ("given", [], 2)
    assert await shop.count(VisitTrace) == (2 if "fingerprints" in modules else 0)


async def test_two_phones_are_two_people_also_with_fingerprints(shop: Shop) -> None:
    """The same purchases, each on a phone of its own in the same shop's Wi-Fi: nobody is held."""
    await shop.switch("referrals", "fingerprints")
    phone, other = shop.browser(), shop.browser()
    inviter = await shop.card()
    await phone.get(f"/card/{inviter.id}?t={inviter.token}", follow_redirects=True)
    await shop.buy(inviter.id, browser=phone)
    friend = await shop.invite(inviter.id, browser=other)
    await shop.buy(friend, browser=other)
    shop.clock.at += LATER
    await shop.look(friend)
    assert ((await shop.row(friend)).status, await shop.gifts()) == ("given", 2)


@pytest.mark.parametrize(
    ("inviter_mail", "friend_mail"),
    [
        ("ada@example.com", "ADA+me@example.com"),
        ("ada.l@gmail.com", "adal@googlemail.com"),
        ("ada@example.com", "ada@ex\N{LATIN SMALL LETTER A WITH ACUTE}mple.com"),
        ("ada@example.com", "ada@ex\N{CYRILLIC SMALL LETTER A}mple.com"),
    ],
)
async def test_the_same_mailbox_in_disguise_is_held(shop: Shop, inviter_mail: str, friend_mail: str) -> None:
    """A tag, a dot, another name of the provider or another alphabet: held."""
    inviter = await shop.card(email=inviter_mail)
    friend = await shop.invite(inviter.id)
    async with shop.tenant() as session:
        await session.execute(
            text("UPDATE customer SET email = :mail WHERE id = :id"),
            {"mail": friend_mail, "id": (await shop.row(friend)).friend_id},
        )
    await held(shop, friend, "same_mail")


async def test_two_friends_with_one_mailbox_are_held(shop: Shop) -> None:
    """The second friend types the address of the first with a tag: held, the first is not."""
    inviter = await shop.card()
    first = await shop.invite(inviter.id, email="eva@example.com")
    await shop.buy_and_wait(first)
    second = await shop.invite(inviter.id, email="eva+2@example.com")
    await shop.buy_and_wait(second)
    assert ((await shop.row(second)).status, (await shop.row(second)).reasons) == ("review", ["same_mail"])
    assert (await shop.points(inviter.id), await shop.gifts()) == (50, 2)


async def test_a_customer_from_before_is_held(shop: Shop) -> None:
    """The friend's mailbox was confirmed by an older card: held, also once the two cards are joined."""
    older = await shop.card(email="eva@example.com", verified=True)
    inviter = await shop.card()
    shop.clock.at += timedelta(days=1)
    friend = await shop.invite(inviter.id, email="eva@example.com")
    await held(shop, friend, "known")
    again = await shop.invite(inviter.id)
    row = await shop.row(again)
    async with shop.tenant() as session:
        ids = {"source_id": row.friend_id, "target_id": older.customer_id}
        await merge_people(session, shop.merchant.id, **ids, now=shop.clock.at)
        await session.execute(
            text("UPDATE pass_object SET created_at = :at WHERE id = :id"),
            {"at": START - timedelta(days=9), "id": older.id},
        )
    await shop.buy(older.id)
    shop.clock.at += timedelta(minutes=16)
    await shop.look(older.id)
    assert ((await shop.row(again)).status, (await shop.row(again)).reasons) == (
        "review",
        ["known", "same_mail"],
    )


async def test_inviter_and_friend_joined_into_one_person_are_held(shop: Shop) -> None:
    """Both cards turn out to be one person's: held, for nothing is paid to oneself."""
    inviter = await shop.card()
    friend = await shop.invite(inviter.id)
    row = await shop.row(friend)
    async with shop.tenant() as session:
        ids = {"source_id": row.friend_id, "target_id": inviter.customer_id}
        await merge_people(session, shop.merchant.id, **ids, now=shop.clock.at)
    await shop.buy(inviter.id)
    shop.clock.at += timedelta(minutes=16)
    await shop.look(inviter.id)
    row = await shop.row(friend)
    assert row.status == "review"
    assert "self" in row.reasons
    assert await shop.gifts() == 0


@pytest.mark.parametrize("length", [1, 3])
async def test_circles_are_held(shop: Shop, length: int) -> None:
    """A brings B (who brings C, who brings D), and the last one brings A back under a tag of A's address: held."""
    first = await shop.card(email="ada@example.com")
    last = first.id
    for _step in range(length):
        last = await shop.invite(last)
    back = await shop.invite(last, email="ada+again@example.com")
    await held(shop, back, "circle")


async def test_a_circle_closed_by_joining_cards_is_held(shop: Shop) -> None:
    """A brings B, B brings A's second card, and the two cards of A become one: B is paid nothing for it."""
    first = await shop.card()
    second = await shop.invite(first.id)
    third = await shop.invite(second)
    row = await shop.row(third)
    async with shop.tenant() as session:
        ids = {"source_id": row.friend_id, "target_id": first.customer_id}
        await merge_people(session, shop.merchant.id, **ids, now=shop.clock.at)
    await shop.buy(first.id)
    shop.clock.at += timedelta(minutes=16)
    await shop.look(first.id)
    row = await shop.row(third)
    assert row.status == "review"
    assert "circle" in row.reasons
    assert await shop.gifts() == 0


async def test_approved_both_are_paid_declined_nobody_is(shop: Shop) -> None:
    """On the dashboard, without JavaScript: one is approved and paid by the worker, one declined; neither twice."""
    inviter = await shop.card(name="Ada Planted")
    browser = shop.browser()
    friends = [await shop.invite(inviter.id, browser=shop.browser(), name=name) for name in ("Eva", "Ida")]
    async with shop.tenant() as session:
        await session.execute(text("UPDATE referral SET reasons = '[\"same_device\"]'"))
    for friend in friends:
        await shop.buy_and_wait(friend)
    browser.cookies.update(shop.merchant.cookies)
    ids = [(await shop.row(friend)).id for friend in friends]
    page = await browser.get("/dashboard/referrals", headers=HTML)
    assert "Joined or collected on a device that holds another card" in page.text
    origin = {"origin": "http://testserver"}
    for wish, number in (("approve", 0), ("decline", 1)):
        path = f"/dashboard/referrals/{ids[number]}/{wish}"
        done = await send_form(browser, "/dashboard/referrals", path, headers=origin)
        assert done.status_code == 303, done.text
    token = {"csrf": browser.cookies.get("csrf") or ""}
    for number, wish in ((0, "decline"), (1, "approve")):
        await browser.post(f"/dashboard/referrals/{ids[number]}/{wish}", data=token, headers=HTML | origin)
    for friend in friends:
        await shop.look(friend)
    assert [(await shop.row(friend)).status for friend in friends] == ["given", "declined"]
    assert (await shop.points(inviter.id), await shop.gifts()) == (50, 2)


async def test_nothing_of_one_is_shown_to_the_other(shop: Shop) -> None:
    """Planted names, addresses and card numbers of one stand on no page, pass, download or link of the other."""
    inviter = await shop.card(name="Ada Planted", email="ada.planted@example.com")
    browser = shop.browser()
    friend = await shop.invite(inviter.id, browser=browser, name="Zoë Secret", email="zoe.secret@example.org")
    row = await shop.row(friend)
    async with shop.tenant() as session:
        numbers = {found.id: found.card_number for found in await session.scalars(select(PassObject))}
    of_inviter = [
        "Ada",
        "Planted",
        "ada.planted",
        numbers[inviter.id],
        str(inviter.id),
        str(inviter.customer_id),
    ]
    of_friend = ["Zoë", "Secret", "zoe.secret", numbers[friend], str(friend), str(row.friend_id)]
    own = shop.browser()
    path = await shop.link(inviter.id)
    for step in ("joined", "given"):
        if step == "given":
            await shop.buy_and_wait(friend)
        seen_by_inviter = [
            (await own.get(f"/card/{inviter.id}?t={inviter.token}", follow_redirects=True)).text,
            (await own.get(f"/card/{inviter.id}/friends")).text,
            (await own.get(f"/card/{inviter.id}/data.json")).text,
        ]
        seen_by_friend = [
            (await browser.get(f"/card/{friend}", headers=HTML)).text,
            (await browser.get(f"/card/{friend}/friends")).text,
            (await browser.get(f"/card/{friend}/data.json")).text,
            (await shop.browser().get(path, headers=HTML)).text,
            path,
        ]
        assert "Friend 1" in seen_by_inviter[1]
        assert not [word for word in of_friend for page in seen_by_inviter if word in page]
        assert not [word for word in of_inviter for page in seen_by_friend if word in page]
    async with shop.tenant() as session:
        told = await PERSONAL_DATA.get("referrals").export(session, shop.merchant.id, inviter.customer_id)
        assert told["friends"] == [{"status": "given", "gift": "given"}]
        assert await session.scalar(select(Referral.status)) == "given"

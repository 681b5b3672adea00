"""From a card that is full, a birthday or points that expire, to one mail at the right moment, or none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.db.session import tenant_scope
from app.kernel.audit import AuditEntry
from app.kernel.points import PERSONAL_DATA
from app.modules.customers.public import Birthday, set_opt_outs
from app.modules.messaging.models import OutboxMessage
from app.modules.nudges import service
from app.modules.nudges.models import NudgeSlot, NudgeText
from app.modules.nudges.tests.world import Shop
from app.modules.points.models import PointsLot
from app.modules.stores.factories import make_store
from app.modules.wallets.messages.models import WalletMessage


async def test_a_full_card_is_told_once_on_mail_and_card(shop: Shop) -> None:
    """Two rounds write one mail with the reward's name and the card's address, and one message on the card."""
    card = await shop.full_card()
    await shop.round()
    await shop.round()
    await shop.deliver()
    assert await shop.kinds() == ["reward_ready"]
    assert shop.post.recipients == ["anna1@example.com"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        [said] = (await session.scalars(select(WalletMessage))).all()
    assert said.pass_id == card.id
    assert "waiting" in said.header


async def test_one_stamp_away_is_told(shop: Shop) -> None:
    """Nine of ten stamps; eight of ten are no news."""
    await shop.card(1, stamps=9)
    await shop.card(2, stamps=8)
    await shop.round()
    assert [(row.kind, row.recipient) for row in await shop.mails()] == [("one_away", "anna1@example.com")]


@pytest.mark.parametrize(
    "over",
    [
        {"email_consent": False},
        {"verified": False},
        {"email": None, "verified": False, "email_consent": False},
    ],
)
async def test_nobody_is_written_to_who_did_not_agree_or_confirm(shop: Shop, over: dict[str, Any]) -> None:
    """No consent, no confirmed address, no address: no mail is even written."""
    await shop.full_card(**over)
    await shop.round()
    assert await shop.mails() == []


async def test_who_is_still_in_the_shop_is_not_written_to(shop: Shop) -> None:
    """Within two hours of the visit nothing goes; after them it does."""
    await shop.card(stamps=10, columns={"reward_unlocked": True, "last_visit_at": shop.clock.now()})
    await shop.round()
    assert await shop.mails() == []
    shop.clock.advance(hours=2)
    await shop.round()
    assert await shop.kinds() == ["reward_ready"]


async def test_one_message_a_week(shop: Shop) -> None:
    """A birthday three days after a full card is not written to; one seven days after is."""
    await shop.full_card(1, birthday=Birthday(23, 11))
    await shop.full_card(2, birthday=Birthday(27, 11))
    await shop.round()
    for _day in range(7):
        shop.clock.advance(days=1)
        await shop.round()
    found = [(row.kind, row.recipient) for row in await shop.mails()]
    assert sorted(found[:2]) == [("reward_ready", "anna1@example.com"), ("reward_ready", "anna2@example.com")]
    assert found[2:] == [("birthday", "anna2@example.com")]


async def test_a_leap_days_child_gets_one_birthday_mail_in_a_common_year(shop: Shop) -> None:
    """Born on 29 February: written to on 28 February 2027, and not again on 1 March."""
    await shop.card(birthday=Birthday(29, 2, 2000))
    shop.clock.advance(days=99)  # 27 February 2027
    for _day in range(4):
        await shop.round()
        shop.clock.advance(days=1)
    [mail] = await shop.mails()
    assert (mail.kind, mail.created_at.date().isoformat()) == ("birthday", "2027-02-28")


async def test_points_about_to_expire(shop: Shop) -> None:
    """Thirteen days before, not fifteen; with how many and until when."""
    await make_store(shop.database, shop.merchant, "points", name="Points")
    for number, days in ((1, 13), (2, 15)):
        card = await shop.card(number, points=40)
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await session.execute(
                update(PointsLot)
                .where(PointsLot.pass_id == card.id)
                .values(expires_at=shop.clock.now() + timedelta(days=days))
            )
    await shop.round()
    assert [(row.kind, row.recipient) for row in await shop.mails()] == [
        ("points_expiring", "anna1@example.com")
    ]


async def test_quiet_hours_keep_back_what_was_written_before(shop: Shop) -> None:
    """Nothing is written at night; and what waits in the outbox since before leaves in the morning."""
    await shop.full_card(1)
    await shop.round()
    shop.clock.advance(hours=11)  # 21:00
    await shop.full_card(2)
    await shop.round()
    await shop.deliver()
    assert (len(await shop.mails()), shop.post.recipients) == (1, [])
    shop.clock.advance(hours=12)  # 9:00
    await shop.round()
    await shop.deliver()
    assert sorted(shop.post.recipients) == ["anna1@example.com", "anna2@example.com"]


async def test_a_kind_switched_off_is_not_sent(shop: Shop) -> None:
    """The switch is a form; it leaves an entry in the audit trail."""
    await shop.full_card()
    answer = await shop.page("/automatic/reward_ready/off", {})
    assert answer.status_code == 303
    await shop.round()
    assert await shop.mails() == []
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        actions = (await session.scalars(select(AuditEntry.action))).all()
    assert "message.settings_changed" in actions


async def test_own_words_are_used_in_their_language_only(shop: Shop) -> None:
    """French words of the shop go to French customers; an unknown place is named and nothing is kept."""
    form = {"locale": "fr", "subject": "{reward} vous attend", "text": "Bonjour {nom}", "wish": "save"}
    refused = await shop.page("/automatic/reward_ready", form)
    assert refused.status_code == 422
    assert "{nom}" in refused.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (await session.scalars(select(NudgeText))).all() == []
    assert (await shop.page("/automatic/reward_ready", form | {"text": "Bonjour {name}"})).status_code == 303
    french, german = await shop.full_card(1, locale="fr"), await shop.full_card(2, locale="de")
    await shop.round()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        said = {row.pass_id: row.body for row in await session.scalars(select(WalletMessage))}
    assert said[french.id] == "Bonjour Anna"
    assert said[german.id].startswith("Hallo Anna")


async def test_a_test_goes_to_oneself(shop: Shop) -> None:
    """The member's own address gets it, at once, and no customer does."""
    await shop.full_card()
    form = {"locale": "en", "subject": "{reward}", "text": "Hello {name}", "wish": "test"}
    assert (await shop.page("/automatic/reward_ready", form)).status_code == 303
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        # Joining itself sends the card's link.
        others = select(OutboxMessage).where(OutboxMessage.kind != "card_link")
        [mail] = (await session.scalars(others)).all()
    assert (mail.recipient, mail.kind, mail.purpose) == (shop.merchant.email, "message_test", "service")


async def test_two_workers_write_one_message(shop: Shop) -> None:
    """Two rounds at once, and two workers on one news: one mail a customer."""
    await shop.full_card()
    await asyncio.gather(shop.round(), shop.round())
    assert await shop.kinds() == ["reward_ready"]


async def test_control_without_slot_and_key_two_rounds_write_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with the week's slot and the once key taken away, two rounds write two mails."""
    real = service.queue_mail

    async def always(*_args: Any, **_more: Any) -> bool:
        return True

    async def forgetful(*args: Any, **more: Any) -> Any:
        return await real(*args, **{**more, "once_key": None})

    monkeypatch.setattr(service, "take_slot", always)
    monkeypatch.setattr(service, "queue_mail", forgetful)
    await shop.full_card()
    await shop.round()
    await shop.round()
    assert await shop.kinds() == ["reward_ready", "reward_ready"]


async def test_the_card_keeps_silent_where_its_holder_wants_that(shop: Shop) -> None:
    """Updates switched off on the wallet: the mail goes, the card says nothing; the other card speaks."""
    silent, speaking = await shop.full_card(1), await shop.full_card(2)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        unwanted = frozenset({("updates", "wallet")})
        await set_opt_outs(
            session, shop.merchant.id, silent.customer_id, unwanted=unwanted, now=shop.clock.now()
        )
    await shop.round()
    await shop.deliver()
    assert sorted(shop.post.recipients) == ["anna1@example.com", "anna2@example.com"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        said = (await session.scalars(select(WalletMessage.pass_id))).all()
    assert said == [speaking.id]


async def test_erasing_forgets_when_somebody_was_written_to(shop: Shop) -> None:
    """The slot goes with the person; what still waits is not sent."""
    card = await shop.full_card()
    await shop.round()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        for _name, handler in PERSONAL_DATA.items():
            await handler.erase(session, shop.merchant.id, card.customer_id)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (await session.scalars(select(NudgeSlot))).all() == []
    await shop.deliver()
    assert shop.post.recipients == []


async def test_a_shop_that_switched_messages_off_writes_none(shop: Shop) -> None:
    """Off means without effect, and its pages are closed."""
    await shop.full_card()
    from app.kernel.permissions import Principal
    from app.modules.merchants.public import switch_feature

    owner = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await switch_feature(session, owner, "nudges", is_on=False, now=shop.clock.now())
    await shop.round()
    assert await shop.mails() == []
    assert (await shop.page("")).status_code in {403, 404}


async def test_pages_open_in_every_language(shop: Shop) -> None:
    """The list, a message in each language, the composer."""
    for path in (
        "",
        "/new",
        "/addresses",
        *(f"/automatic/birthday?locale={x}" for x in ("en", "fr", "de", "lb")),
    ):
        assert (await shop.page(path)).status_code == 200, path

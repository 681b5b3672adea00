"""From a card that is full, a birthday, points that expire, or news, to one mail at the right moment, or none."""

from __future__ import annotations

import asyncio
import re
from copy import copy
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.db.session import tenant_scope
from app.kernel.adapters import Resources
from app.kernel.audit import AuditEntry
from app.kernel.jobs import JobContext, TryAgain
from app.kernel.jobs.runner import DRAIN_LIMIT, Drained, JobRunner
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.factories import make_card
from app.modules.customers.factories import make_agreed_crowd
from app.modules.customers.public import Birthday, record_consent, set_opt_outs
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.jobs import send_marketing
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.smtp import MailTransport
from app.modules.nudges import jobs, service
from app.modules.nudges.models import News, NudgeSlot, NudgeText
from app.modules.points.models import PointsLot
from app.modules.stores.factories import make_store
from app.modules.wallets.messages.models import WalletMessage


class Post:
    """A mail server that takes everything, and remembers to whom."""

    server = ""

    def __init__(self) -> None:
        self.recipients: list[str] = []

    async def send(self, message: bytes, *, sender: str, recipient: str) -> None:
        """Take it."""
        self.recipients.append(recipient)


class Shop:
    """A shop with its worker, and short words for what happens there."""

    def __init__(self, client: Any, process: Any, clock: Any, merchant: Any, store: Any) -> None:
        self.client, self.database, self.clock = client, process.database, clock
        self.merchant, self.store, self.post = merchant, store, Post()
        resources = Resources()
        resources._objects.update(process.resources._objects)
        resources.put(MailTransport, self.post)
        self.job = JobContext(
            process.database, process.settings, clock, process.registry, resources, merchant_id=merchant.id
        )

    async def card(self, number: int = 1, **over: Any) -> Any:
        """Make the card of somebody who agreed and confirmed, seen three hours ago."""
        details = {
            "name": "Anna",
            "email": f"anna{number}@example.com",
            "email_consent": True,
            "verified": True,
        }
        columns = {"last_visit_at": self.clock.now() - timedelta(hours=3), **over.pop("columns", {})}
        return await make_card(self.database, self.store, columns=columns, **{**details, **over})

    async def full_card(self, number: int = 1, **over: Any) -> Any:
        """Make a card whose reward is ready."""
        return await self.card(number, stamps=10, columns={"reward_unlocked": True}, **over)

    async def round(self) -> None:
        """Look who is due."""
        await jobs.write_messages(self.job)

    async def mails(self) -> list[OutboxMessage]:
        """Return what was written to customers."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(OutboxMessage).where(OutboxMessage.purpose == "marketing").order_by(OutboxMessage.id)
            )
            return list(rows)

    async def kinds(self) -> list[str]:
        """Return the kinds of what was written."""
        return [row.kind for row in await self.mails()]

    async def deliver(self) -> None:
        """Let the worker send what waits; what is not its turn stays."""
        for row in await self.mails():
            try:
                await send_marketing(self.job, message_id=row.id)
            except TryAgain:
                continue

    async def work(self, module: str, *, limit: int = DRAIN_LIMIT) -> Drained:
        """Let a worker that knows one module only run what is due of it."""
        only = copy(self.job.registry)
        only.modules = (only.by_name[module],)
        runner = JobRunner(self.database, only, self.job.settings, self.clock, resources=self.job.resources)
        return await runner.drain(limit=limit)

    async def page(self, path: str, data: dict[str, str] | None = None) -> Any:
        """Open a page of the dashboard as the owner, or send a form of it."""
        self.client.cookies.clear()
        self.client.cookies.update(self.merchant.cookies)
        if data is None:
            return await self.client.get(f"/dashboard/messages{path}")
        first = await self.client.get("/dashboard/messages")
        token = re.search(r'name="csrf" value="([^"]+)"', first.text).group(1)
        return await self.client.post(f"/dashboard/messages{path}", data=data | {"csrf": token})

    async def news(self, **over: str) -> str:
        """Write a draft over HTTP and return its address below /dashboard/messages."""
        form = {
            "kind": "promotion",
            "subject": "Sale, {name}",
            "text": "Hello {name}\n\nCome to {shop}.",
            **over,
        }
        answer = await self.page("/new", form)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].removeprefix("/dashboard/messages")

    async def send_news(self, path: str) -> None:
        """Press send and run the job to its end."""
        assert (await self.page(f"{path}/send", {})).status_code == 303
        news_id = path.rpartition("/")[2]
        for _batch in range(20):
            await jobs.send_news(self.job, news_id=news_id)


@pytest.fixture
async def shop(client: Any, process: Any, clock: Any) -> Shop:
    """Make the shop, at ten in the morning by its clock."""
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant)
    return Shop(client, process, clock, merchant, store)


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


async def test_news_shows_whom_it_reaches_and_goes_to_them_once(shop: Shop) -> None:
    """Of five, one did not agree and one had a message this week: three are counted, three get it, by two workers."""
    for number in range(1, 4):
        await shop.card(number)
    await shop.card(4, email_consent=False)
    await shop.full_card(5)
    await shop.round()
    path = await shop.news()
    shown = await shop.page(path)
    assert "Send to 3 customers" in shown.text
    assert "1 more had a message" in shown.text
    assert len(await shop.mails()) == 1, "a draft sends nothing"
    assert (await shop.page(f"{path}/send", {})).status_code == 303
    news_id = path.rpartition("/")[2]
    await asyncio.gather(*(jobs.send_news(shop.job, news_id=news_id) for _worker in range(2)))
    await shop.page(f"{path}/send", {})
    await jobs.send_news(shop.job, news_id=news_id)
    await shop.deliver()
    expected = [f"anna{number}@example.com" for number in (1, 2, 3, 5)]
    assert sorted(shop.post.recipients) == expected
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        row = (await session.scalars(select(News))).one()
    assert (row.status, row.queued, row.rested) == ("sent", 3, 1)


async def test_another_shops_news_is_not_found(shop: Shop) -> None:
    """A foreign id shows nothing and sends nothing."""
    path = await shop.news()
    own = shop.merchant
    shop.merchant = await make_merchant(shop.database)
    assert (await shop.page(path)).status_code == 404
    assert (await shop.page(f"{path}/send", {})).status_code == 404
    shop.merchant = own
    async with tenant_scope(shop.database, own.id) as session:
        assert (await session.scalars(select(News.status))).one() == "draft"


CROWD = 1_000


@pytest.mark.parametrize(("is_withdrawn", "sent"), [(True, 0), (False, CROWD)])
async def test_consent_withdrawn_between_queueing_and_sending(
    shop: Shop, is_withdrawn: bool, sent: int
) -> None:
    """A thousand mails wait; consent is withdrawn; none is sent. The control: with consent all are."""
    ids = await make_agreed_crowd(shop.database, shop.merchant, CROWD, now=shop.clock.now())
    path = await shop.news()
    assert (await shop.page(f"{path}/send", {})).status_code == 303
    await shop.work("nudges")
    assert {(row.status, row.customer_id) for row in await shop.mails()} == {("waiting", one) for one in ids}
    assert shop.post.recipients == []
    if is_withdrawn:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            for customer_id in ids:
                await record_consent(
                    session, shop.merchant.id, customer_id, given=False, source="test", now=shop.clock.now()
                )
    done = await shop.work("messaging", limit=2 * CROWD)
    assert done.done >= CROWD
    assert len(shop.post.recipients) == len(set(shop.post.recipients)) == sent
    expected = {("suppressed", "no_consent")} if is_withdrawn else {("sent", None)}
    assert {(row.status, row.failure) for row in await shop.mails()} == expected
    assert len(await shop.mails()) == CROWD


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

"""Double opt-in as the setting says it: from the ticked box over the mailed link to a mail at a real SMTP server."""

from __future__ import annotations

import email
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.kernel.adapters import Resources
from app.kernel.i18n import LANGUAGES
from app.kernel.jobs import JobContext
from app.modules.customers import service
from app.modules.customers.consents import FIRM_SQL, is_firm
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.customers.public import ConsentSettings, StatedConsent, add_customers
from app.modules.customers.service import CustomerDetails
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.jobs import send_marketing, send_message
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.public import MARKETING, queue_mail
from app.modules.messaging.smtp import MailTransport, SmtpServer, SmtpTransport
from app.modules.portal.tests.helpers import send_form
from app.modules.stores.factories import make_store

ADDRESS = "anna@example.com"


class Inbox:
    """A mail server that takes everything."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail."""
        assert isinstance(envelope.content, bytes)
        self.mails.append(email.message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[SmtpServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield SmtpServer("127.0.0.1", port, tls="offered")
    controller.stop()


class Shop:
    """A shop whose mails go to a server on loopback, and a visitor with a browser."""

    def __init__(self, client: Any, process: Any, clock: Any, inbox: Inbox, server: SmtpServer) -> None:
        self.client, self.process, self.clock, self.inbox = client, process, clock, inbox
        self.database, self.server = process.database, server

    async def open(self) -> None:
        """Make the shop and its worker."""
        self.merchant = await make_merchant(self.database)
        self.store = await make_store(self.database, self.merchant)
        resources = Resources()
        resources._objects.update(self.process.resources._objects)
        resources.put(MailTransport, SmtpTransport(self.server))
        self.job = JobContext(
            self.database,
            self.process.settings,
            self.clock,
            self.process.registry,
            resources,
            merchant_id=self.merchant.id,
        )

    async def double_opt_in(self, wish: bool) -> None:
        """Set it as the privacy page does."""
        self.client.cookies.clear()
        self.client.cookies.update(self.merchant.cookies)
        more = {"double_opt_in": "true"} if wish else {}
        answer = await send_form(
            self.client, "/dashboard/privacy", "/dashboard/privacy", inactive_months="0", **more
        )
        assert answer.status_code == 303
        self.client.cookies.clear()

    async def join(self, *, locale: str = "en", consent: bool = True) -> str:
        """Join on the card page, and return the path of the card."""
        page = f"/join/{self.store.id}"
        self.client.cookies.set("stempel_locale", locale)
        fields = {"email": ADDRESS, **({"email_consent": "true"} if consent else {})}
        answer = await send_form(self.client, page, page, headers={"Accept-Language": locale}, **fields)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"].partition("?")[0])

    async def customer(self) -> Customer:
        """Return the one customer."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            return (await session.scalars(select(Customer).where(Customer.erased_at.is_(None)))).one()

    async def records(self) -> list[ConsentRecord]:
        """Return the consents, oldest first."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(ConsentRecord)
                .where(ConsentRecord.merchant_id == self.merchant.id)
                .order_by(ConsentRecord.id)
            )
            return list(rows)

    async def deliver(self) -> list[str]:
        """Let the worker send all that waits; return how each of the last round ended."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            waiting = (
                await session.scalars(select(OutboxMessage).where(OutboxMessage.status == "waiting"))
            ).all()
        for row in waiting:
            send = send_marketing if row.purpose == MARKETING else send_message
            await send(self.job, message_id=row.id)
        async with tenant_scope(self.database, self.merchant.id) as session:
            ids = [row.id for row in waiting]
            rows = await session.scalars(select(OutboxMessage).where(OutboxMessage.id.in_(ids)))
            return sorted(row.failure or row.status for row in rows)

    async def promote(self) -> list[str]:
        """Queue a promotion to the customer and send it; return how it ended."""
        await self.deliver()
        customer = await self.customer()
        async with tenant_scope(self.database, self.merchant.id) as session:
            await queue_mail(
                session,
                merchant_id=self.merchant.id,
                recipient=ADDRESS,
                kind="promotion",
                locale="en",
                subject="Sale",
                text="Come.",
                customer_id=customer.id,
                purpose=MARKETING,
                now=self.clock.now(),
            )
        return await self.deliver()

    async def link(self) -> str:
        """Return the path of the link in the last mail with one."""
        await self.deliver()
        links = [re.search(r"/card/link/[\w-]+", words_of(mail)) for mail in self.inbox.mails]
        return [found.group() for found in links if found][-1]

    async def answer(self, **fields: str) -> Any:
        """Open the last link in another browser than the card's, and press the button."""
        path = await self.link()
        self.client.cookies.clear()
        return await send_form(self.client, path, path, **fields)


def words_of(mail: Message) -> str:
    """Return the plain text of a mail."""
    part = mail.get_payload(0) if mail.is_multipart() else mail
    return part.get_payload(decode=True).decode()


@pytest.fixture(autouse=True)
async def fresh_limits(app: Any) -> None:
    """Give each test its own links to open: all come from one address, and the limiter counts by the real clock."""
    await app.state.limiter.reset()


@pytest.fixture
async def shop(client: Any, process: Any, clock: Any, inbox: Inbox, server: SmtpServer) -> Shop:
    made = Shop(client, process, clock, inbox, server)
    await made.open()
    return made


def test_double_opt_in_is_the_default() -> None:
    """A shop that set nothing asks the mailbox."""
    assert ConsentSettings().double_opt_in is True


@pytest.mark.parametrize("locale", list(LANGUAGES))
async def test_with_it_nothing_goes_before_the_mailbox_confirms_the_consent(shop: Shop, locale: str) -> None:
    """The link's mail and page show the words that were ticked; then a record says what was confirmed, and how."""
    await shop.join(locale=locale)
    shop.clock.advance(minutes=5)
    assert await shop.promote() == ["not_confirmed"]
    [asked] = shop.inbox.mails
    words = service.consent_text(locale)
    assert words in " ".join(words_of(asked).split())
    page = await shop.client.get(await shop.link(), headers={"Accept": "text/html"})
    assert words in page.text
    assert (await shop.answer()).status_code == 303
    given, confirmed = await shop.records()
    assert (given.source, given.confirms, given.locale) == ("join_page", None, locale)
    assert (confirmed.source, confirmed.confirms, confirmed.given) == ("mail_link", given.id, True)
    assert (confirmed.text_shown, confirmed.text_version) == (words, given.text_version)
    assert (confirmed.address_mac, confirmed.at) == (given.address_mac, shop.clock.now())
    assert re.fullmatch(
        r"link [0-9a-f-]{36} sent to the address 2026-11-20T\S+, used once", confirmed.evidence
    )
    assert await shop.promote() == ["sent"]
    assert shop.inbox.mails[-1]["Subject"] == "Sale"


async def test_without_it_the_box_on_the_card_page_is_enough(shop: Shop) -> None:
    """Switched off, the promotion goes to the address that was typed; the link still goes, and confirms."""
    await shop.double_opt_in(False)
    await shop.join()
    assert await shop.promote() == ["sent"]
    assert [mail["List-Unsubscribe-Post"] for mail in shop.inbox.mails] == [
        None,
        "List-Unsubscribe=One-Click",
    ]
    await shop.double_opt_in(True)
    assert await shop.promote() == ["not_confirmed"]


@pytest.mark.parametrize("wish", [True, False])
async def test_without_a_consent_only_what_was_asked_for_goes(shop: Shop, wish: bool) -> None:
    """The card's link goes either way; a promotion goes neither way, confirmed address or not."""
    await shop.double_opt_in(wish)
    await shop.join(consent=False)
    assert await shop.deliver() == ["sent"]
    assert await shop.promote() == ["no_consent"]
    assert (await shop.answer()).status_code == 303
    assert await shop.promote() == ["no_consent"]
    assert await shop.records() == []


async def test_the_card_opens_without_agreeing(shop: Shop) -> None:
    """The reader did not tick that box: the other button opens the card and takes the consent back."""
    await shop.join()
    assert (await shop.answer(mails="no")).status_code == 303
    assert [(row.given, row.source) for row in await shop.records()] == [
        (True, "join_page"),
        (False, "mail_link"),
    ]
    assert (await shop.customer()).email_verified_at is not None
    assert await shop.promote() == ["no_consent"]


async def test_an_earlier_link_does_not_confirm_a_later_consent(shop: Shop) -> None:
    """Asked on the card after the address was confirmed, a consent gets a link of its own; looking is no answer."""
    card = await shop.join(consent=False)
    await shop.answer()
    shop.clock.advance(minutes=1)
    answer = await send_form(shop.client, card, f"{card}/consent", given="true")
    assert answer.status_code == 303
    assert await shop.promote() == ["not_confirmed"]
    before = len(shop.inbox.mails)
    path = await shop.link()
    await shop.client.get(path, headers={"Accept": "text/html"})
    assert (await shop.customer()).consent_confirmed_at is None
    assert len(shop.inbox.mails) == before == 2
    await shop.answer()
    assert [(row.source, row.confirms is not None) for row in await shop.records()] == [
        ("card_page", False),
        ("mail_link", True),
    ]
    assert await shop.promote() == ["sent"]


async def test_a_link_sent_before_the_box_was_ticked_confirms_the_address_alone(shop: Shop) -> None:
    """The consent comes by another way after the mail went: its words were not in that mail."""
    await shop.join(consent=False)
    path = await shop.link()
    shop.clock.advance(minutes=1)
    customer = await shop.customer()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await service.record_consent(
            session, shop.merchant.id, customer.id, given=True, source="card_page", now=shop.clock.now()
        )
    assert (await send_form(shop.client, path, path)).status_code == 303
    customer = await shop.customer()
    assert customer.email_verified_at is not None
    assert customer.consent_confirmed_at is None
    assert await shop.promote() == ["not_confirmed"]


async def test_a_known_mailbox_confirms_the_new_cards_consent(shop: Shop) -> None:
    """Joining twice with one address: the link joins the cards, and the owner's consent is the confirmed one."""
    await shop.join(consent=False)
    await shop.answer()
    shop.client.cookies.clear()
    shop.clock.advance(minutes=1)
    await shop.join(consent=True)
    assert await shop.link()
    await shop.answer()
    given, joined, confirmed = await shop.records()
    assert (given.source, joined.source, confirmed.source) == ("join_page", "joined_card", "mail_link")
    assert (confirmed.confirms, confirmed.text_shown) == (joined.id, given.text_shown)
    assert joined.customer_id == (await shop.customer()).id
    assert await shop.promote() == ["sent"]


async def test_what_a_file_states_needs_the_mailbox_either_way(shop: Shop) -> None:
    """An imported consent keeps the merchant's statement; nothing goes to an address that never answered."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await add_customers(
            session,
            shop.merchant.id,
            [CustomerDetails(email=ADDRESS, email_consent=True)],
            consent=StatedConsent("Newsletter box on our website, 2023.", "fr"),
            now=shop.clock.now(),
        )
    for wish in (True, False):
        await shop.double_opt_in(wish)
        assert await shop.promote() == ["not_confirmed"]
    [record] = await shop.records()
    assert (record.source, record.text_shown, record.locale, record.text_version) == (
        "import",
        "Newsletter box on our website, 2023.",
        "fr",
        "stated",
    )
    assert shop.inbox.mails == []


async def test_another_address_is_another_consent(shop: Shop) -> None:
    """A confirmed consent ends with the address that it was given for."""
    await shop.join()
    await shop.answer()
    customer = await shop.customer()
    assert customer.consent_confirmed_at is not None
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        details = CustomerDetails(email="other@example.com")
        await service.change_details(
            session, shop.merchant.id, customer.id, details=details, now=shop.clock.now()
        )
    customer = await shop.customer()
    assert (customer.email_consent, customer.consent_confirmed_at) == (False, None)


async def test_one_by_one_and_as_a_list_the_answer_is_the_same(shop: Shop) -> None:
    """The condition of lists (SQL) and the one at the moment of sending agree on every kind of row."""
    at = shop.clock.now()
    rows = [
        {
            "email_consent": consent,
            "consent_confirmed_at": at if confirmed else None,
            "email_verified_at": at if verified else None,
            "email_consent_source": source,
        }
        for consent in (True, False)
        for confirmed in ((True, False) if consent else (False,))
        for verified in (True, False)
        for source in ("join_page", "card_page", "preference_page", "import", "api", None)
    ]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        for number, values in enumerate(rows):
            details = CustomerDetails(email=f"c{number}@example.com")
            row = service.new_customer(shop.merchant.id, details, now=at - timedelta(days=1))
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        everybody = (await session.scalars(select(Customer))).all()
        assert len(everybody) == len(rows) == 36
        for wish in (True, False):
            statement = text(f"SELECT id FROM customer WHERE {FIRM_SQL}")  # noqa: S608 - a constant
            listed = set((await session.execute(statement, {"double_opt_in": wish})).scalars())
            alone = {row.id for row in everybody if row.email_consent and is_firm(row, double_opt_in=wish)}
            assert listed == alone
            assert len(listed) == (12 if wish else 21)


async def test_control_without_the_guard_the_unconfirmed_get_mail(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with the question at sending taken away, the promotion goes to the unconfirmed address."""
    monkeypatch.setattr("app.modules.customers.mailing.is_firm", lambda *_args, **_more: True)
    await shop.join()
    assert await shop.promote() == ["sent"]

"""The link under marketing mails: GET changes nothing, one POST ends them, without any cookie."""

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.customers.preferences import check_opt_out
from app.modules.customers.public import list_opt_outs
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.public import MailCheck
from app.modules.portal.tests.helpers import send_form
from app.modules.privacy.unsubscribing import offer_unsubscribe
from app.modules.stores.factories import make_store

HTML = {"Accept": "text/html"}


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def card(database, merchant):
    store = await make_store(database, merchant)
    return await make_card(database, store, email="ada@example.com", email_consent=True, verified=True)


async def links(database, card):
    async with tenant_scope(database, card.merchant_id) as session:
        offer = await offer_unsubscribe(session, card.merchant_id, card.customer_id)
    return [url.removeprefix("http://testserver") for url in (offer.page, offer.one_click)]


async def agrees(database, card):
    async with tenant_scope(database, card.merchant_id) as session:
        return await session.scalar(select(Customer.email_consent).where(Customer.id == card.customer_id))


async def sources(database, card):
    async with tenant_scope(database, card.merchant_id) as session:
        rows = await session.scalars(
            select(ConsentRecord)
            .where(ConsentRecord.customer_id == card.customer_id)
            .order_by(ConsentRecord.id)
        )
        return [(row.given, row.source) for row in rows]


async def test_one_click_ends_it_without_a_cookie(client, database, card):
    """The POST of RFC 8058 is enough; a second one is the same and leaves no second record."""
    _page, one_click = await links(database, card)

    for _time in range(2):
        answer = await client.post(
            one_click,
            content="List-Unsubscribe=One-Click",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 200

    assert await agrees(database, card) is False
    assert await sources(database, card) == [(True, "test"), (True, "mail_link"), (False, "one_click")]


async def test_reading_the_page_changes_nothing(client, database, card):
    """A programme that opens every link ends nothing; one button does."""
    page, one_click = await links(database, card)

    assert (await client.get(page, headers=HTML)).status_code == 200
    assert (await client.get(one_click, headers=HTML)).status_code == 405
    assert await agrees(database, card) is True
    stopped = await send_form(client, page, f"{page}/stop")
    assert stopped.status_code == 303
    assert await agrees(database, card) is False


async def test_a_changed_token_opens_nothing(client, database, card):
    """Somebody else's id, or another end, is one answer, and the consent stays."""
    page, _one_click = await links(database, card)
    wrong = page[:-1] + ("A" if page[-1] != "A" else "Q")

    for path in (wrong, page[:-6], f"{page}xxxx"):
        assert (await client.get(path, headers=HTML)).status_code == 422
        assert (await client.post(f"{path}/one-click", content="")).status_code == 422
    assert await agrees(database, card) is True


async def test_a_purpose_is_switched_off_alone(client, database, card):
    """Promotions by mail end, mails about the card go on, and the guard of the next send knows."""
    page, _one_click = await links(database, card)
    boxes = {"updates:email": "true", "updates:wallet": "true", "promotions:wallet": "true"}

    await send_form(client, page, page, **boxes)

    assert await agrees(database, card) is True
    async with tenant_scope(database, card.merchant_id) as session:
        assert await list_opt_outs(session, card.merchant_id, card.customer_id) == {("promotions", "email")}
        answers = [
            await check_opt_out(
                MailCheck(
                    session, card.merchant_id, card.customer_id, kind, "ada@example.com", None, now=None
                )
            )
            for kind in ("promotion", "reward_ready")
        ]
    assert answers == ["opted_out", None]


async def test_nothing_by_mail_takes_the_consent_back(client, database, card):
    """Two empty boxes are the same as the button, and a ticked consent gives it again."""
    page, _one_click = await links(database, card)

    await send_form(client, page, page)
    assert await agrees(database, card) is False
    await send_form(client, page, page, consent="true")

    assert await sources(database, card) == [
        (True, "test"),
        (True, "mail_link"),
        (False, "preference_page"),
        (True, "preference_page"),
    ]

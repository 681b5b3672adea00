"""Deleting and correcting one's own data on the card page: at once without a mailbox, else by its answer."""

import re

import pytest
from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.kernel.adapters import resources_of
from app.modules.cards.factories import make_card
from app.modules.customers.models import Customer
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.service import unseal_mail
from app.modules.portal.tests.helpers import send_form
from app.modules.stores.factories import make_store
from app.utils.security import Keyring

HTML = {"Accept": "text/html"}


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def store(database, merchant):
    return await make_store(database, merchant)


async def open_card(client, card):
    await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)


async def customer_of(database, card):
    async with tenant_scope(database, card.merchant_id) as session:
        return await session.scalar(select(Customer).where(Customer.id == card.customer_id))


async def mails(database, merchant, kind):
    async with tenant_scope(database, merchant.id) as session:
        rows = await session.scalars(
            select(OutboxMessage).where(OutboxMessage.kind == kind).order_by(OutboxMessage.id)
        )
        keyring = resources_of(session).get(Keyring)
        return [(row.recipient, unseal_mail(keyring, row.id, row.content)) for row in rows if row.content]


async def link_in_mail(database, merchant):
    [*_, (recipient, mail)] = await mails(database, merchant, "privacy_request")
    return recipient, re.search(r"/privacy/confirm/\S+", mail.text)[0]


async def test_without_a_mailbox_everything_goes_at_once(client, database, store):
    """The page says what happens, the button does it, and the device forgets the card."""
    card = await make_card(database, store, name="Ada", stamps=3)
    await open_card(client, card)
    asked = await client.get(f"/card/{card.id}/delete", headers=HTML)
    assert asked.status_code == 200
    assert (await customer_of(database, card)).name == "Ada"

    done = await send_form(client, f"/card/{card.id}/delete", f"/card/{card.id}/delete")

    assert done.status_code == 200
    assert "Your data is deleted." in done.text
    customer = await customer_of(database, card)
    assert customer.name is None
    assert customer.erased_at is not None
    assert (await client.get(f"/card/{card.id}", headers=HTML)).status_code == 401


async def test_a_confirmed_mailbox_is_asked_first(client, database, merchant, store):
    """Holding the phone is not enough; opening the link is not, either; its button is."""
    card = await make_card(database, store, name="Ada", email="ada@example.com", verified=True)
    await open_card(client, card)

    asked = await send_form(client, f"/card/{card.id}/delete", f"/card/{card.id}/delete")

    assert "Please look in your mailbox." in asked.text
    assert (await customer_of(database, card)).name == "Ada"
    recipient, path = await link_in_mail(database, merchant)
    assert recipient == "ada@example.com"
    client.cookies.clear()
    shown = await client.get(path, headers=HTML)
    assert shown.status_code == 200
    assert (await customer_of(database, card)).name == "Ada"
    done = await send_form(client, path, path)
    assert "Your data is deleted." in done.text
    assert (await customer_of(database, card)).email is None
    again = await client.get(path, headers=HTML)
    assert again.status_code == 422


async def test_a_link_ends_after_two_days(client, clock, database, merchant, store):
    """The last second still counts, the next does not, and nothing is deleted."""
    from datetime import timedelta

    card = await make_card(database, store, name="Ada", email="ada@example.com", verified=True)
    await open_card(client, card)
    await send_form(client, f"/card/{card.id}/delete", f"/card/{card.id}/delete")
    _recipient, path = await link_in_mail(database, merchant)

    clock.at += timedelta(days=2) - timedelta(seconds=1)
    assert (await client.get(path, headers=HTML)).status_code == 200
    clock.at += timedelta(seconds=1)
    assert (await client.get(path, headers=HTML)).status_code == 422
    assert (await customer_of(database, card)).name == "Ada"


async def test_details_are_corrected(client, database, store):
    """Name, phone, birthday and language change at once; an emptied field is empty."""
    card = await make_card(database, store, name="Ada", phone="+352621123456")
    await open_card(client, card)

    saved = await send_form(
        client,
        f"/card/{card.id}/details",
        f"/card/{card.id}/details",
        name="Zoë",
        email="",
        phone="",
        birthday_day="29",
        birthday_month="2",
        birthday_year="",
        locale="lb",
    )

    assert saved.status_code == 303
    customer = await customer_of(database, card)
    assert (customer.name, customer.phone, customer.locale) == ("Zoë", None, "lb")
    assert (customer.birthday_day, customer.birthday_month, customer.birthday_year) == (29, 2, None)


async def test_a_mistake_changes_nothing(client, database, store):
    """422, the words beside the field, and the name as it was."""
    card = await make_card(database, store, name="Ada")
    await open_card(client, card)

    path = f"/card/{card.id}/details"
    answer = await send_form(client, path, path, name="Zoë", email="zoe@")

    assert answer.status_code == 422
    assert "This address is not complete." in answer.text
    assert (await customer_of(database, card)).name == "Ada"


async def test_a_confirmed_address_changes_by_its_mailbox(client, database, merchant, store):
    """The old mailbox agrees, then the new one is asked to confirm; the consent does not follow."""
    card = await make_card(database, store, email="ada@example.com", email_consent=True, verified=True)
    await open_card(client, card)
    path = f"/card/{card.id}/details"

    await send_form(client, path, path, name="Ada", email="new@example.com")

    customer = await customer_of(database, card)
    assert (customer.name, customer.email) == ("Ada", "ada@example.com")
    recipient, link = await link_in_mail(database, merchant)
    assert recipient == "ada@example.com"
    assert "new@example.com" in (await client.get(link, headers=HTML)).text
    await send_form(client, link, link)
    customer = await customer_of(database, card)
    assert (customer.email, customer.email_verified_at, customer.email_consent) == (
        "new@example.com",
        None,
        False,
    )
    assert (await mails(database, merchant, "card_link"))[-1][0] == "new@example.com"
    async with tenant_scope(database, merchant.id) as session:
        kept = await session.execute(text("SELECT count(*) FROM privacy_request WHERE new_email IS NOT NULL"))
        assert kept.scalar_one() == 0


async def test_a_stranger_opens_none_of_it(client, database, store):
    """An id is not a credential: 401 for every page and form, and nothing happens."""
    card = await make_card(database, store, name="Ada")

    for path in ("details", "delete"):
        assert (await client.get(f"/card/{card.id}/{path}", headers=HTML)).status_code == 401
        assert (await client.post(f"/card/{card.id}/{path}", json={})).status_code == 401
    assert (await customer_of(database, card)).name == "Ada"

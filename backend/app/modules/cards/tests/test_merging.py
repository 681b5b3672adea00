"""Joining a duplicate to the card it belongs to: only the mailbox can, and nothing is lost."""

import re

import pytest
from sqlalchemy import func, select, text

from app.db.session import tenant_scope
from app.kernel.adapters import resources_of
from app.kernel.outcomes import Refusal
from app.modules.cards.factories import make_card
from app.modules.cards.models import CardLink, PassObject
from app.modules.cards.public import (
    block_card,
    card_token,
    consume_card_link,
    create_card,
    find_card,
    merge_cards,
    read_card_token,
)
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.customers.public import CustomerDetails
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.points.models import PointsEvent, PointsLot
from app.modules.stamps.models import StampEvent
from app.modules.stores.factories import make_store
from app.utils.security import Keyring

LINK = re.compile(r"/card/link/([A-Za-z0-9_-]+)")


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


@pytest.fixture
async def store(database, merchant):
    return await make_store(database, merchant, "hybrid")


async def entries(session, merchant, model, amount, pass_id):
    statement = select(func.coalesce(func.sum(amount), 0)).where(
        model.merchant_id == merchant.id, model.pass_id == pass_id
    )
    return await session.scalar(statement)


async def get_row(session, merchant, pass_id):
    return await session.scalar(
        select(PassObject).where(PassObject.merchant_id == merchant.id, PassObject.id == pass_id)
    )


async def test_a_merge_moves_everything_by_entries(clock, database, merchant, store):
    """Totals equal the sums of the entries on both cards, and the lots go along."""
    source = await make_card(database, store, stamps=7, points=40)
    target = await make_card(database, store, stamps=6, points=100)

    async with tenant_scope(database, merchant.id) as session:
        await merge_cards(session, merchant.id, source_id=source.id, target_id=target.id, now=clock.now())

    async with tenant_scope(database, merchant.id) as session:
        old, kept = await get_row(session, merchant, source.id), await get_row(session, merchant, target.id)
        assert (old.status, old.merged_into, old.stamp_count, old.points_balance) == (
            "merged",
            target.id,
            0,
            0,
        )
        assert (kept.status, kept.stamp_count, kept.points_balance) == ("active", 13, 140)
        for card in (old, kept):
            stamps = await entries(session, merchant, StampEvent, StampEvent.stamps_added, card.id)
            points = await entries(session, merchant, PointsEvent, PointsEvent.points_added, card.id)
            assert (stamps, points) == (card.stamp_count, card.points_balance)
        lots = await entries(session, merchant, PointsLot, PointsLot.remaining, target.id)
        assert lots == 140
        kinds = await session.scalars(
            select(StampEvent.stamps_added)
            .where(StampEvent.merchant_id == merchant.id, StampEvent.kind == "transfer")
            .order_by(StampEvent.stamps_added)
        )
        assert list(kinds) == [-7, 7]


async def test_a_merge_twice_is_one_merge(clock, database, merchant, store):
    """The second changes nothing."""
    source, target = await make_card(database, store, stamps=2), await make_card(database, store, stamps=1)

    for _ in range(2):
        async with tenant_scope(database, merchant.id) as session:
            await merge_cards(session, merchant.id, source_id=source.id, target_id=target.id, now=clock.now())

    async with tenant_scope(database, merchant.id) as session:
        assert (await get_row(session, merchant, target.id)).stamp_count == 3


async def test_the_duplicates_token_never_opens_the_other_card(clock, database, merchant, store):
    """Whoever made the duplicate need not own the mailbox; its number leads to the card at the till only."""
    source, target = await make_card(database, store), await make_card(database, store, stamps=4)

    async with tenant_scope(database, merchant.id) as session:
        await merge_cards(session, merchant.id, source_id=source.id, target_id=target.id, now=clock.now())

    async with tenant_scope(database, merchant.id) as session:
        assert await read_card_token(session, source.token) is None
        assert (await read_card_token(session, target.token)).id == target.id
        assert (await find_card(session, merchant.id, source.card_number)).id == target.id


async def test_joining_does_not_unblock(clock, database, merchant, store):
    """A blocked duplicate leaves the card it joins blocked."""
    source, target = await make_card(database, store), await make_card(database, store)
    async with tenant_scope(database, merchant.id) as session:
        await block_card(session, merchant.id, source.id, now=clock.now())

    async with tenant_scope(database, merchant.id) as session:
        await merge_cards(session, merchant.id, source_id=source.id, target_id=target.id, now=clock.now())

    async with tenant_scope(database, merchant.id) as session:
        assert (await get_row(session, merchant, target.id)).status == "blocked"


async def mailed_links(database, merchant):
    """Return the link texts of all mails, oldest first."""
    async with tenant_scope(database, merchant.id) as session:
        keyring = resources_of(session).get(Keyring)
        mails = await session.scalars(
            select(OutboxMessage).where(OutboxMessage.merchant_id == merchant.id).order_by(OutboxMessage.id)
        )
        links = []
        for mail in mails:
            plain = keyring.unseal(mail.content, context=f"outbox_message:{mail.id}").decode()
            links.append(LINK.search(plain).group(1))
        return links


async def join(database, merchant, store, clock, **details):
    async with tenant_scope(database, merchant.id) as session:
        return await create_card(session, store, CustomerDetails(**details), now=clock.now(), source="test")


async def test_the_mailbox_joins_the_duplicate(clock, database, merchant, store):
    """The link in the mail opens the old card with the balances of both; the duplicate's details fill the gaps."""
    old = await make_card(database, store, stamps=4, email="ada@example.com", verified=True)
    made = await join(
        database, merchant, store, clock, email="ADA@example.com", name="Ada", email_consent=True
    )
    link = (await mailed_links(database, merchant))[-1]

    async with tenant_scope(database, merchant.id) as session:
        opened = await consume_card_link(session, link, now=clock.now())

    assert opened.id == old.id
    async with tenant_scope(database, merchant.id) as session:
        assert (await get_row(session, merchant, old.id)).stamp_count == 4
        duplicate = await get_row(session, merchant, made.card.id)
        assert (duplicate.status, duplicate.merged_into) == ("merged", old.id)
        people = {
            person.id: person
            for person in await session.scalars(select(Customer).where(Customer.merchant_id == merchant.id))
        }
        owner, blank = people[old.customer_id], people[made.card.customer_id]
        assert (owner.name, owner.email, owner.email_consent) == ("Ada", "ada@example.com", True)
        assert (blank.name, blank.email, blank.email_consent) == (None, None, False)
        assert blank.erased_at is not None
        records = list(
            await session.scalars(select(ConsentRecord).where(ConsentRecord.customer_id == owner.id))
        )
        assert [(record.given, record.source, record.confirms) for record in records] == [
            (True, "joined_card", None),
            (True, "mail_link", records[0].id),
        ]


async def test_a_link_works_once_and_not_for_ever(clock, database, merchant, store):
    """Used, expired, changed or invented: one and the same refusal."""
    made = await join(database, merchant, store, clock, email="ada@example.com")
    await join(database, merchant, store, clock, email="eve@example.com")
    link, late = await mailed_links(database, merchant)

    async with tenant_scope(database, merchant.id) as session:
        assert (await consume_card_link(session, link, now=clock.now())).id == made.card.id
    for text_, days in ((link, 0), (link[:-1] + "x", 0), ("x" * 76, 0), ("", 0), (late, 8)):
        clock.advance(days=days)
        async with tenant_scope(database, merchant.id) as session:
            assert await consume_card_link(session, text_, now=clock.now()) == Refusal("link_unusable")

    async with tenant_scope(database, merchant.id) as session:
        verified = await session.scalars(
            select(Customer.email).where(Customer.email_verified_at.is_not(None))
        )
        assert list(verified) == ["ada@example.com"]


async def test_the_first_confirmation_owns_the_address(clock, database, merchant, store):
    """Two cards with one new address: the first link confirms it, the second joins its card to the first."""
    first = await join(database, merchant, store, clock, email="ada@example.com")
    second = await join(database, merchant, store, clock, email="ada@example.com")
    links = await mailed_links(database, merchant)

    for link in links:
        async with tenant_scope(database, merchant.id) as session:
            opened = await consume_card_link(session, link, now=clock.now())
        assert opened.id == first.card.id

    async with tenant_scope(database, merchant.id) as session:
        assert (await get_row(session, merchant, second.card.id)).merged_into == first.card.id


async def test_a_known_address_brings_its_card_of_another_programme_along(clock, database, merchant, store):
    """Nothing to merge with: the fresh card simply belongs to the person it is."""
    other = await make_store(database, merchant, "stamps", name="CoffeeLux Kirchberg")
    old = await make_card(database, store, email="ada@example.com", verified=True)
    made = await join(database, merchant, other, clock, email="ada@example.com")
    link = (await mailed_links(database, merchant))[-1]

    async with tenant_scope(database, merchant.id) as session:
        opened = await consume_card_link(session, link, now=clock.now())

    assert (opened.id, opened.customer_id) == (made.card.id, old.customer_id)


async def test_whoever_typed_the_address_does_not_read_along_in_another_programme(
    clock, database, merchant, store
):
    """The card goes to the mailbox's owner; the device it was made on, a stranger's perhaps, is shut out."""
    other = await make_store(database, merchant, "stamps", name="CoffeeLux Kirchberg")
    await make_card(database, store, email="ada@example.com", verified=True)
    made = await join(database, merchant, other, clock, email="ada@example.com")
    link = (await mailed_links(database, merchant))[-1]

    async with tenant_scope(database, merchant.id) as session:
        opened = await consume_card_link(session, link, now=clock.now())
    async with tenant_scope(database, merchant.id) as session:
        assert await read_card_token(session, made.token) is None
        fresh = card_token(resources_of(session).get(Keyring), opened)
        assert (await read_card_token(session, fresh)).id == made.card.id


async def test_links_are_stored_as_hashes(clock, database, merchant, store):
    """A dump of the table opens nothing."""
    await join(database, merchant, store, clock, email="ada@example.com")
    [link] = await mailed_links(database, merchant)

    async with tenant_scope(database, merchant.id) as session:
        [row] = await session.scalars(select(CardLink))
        dump = (await session.execute(text("SELECT card_link::text FROM card_link"))).scalar_one()
    assert len(row.token_hash) == 32
    assert link[44:] not in dump

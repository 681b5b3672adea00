"""A shop's words on a card: once, on every output, for a week, and gone with the person."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from app.db.session import tenant_scope
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.factories import MadeCard
from app.modules.cards.public import get_card_row
from app.modules.wallets.apple_wallet.generator import PassOrder, build_pass
from app.modules.wallets.google_wallet.rules import NOTIFICATIONS_MAX
from app.modules.wallets.google_wallet.store import want_object
from app.modules.wallets.google_wallet.tests.builders import problems_of
from app.modules.wallets.google_wallet.tests.conftest import Shop
from app.modules.wallets.messages.models import WalletMessage
from app.modules.wallets.messages.rules import MESSAGE_AGE
from app.modules.wallets.public import CardView, card_view, send_wallet_message
from app.utils.id_generator import new_id


async def say(shop: Shop, card: MadeCard, body: str, *, key: str = "", header: str = "News") -> bool:
    """Send a message in a transaction of its own."""
    async with tenant_scope(shop.database, card.merchant_id) as session:
        return await send_wallet_message(
            session,
            card.merchant_id,
            card.id,
            header,
            body,
            once_key=key or body or "empty",
            now=shop.clock.now(),
        )


async def view_of(shop: Shop, card: MadeCard) -> CardView:
    """Return the card as every output sees it."""
    async with tenant_scope(shop.database, card.merchant_id) as session:
        return await card_view(session, card.merchant_id, card.id, locale="en", now=shop.clock.now())


async def wanted(shop: Shop, **over: Any) -> MadeCard:
    """Return a card whose holder asked for its Google pass, and whose object is there."""
    card = await shop.card(**over)
    async with tenant_scope(shop.database, card.merchant_id) as session:
        key = (await shop.row(card)).object_id
        await want_object(session, card.merchant_id, card.id, object_id=key, now=shop.clock.now())
    await shop.change(card, revision=2)
    await shop.converge()
    shop.wire.calls.clear()
    return card


def messages_sent(shop: Shop) -> list[dict[str, Any]]:
    """Return what went to Google by addMessage."""
    return [body["message"] for _, path, body in shop.wire.calls if path.endswith("/addMessage")]


async def test_a_message_reaches_google_apple_and_the_web_card(
    shop: Shop, client: httpx2.AsyncClient, demo_pass: Any
) -> None:
    """One call, one refresh job: an announced message at Google, a field that notifies at Apple, a notice here."""
    card = await wanted(shop)
    before = demo_pass(await view_of(shop, card))["message"]

    assert await say(shop, card, "Soup today", header="From the kitchen")
    await shop.runner.drain()

    assert len(shop.wire.calls) == 1
    (sent,) = messages_sent(shop)
    assert problems_of("Message", sent) == []
    assert (sent["header"], sent["body"], sent["messageType"]) == (
        "From the kitchen",
        "Soup today",
        "TEXT_AND_NOTIFY",
    )
    assert sent["displayInterval"]["end"]["date"] == (shop.clock.now() + MESSAGE_AGE).isoformat()
    after = demo_pass(await view_of(shop, card))["message"]
    assert "changeMessage" not in before
    assert (after["label"], after["value"], after["changeMessage"]) == (
        "From the kitchen",
        "Soup today",
        "%@",
    )
    page = await client.get(f"/card/{card.id}/state?t={card.token}")
    assert "Soup today" in page.text


async def test_a_message_is_said_once_for_each_key(shop: Shop) -> None:
    """The same key again says nothing, on another card it does; the card's revision rises once."""
    card, other = await wanted(shop), await wanted(shop)
    before = (await view_of(shop, card)).revision

    answers = [await say(shop, card, "Soup today", key="k1") for _ in range(3)]
    assert await say(shop, other, "Soup today", key="k1")
    await shop.converge()

    assert answers == [True, False, False]
    assert (await view_of(shop, card)).revision == before + 1
    assert len(messages_sent(shop)) == 2


@pytest.mark.parametrize("status", ["blocked", "merged", "erased"])
async def test_a_card_that_is_not_active_says_nothing(shop: Shop, status: str) -> None:
    """False, no row, no request; the same for a card that nobody knows."""
    card = await wanted(shop)
    await shop.change(card, status=status)
    await shop.converge()
    shop.wire.calls.clear()

    assert not await say(shop, card, "Soup today")
    unknown = replace(card, id=new_id())
    assert not await say(shop, unknown, "Soup today", key="other")
    await shop.converge()

    async with tenant_scope(shop.database, card.merchant_id) as session:
        count = select(func.count()).where(WalletMessage.pass_id == card.id)
        assert await session.scalar(count) == 0
    assert shop.wire.calls == []


async def test_messages_are_joined_and_keep_to_the_budget(shop: Shop) -> None:
    """Two waiting messages are one; the first two of a day are announced, the third is silent."""
    card = await wanted(shop)
    for texts in (("Soup today", "Cake today"), ("Open late",), ("Last call",)):
        for words in texts:
            assert await say(shop, card, words)
        await shop.converge()

    sent = messages_sent(shop)
    assert [(message["body"], message["messageType"]) for message in sent] == [
        ("Soup today\nCake today", "TEXT_AND_NOTIFY"),
        ("Open late", "TEXT_AND_NOTIFY"),
        ("Last call", "TEXT"),
    ]
    assert len((await shop.row(card)).notified) < NOTIFICATIONS_MAX
    assert [message.body for message in (await view_of(shop, card)).messages] == [
        "Last call",
        "Open late",
        "Cake today",
    ]


async def test_a_lost_answer_says_nothing_twice(shop: Shop) -> None:
    """Google took the message and the answer never came: it is looked for before it is sent again."""
    card = await wanted(shop)
    shop.wire.faults.append("lost")
    await say(shop, card, "Soup today")

    await shop.converge()

    assert [message["body"] for message in shop.google(card)["messages"]] == ["Soup today"]
    assert [call[0] for call in shop.wire.calls] == ["POST", "GET"]


@pytest.mark.parametrize("fault", [500, 429, "reset"])
async def test_a_message_that_did_not_arrive_is_sent_again(shop: Shop, fault: Any) -> None:
    """It is there at the end, once."""
    card = await wanted(shop)
    shop.wire.faults.append(fault)
    await say(shop, card, "Soup today")

    await shop.converge()

    assert [message["body"] for message in shop.google(card)["messages"]] == ["Soup today"]


async def test_an_outage_spends_no_notification(shop: Shop) -> None:
    """Google refuses five times and then takes it: announced, and one notification is spent."""
    card = await wanted(shop)
    shop.wire.faults.extend([503] * 5)
    await shop.change(card, stamp_count=1)
    await say(shop, card, "Soup today")

    await shop.converge()

    assert messages_sent(shop)[-1]["messageType"] == "TEXT_AND_NOTIFY"
    assert len((await shop.row(card)).notified) == 2


async def test_a_message_ends_by_itself(shop: Shop, demo_pass: Any) -> None:
    """After a week the card looks as before, phones are told to fetch it, and Apple announces nothing."""
    card = await wanted(shop)
    await say(shop, card, "Soup today")
    await shop.converge()
    revision = (await view_of(shop, card)).revision

    shop.clock.advance(seconds=MESSAGE_AGE.total_seconds() + 60)
    await shop.runner.drain()
    await shop.converge()

    view = await view_of(shop, card)
    assert view.messages == ()
    assert view.revision == revision + 1
    assert demo_pass(view)["message"]["value"] == "Nothing new at the moment"
    assert "changeMessage" not in demo_pass(view)["message"]
    assert not await say(shop, card, "Soup today")


async def test_a_message_waits_for_the_pass(shop: Shop) -> None:
    """Said before the holder asked for a pass: nothing is sent; after the tap it is there."""
    card = await shop.card()
    async with tenant_scope(shop.database, card.merchant_id) as session:
        from sqlalchemy import delete

        from app.modules.wallets.google_wallet.models import GoogleObjectRow

        await session.execute(delete(GoogleObjectRow).where(GoogleObjectRow.pass_id == card.id))
    await say(shop, card, "Soup today")
    await shop.converge()
    assert shop.wire.calls == []

    async with tenant_scope(shop.database, card.merchant_id) as session:
        key = f"{shop.issuer_id}.c-{card.merchant_id.hex}-{card.id.hex}"
        await want_object(session, card.merchant_id, card.id, object_id=key, now=shop.clock.now())
    await shop.change(card, revision=9)
    await shop.converge()
    assert [message["body"] for message in shop.google(card)["messages"]] == ["Soup today"]


async def test_a_persons_messages_are_exported_and_erased(shop: Shop) -> None:
    """The download names them; the deletion leaves none, here and at Google."""
    card = await wanted(shop, name="Anna Müller")
    await say(shop, card, "Happy birthday, Anna")
    await shop.converge()
    handler = dict(PERSONAL_DATA.items())["wallets"]

    async with tenant_scope(shop.database, card.merchant_id) as session:
        customer_id = (await get_card_row(session, card.merchant_id, card.id)).customer_id
        exported = await handler.export(session, card.merchant_id, customer_id)
        assert "Happy birthday, Anna" in json.dumps(exported)
        await handler.erase(session, card.merchant_id, customer_id)
        assert "Anna" not in json.dumps(await handler.export(session, card.merchant_id, customer_id))
    await shop.change(card, status="erased")
    await shop.converge()
    assert shop.google(card)["messages"] == []


@pytest.fixture
def demo_pass(tmp_path: Any) -> Any:
    """Return what builds a card's pass and gives its fields by key."""
    from app.modules.wallets.apple_wallet.demo import load_or_make_demo
    from app.modules.wallets.google_wallet.tests.builders import NOW

    identity = load_or_make_demo(tmp_path, NOW)

    def build(view: CardView) -> dict[str, dict[str, Any]]:
        order = PassOrder(
            identity=identity,
            serial=str(view.pass_id),
            token="t" * 32,
            service_url="https://cards.example.com/apple/updates",
            card_url=f"https://cards.example.com/card/{view.pass_id}",
            views={"en": view},
            base="en",
            **({"now": NOW} if "now" in PassOrder.__dataclass_fields__ else {}),
        )
        with zipfile.ZipFile(io.BytesIO(build_pass(order))) as archive:
            content = json.loads(archive.read("pass.json"))
        return {entry["key"]: entry for fields in content["storeCard"].values() for entry in fields}

    return build


def test_a_week_is_a_week() -> None:
    """The promise on the docs page."""
    assert timedelta(days=7) == MESSAGE_AGE

"""The overview says how both wallets stand, and the customer's page where the cards live."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import insert, update

from app.db.session import tenant_scope
from app.kernel.settings import save_settings
from app.modules.cards.factories import MadeCard
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.client import PushAnswer
from app.modules.wallets.apple_wallet.credentials import find_identity
from app.modules.wallets.apple_wallet.health import note_answer
from app.modules.wallets.google_wallet.checking import GoogleCheck
from app.modules.wallets.google_wallet.models import GoogleObjectRow
from app.modules.wallets.google_wallet.tests.conftest import Shop
from app.modules.wallets.models import AppleDeviceRegistration
from app.modules.wallets.overview.queries import count_cards, count_notified, count_waiting
from app.utils.id_generator import new_id

URL = "/dashboard/wallets"


async def page_of(client: httpx2.AsyncClient, merchant: Any) -> str:
    """Return the overview as its owner sees it."""
    answer = await client.get(URL, headers=merchant.headers)
    assert answer.status_code == 200
    return answer.text


def section(page: str, key: str) -> str:
    """Return one wallet's part of the page, as text."""
    part = page.split(f'id="wallet-{key}"')[1].split("</section>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))


async def put_on_phone(shop: Shop, card: MadeCard, *, devices: int = 1) -> None:
    """Let devices hold the card's Apple pass."""
    async with tenant_scope(shop.database, card.merchant_id) as session:
        await session.execute(
            update(PassObject).where(PassObject.id == card.id).values(apple_serial=str(card.id))
        )
        for number in range(devices):
            values = {
                "merchant_id": card.merchant_id,
                "id": new_id(),
                "device_id": f"device-{number}",
                "pass_type": "pass.com.example",
                "pass_serial": str(card.id),
                "push_token": f"token-{number}",
            }
            await session.execute(insert(AppleDeviceRegistration).values(**values))


async def note_object(shop: Shop, card: MadeCard, **values: Any) -> None:
    """Change what is known of a card's Google object."""
    async with tenant_scope(shop.database, card.merchant_id) as session:
        await session.execute(
            update(GoogleObjectRow).where(GoogleObjectRow.pass_id == card.id).values(**values)
        )


async def test_the_overview_counts_where_cards_live(shop: Shop, client: httpx2.AsyncClient) -> None:
    """One card in both wallets, one at Google only, one nowhere, one blocked: each is counted where it lives."""
    both, google, _nowhere, blocked = [await shop.card() for _ in range(4)]
    await put_on_phone(shop, both, devices=2)
    await put_on_phone(shop, blocked)
    await note_object(shop, both, saves=1)
    await note_object(shop, google, saves=2, deletions=1)
    await note_object(shop, blocked, saves=1)
    await shop.change(blocked, status="blocked")

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        counts = await count_cards(session, shop.merchant.id)
    page = await page_of(client, shop.merchant)

    assert (counts.active, counts.apple, counts.google, counts.either) == (3, 1, 2, 2)
    assert "67\u00a0% of 3 active cards" in page
    assert "1 card lives here" in section(page, "apple")
    assert "2 cards live here" in section(page, "google")


async def test_what_waits_is_shown_until_it_is_sent(shop: Shop, client: httpx2.AsyncClient) -> None:
    """A mark waits, then its job, then nothing; a neighbour's cards are not counted."""
    card = await shop.card()
    other = await make_merchant(shop.database)

    async def waiting(merchant: Any) -> int:
        async with tenant_scope(shop.database, merchant.id) as session:
            return (await count_waiting(session, merchant.id)).count

    await shop.change(card, revision=2)
    marked = await waiting(shop.merchant)
    shop.wire.faults.append(503)
    await shop.runner.drain()
    tried = await waiting(shop.merchant)

    assert (marked, tried, await waiting(other)) == (1, 1, 0)
    await shop.converge()
    assert await waiting(shop.merchant) == 0
    assert "everything is up to date" in await page_of(client, shop.merchant)


async def test_the_budget_of_notifications_is_shown(shop: Shop, client: httpx2.AsyncClient) -> None:
    """Three of today and one of the day before yesterday: three count, and that pass has used its budget."""
    card, other = await shop.card(), await shop.card()
    now = shop.clock.now()
    today = [(now - timedelta(hours=hours)).isoformat() for hours in (1, 2, 3)]
    await note_object(shop, card, notified=[(now - timedelta(hours=50)).isoformat(), *today], silenced=4)
    await note_object(shop, other, notified=[(now - timedelta(hours=25)).isoformat()])

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        found = await count_notified(session, shop.merchant.id, budget=3, now=now)

    assert (found.sent, found.passes, found.spent, found.silenced) == (3, 1, 1, 4)
    text = section(await page_of(client, shop.merchant), "google")
    assert "at most 3 a day and pass · 3 in the last 24 hours · 1 pass has used them all" in text


async def test_each_state_says_what_to_do_next(shop: Shop, client: httpx2.AsyncClient) -> None:
    """Google: untested, then refused, then away, then well; the last fault stays to be read."""
    merchant = shop.merchant
    assert "Press Test on the Google page once" in section(await page_of(client, merchant), "google")

    async with tenant_scope(shop.database, merchant.id) as session:
        await save_settings(session, GoogleCheck(code="not_a_user", at=""), merchant_id=merchant.id)
    text = section(await page_of(client, merchant), "google")
    assert "Needs attention" in text
    assert "not a user of this issuer" in text

    async with tenant_scope(shop.database, merchant.id) as session:
        await save_settings(session, GoogleCheck(code="ok", at=""), merchant_id=merchant.id)
    card = await shop.card()
    shop.wire.faults.append(503)
    await shop.change(card, revision=2)
    await shop.runner.drain()
    text = section(await page_of(client, merchant), "google")
    assert "what waits is sent as soon as Google answers" in text

    await shop.converge()
    text = section(await page_of(client, merchant), "google")
    assert "Set up" in text
    assert "Last fault Google cannot be reached" in text


async def test_a_refused_apple_certificate_is_a_fault(shop: Shop, client: httpx2.AsyncClient) -> None:
    """What Apple's push service said stands there in words."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        identity = await find_identity(session, shop.merchant.id, now=shop.clock.now())
        refused = PushAnswer(403, "BadCertificate")
        await note_answer(session, identity.fingerprint, refused, was_probe=False, now=shop.clock.now())

    text = section(await page_of(client, shop.merchant), "apple")

    assert "Needs attention" in text
    assert "refuses the certificate: BadCertificate" in text
    # At nine in the morning UTC; the shop is in Luxembourg.
    assert "BadCertificate · 20 Nov 2026, 10:00" in text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await note_answer(
            session, identity.fingerprint, PushAnswer(200), was_probe=True, now=shop.clock.now()
        )


async def test_the_demo_says_that_it_is_one(client: httpx2.AsyncClient, database: Any) -> None:
    """Without accounts both wallets are demos, each with the step that makes it real."""
    merchant = await make_merchant(database)
    await make_store(database, merchant)

    page = await page_of(client, merchant)

    for key, step in (("apple", "Upload your own certificate"), ("google", "Connect your own account")):
        assert "Demo" in section(page, key)
        assert step in section(page, key)


async def test_a_customers_page_says_where_the_cards_live(shop: Shop, client: httpx2.AsyncClient) -> None:
    """Two iPhones and a saved Google pass with one notification spent, on the profile."""
    card = await shop.card(name="Anna Müller")
    await put_on_phone(shop, card, devices=2)
    await note_object(shop, card, saves=1, notified=[shop.clock.now().isoformat()])

    answer = await client.get(f"/dashboard/customers/{card.customer_id}", headers=shop.merchant.headers)

    assert answer.status_code == 200
    assert "Apple Wallet · 2 devices" in answer.text
    assert "2 notifications left today" in answer.text


async def test_strangers_do_not_see_the_overview(client: httpx2.AsyncClient) -> None:
    """Without a session the page leads to signing in."""
    assert (await client.get(URL, headers={"accept": "application/json"})).status_code in {401, 303}

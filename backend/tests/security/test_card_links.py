"""Links that anybody may have sent, keys that others may guess, mailboxes that somebody else floods."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.modules.cards import links, rules
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def fresh_limits(app: FastAPI) -> AsyncIterator[None]:
    """Every test is an hour of its own for the limits by address."""
    await app.state.limiter.reset()
    yield
    await app.state.limiter.reset()


def new_client(app: FastAPI, **options: Any) -> httpx2.AsyncClient:
    """Return a device of its own."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://testserver", **options)


@pytest_asyncio.fixture(loop_scope="session")
async def store(database: Database) -> Any:
    """Return a store with stamps."""
    return await make_store(database, await make_merchant(database), "stamps")


async def make_card(client: httpx2.AsyncClient, store: Any, **body: Any) -> dict[str, Any]:
    """Take a card by the API."""
    answer = await client.post("/passes/create", json={"store_id": str(store.id), **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def card_shown(client: httpx2.AsyncClient, store: Any) -> str:
    """Return the card that the till page of the store is about."""
    page = await client.get(f"/stamp/{store.id}", follow_redirects=True)
    found = re.search(r'name="card" value="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return found.group(1)


async def plant(client: httpx2.AsyncClient, card: dict[str, Any]) -> httpx2.Response:
    """Open somebody's card link on the device, as a message would make a visitor do."""
    path = card["card_url"].removeprefix("http://testserver")
    return await client.get(path, follow_redirects=True)


async def test_a_planted_link_does_not_collect_the_visitors_stamps(app: FastAPI, store: Any) -> None:
    """The visitor's own card stays first at the till; the link's card is shown and kept behind it."""
    async with new_client(app) as visitor, new_client(app) as attacker:
        own = await make_card(visitor, store)
        await visitor.get(own["card_url"], follow_redirects=True)
        planted = await make_card(attacker, store)
        page = await plant(visitor, planted)

        assert page.status_code == 200
        assert planted["card_number"] in page.text.replace(" ", "")
        assert await card_shown(visitor, store) == own["pass_id"]
        # The same through the till's own address.
        token = planted["card_url"].partition("?t=")[2]
        there = await visitor.get(f"/stamp/{store.id}?t={token}", follow_redirects=True)
        assert there.url.params["card"] == planted["card_number"]
        assert await card_shown(visitor, store) == own["pass_id"]


async def test_control_with_the_link_first_the_visitors_stamps_go_astray(
    app: FastAPI, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: the till is about the planted card."""
    from app.modules.cards import access

    real = rules.remember_token
    monkeypatch.setattr(access, "remember_token", lambda held, token, **_: real(held, token))
    async with new_client(app) as visitor, new_client(app) as attacker:
        own = await make_card(visitor, store)
        await visitor.get(own["card_url"], follow_redirects=True)
        planted = await make_card(attacker, store)
        await plant(visitor, planted)

        assert await card_shown(visitor, store) == planted["pass_id"]


async def test_a_link_opens_a_card_on_a_new_device(app: FastAPI, store: Any) -> None:
    """Without a card of this shop the link's card is the device's card."""
    async with new_client(app) as phone, new_client(app) as other:
        card = await make_card(phone, store)
        page = await plant(other, card)

        assert page.status_code == 200
        assert "t=" not in str(page.url)
        assert await card_shown(other, store) == card["pass_id"]


KEYS = {
    "a till's name": ("join-1", False),
    "a number": ("00000000000000000000000042", False),
    "a long name": ("till-till-till-till-till-7", False),
    "a UUID": (str(uuid4()), True),
    "hex": (uuid4().hex, True),
}


@pytest.mark.parametrize("name", KEYS)
async def test_a_guessed_key_gets_no_token(app: FastAPI, store: Any, name: str) -> None:
    """Behind one address a repeat proves nothing by itself: the token is repeated for unguessable keys only."""
    key, is_repeated = KEYS[name]
    headers = {"Idempotency-Key": key}
    async with new_client(app, headers=headers) as first, new_client(app, headers=headers) as neighbour:
        made = await make_card(first, store)
        again = await make_card(neighbour, store)

        assert again["pass_id"] == made["pass_id"]
        assert "?t=" in made["card_url"]
        assert ("?t=" in str(again)) is is_repeated
        if not is_repeated:
            assert (await neighbour.get(again["card_url"])).status_code == 401


async def test_control_without_the_judgement_the_neighbour_gets_the_card(
    app: FastAPI, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: whoever says the same key behind the same address holds the card."""
    from app.modules.cards import joining

    monkeypatch.setattr(joining, "is_unguessable", lambda key: True)
    headers = {"Idempotency-Key": "join-1"}
    async with new_client(app, headers=headers) as first, new_client(app, headers=headers) as neighbour:
        await make_card(first, store)
        again = await make_card(neighbour, store)

        assert (await neighbour.get(again["card_url"], follow_redirects=True)).status_code == 200


async def mails_to(database: Database, merchant_id: Any, address: str) -> int:
    """Count what was written to an address."""
    async with tenant_scope(database, merchant_id) as session:
        query = text("SELECT count(*) FROM outbox_message WHERE lower(recipient) = :address")
        return int(await session.scalar(query, {"address": address.lower()}) or 0)


async def change_address(client: httpx2.AsyncClient, card: dict[str, Any], email: str) -> None:
    """Give the card another unconfirmed address, by its page."""
    page = await client.get(card["card_url"], follow_redirects=True)
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    answer = await client.post(
        f"/card/{card['pass_id']}/email",
        data={"email": email, "csrf": found.group(1)},
        follow_redirects=False,
    )
    assert answer.status_code < 400, answer.text[:300]


async def test_a_mailbox_is_not_flooded_by_changing_addresses(
    app: FastAPI, store: Any, database: Database, clock: FixedClock
) -> None:
    """Six mails an hour from one shop, however often a card's address goes to and fro; then again after the hour."""
    victim = f"v{uuid4().hex[:10]}@example.com"
    async with new_client(app) as attacker:
        card = await make_card(attacker, store)
        for number in range(10):
            # From many addresses, so that no other limit helps.
            await app.state.limiter.reset()
            await change_address(attacker, card, victim)
            await change_address(attacker, card, f"x{number}{uuid4().hex[:8]}@example.com")

        assert await mails_to(database, store.merchant_id, victim) == links.LINKS_MAX == 6
        clock.advance(hours=1, seconds=1)
        await change_address(attacker, card, victim)
        assert await mails_to(database, store.merchant_id, victim) == 7


async def flood(app: FastAPI, database: Database, victim: str) -> int:
    """Type an address seven times at each of eleven shops; return how many mails were written."""
    total = 0
    async with new_client(app) as attacker:
        for _shop in range(11):
            shop = await make_store(database, await make_merchant(database), "stamps")
            await app.state.limiter.reset()
            for number in range(7):
                await make_card(attacker, shop, email=victim.upper() if number % 2 else victim)
            total += await mails_to(database, shop.merchant_id, victim)
    return total


async def test_a_mailbox_is_not_flooded_by_many_shops(app: FastAPI, database: Database) -> None:
    """Sixty an hour from all shops together, however many there are."""
    assert await flood(app, database, f"v{uuid4().hex[:10]}@example.com") == links.LINKS_EVERYWHERE_MAX == 60


async def test_control_without_the_count_everywhere_the_shops_add_up(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: eleven shops, sixty-six mails."""
    monkeypatch.setattr(links, "LINKS_EVERYWHERE_MAX", 10**6)
    assert await flood(app, database, f"v{uuid4().hex[:10]}@example.com") == 66

"""One stamp moves every output from one refresh job, and a new format is one new file."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx2
import pytest

from app.db.session import tenant_scope
from app.modules.cards.factories import MadeCard
from app.modules.cards.public import get_card_row
from app.modules.staff.factories import make_staff
from app.modules.wallets import hooks
from app.modules.wallets.apple_wallet.client import StandInPush
from app.modules.wallets.apple_wallet.pushing import OUTPUT_APPLE, Pusher
from app.modules.wallets.apple_wallet.registering import Device, register_device
from app.modules.wallets.google_wallet.output import GoogleOutput
from app.modules.wallets.google_wallet.tests.conftest import Shop
from app.modules.wallets.google_wallet.tests.renderer_for_tests import TextOutput


async def put_on_phone(shop: Shop, card: MadeCard, pass_type: str) -> None:
    """Let an iPhone hold the card's pass."""
    async with tenant_scope(shop.database, card.merchant_id) as session:
        row = await get_card_row(session, card.merchant_id, card.id)
        device = Device("device-0", pass_type, "token-0")
        await register_device(session, row, device, now=shop.clock.now())


def content_of(data: bytes) -> dict[str, Any]:
    """Return the pass.json of a signed pass."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        content: dict[str, Any] = json.loads(archive.read("pass.json"))
    return content


def apple_values(data: bytes) -> list[str]:
    """Return what a signed pass shows."""
    return [entry["value"] for fields in content_of(data)["storeCard"].values() for entry in fields]


async def test_one_stamp_moves_every_output(
    shop: Shop, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp at the till: one job, one PATCH at Google, one push to the iPhone, whose pass shows it; and the web
    card's part and the new format do, too.
    """
    text, pushes = TextOutput(), StandInPush()
    offers = {"apple": OUTPUT_APPLE, "google": GoogleOutput(), "text": text}
    monkeypatch.setattr(hooks.OUTPUT, "_offers", offers)
    monkeypatch.setattr(shop.process.resources.get(Pusher), "_stand_in", pushes)
    card = await shop.card()
    phone = await client.get(f"/passes/apple/{card.id}?t={card.token}")
    assert phone.status_code == 200
    await put_on_phone(shop, card, content_of(phone.content)["passTypeIdentifier"])
    _, pin = await make_staff(shop.database, shop.store, name="Marie")
    await shop.change(card, revision=2)
    await shop.converge()
    shop.wire.calls.clear()
    text.renderings = 0
    pushes.taken.clear()

    body = {"pass_id": str(card.id), "staff_pin": pin}
    assert (await client.post(f"/stamp/{shop.store.id}", json=body)).status_code == 201
    drained = await shop.runner.drain()

    assert (drained.tried_again, drained.dead, text.renderings) == (0, 0, 1)
    assert [call[0] for call in shop.wire.calls] == ["PATCH"]
    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "1/10"}
    assert pushes.taken == ["token-0"]
    fetched = await client.get(f"/passes/apple/{card.id}?t={card.token}")
    assert fetched.headers["last-modified"] != phone.headers["last-modified"]
    assert "1 / 10" in apple_values(fetched.content)
    assert text.lines[card.id].startswith(f"{card.card_number}: You now have 1 of 10 stamps")
    page = await client.get(f"/card/{card.id}/state?t={card.token}")
    assert 'data-stamp-count="1"' in page.text


@pytest.mark.usefixtures("impatient")
async def test_stamps_go_on_at_speed_while_google_is_away(shop: Shop, client: httpx2.AsyncClient) -> None:
    """Google hangs; stamps are given meanwhile, none waits for it, and all arrive afterwards."""
    _, pin = await make_staff(shop.database, shop.store, name="Marie")
    cards = [await shop.card() for _ in range(5)]
    shop.wire.down = "hang"
    before = len(shop.wire.calls)
    for card in cards:
        body = {"pass_id": str(card.id), "staff_pin": pin}
        answer = await client.post(f"/stamp/{shop.store.id}", json=body)
        assert answer.status_code == 201
    # Not a stop-watch, which a busy machine would turn wrong: giving a stamp speaks to nobody at all.
    assert len(shop.wire.calls) == before
    await shop.runner.drain()
    shop.wire.down = None

    await shop.converge()

    assert {shop.google(card)["loyaltyPoints"]["balance"]["string"] for card in cards} == {"1/10"}


async def test_an_hour_of_stamps_without_google(shop: Shop, client: httpx2.AsyncClient) -> None:
    """An hour's outage with a stamp every five minutes: each is given at once, no request but probes goes out.

    When Google is back, each card takes one PATCH, with all its stamps.
    """
    _, pin = await make_staff(shop.database, shop.store, name="Marie")
    cards = [await shop.card() for _ in range(12)]
    for card in cards:
        await shop.change(card, revision=2)
    await shop.converge()
    shop.wire.calls.clear()
    shop.wire.down = 503
    for card in (*cards, *cards):
        before = len(shop.wire.calls)
        body = {"pass_id": str(card.id), "staff_pin": pin}
        answer = await client.post(f"/stamp/{shop.store.id}", json=body)
        assert answer.status_code == 201
        assert len(shop.wire.calls) == before
        for _ in range(5):
            await shop.runner.drain()
            shop.clock.advance(seconds=30)
    assert len(shop.wire.calls) <= 65
    shop.wire.down, back = None, shop.clock.at
    shop.wire.calls.clear()

    await shop.converge()

    assert {shop.google(card)["loyaltyPoints"]["balance"]["string"] for card in cards} == {"2/10"}
    assert len(shop.wire.of("PATCH")) == len(cards)
    assert (shop.clock.at - back).total_seconds() <= 300

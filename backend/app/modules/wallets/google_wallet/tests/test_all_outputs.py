"""One stamp moves every output from one refresh job, and a new format is one new file."""

from __future__ import annotations

import httpx2
import pytest

from app.modules.staff.factories import make_staff
from app.modules.wallets import hooks
from app.modules.wallets.google_wallet.output import GoogleOutput
from app.modules.wallets.google_wallet.tests.conftest import Shop
from app.modules.wallets.google_wallet.tests.renderer_for_tests import TextOutput


async def test_one_stamp_moves_every_output(
    shop: Shop, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp at the till: one job, one PATCH at Google, the web card's part and the new format show it."""
    text = TextOutput()
    monkeypatch.setattr(hooks.OUTPUT, "_offers", {"google": GoogleOutput(), "text": text})
    card = await shop.card()
    _, pin = await make_staff(shop.database, shop.store, name="Marie")
    await shop.change(card, revision=2)
    await shop.converge()
    shop.wire.calls.clear()

    body = {"pass_id": str(card.id), "staff_pin": pin}
    assert (await client.post(f"/stamp/{shop.store.id}", json=body)).status_code == 201
    drained = await shop.runner.drain()

    assert drained.done == 1
    assert [call[0] for call in shop.wire.calls] == ["PATCH"]
    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "1/10"}
    assert text.lines[card.id].startswith(f"{card.card_number}: You now have 1 of 10 stamps")
    page = await client.get(f"/card/{card.id}/state?t={card.token}")
    assert 'data-stamp-count="1"' in page.text


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

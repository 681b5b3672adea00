"""One stamp, one refresh job, every output: Apple's push, Google's object, the open web card, and a new format."""

from __future__ import annotations

import secrets

import httpx2
import pytest
from sqlalchemy import text as text_query

from app.db.session import system_scope
from app.modules.staff.factories import make_staff
from app.modules.wallets import hooks
from app.modules.wallets.apple_wallet.client import CurlPush
from app.modules.wallets.apple_wallet.pushing import OUTPUT_APPLE, Pusher
from app.modules.wallets.apple_wallet.tests.conftest import apns  # noqa: F401 (a fixture)
from app.modules.wallets.apple_wallet.tests.test_device import Phone
from app.modules.wallets.google_wallet.output import GoogleOutput
from app.modules.wallets.google_wallet.tests.conftest import (  # noqa: F401 (fixtures)
    Shop,
    key_text,
    shop,
    wire,
)
from app.modules.wallets.google_wallet.tests.renderer_for_tests import TextOutput
from app.modules.wallets.jobs import refresh_card


async def refreshes(shop: Shop) -> int:  # noqa: F811
    """Return how many refresh jobs were ever done; other modules have work of their own after a stamp."""
    query = "SELECT count(*) FROM pgqueuer_log WHERE entrypoint = :name AND status = 'successful'"
    async with system_scope(shop.database) as session:
        return (await session.execute(text_query(query), {"name": refresh_card.name})).scalar_one()


async def test_one_stamp_moves_all_outputs_from_one_job(  # noqa: PLR0917
    shop: Shop,  # noqa: F811
    apns,  # noqa: F811
    client: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stamp at the till: one job; the phone is pushed and fetches 1 / 10, Google is patched, the page moves."""
    text = TextOutput()
    outputs = {"apple": OUTPUT_APPLE, "google": GoogleOutput(), "text": text}
    monkeypatch.setattr(hooks.OUTPUT, "_offers", outputs)
    resources = shop.process.resources
    old, pusher = resources.get(Pusher), Pusher(CurlPush(apns.url, str(apns.ca_file)))
    resources.put(Pusher, pusher)
    card = await shop.card()
    _, pin = await make_staff(shop.database, shop.store, name="Marie")
    phone = Phone(client, f"device-{secrets.token_hex(8)}", secrets.token_hex(32))
    await phone.add(card)
    assert await phone.register(str(card.id)) == 201
    await shop.change(card, revision=2)
    await shop.converge()
    shop.wire.calls.clear()
    apns.pushes.clear()

    body = {"pass_id": str(card.id), "staff_pin": pin}
    assert (await client.post(f"/stamp/{shop.store.id}", json=body)).status_code == 201
    before = await refreshes(shop)
    await shop.runner.drain()

    assert await refreshes(shop) == before + 1
    assert [token for token, _topic, _body in apns.pushes] == [phone.push_token]
    assert (await phone.changed()).json()["serialNumbers"] == [str(card.id)]
    assert (await phone.latest(str(card.id))).status_code == 200
    assert "1 / 10" in [one["value"] for one in phone.passes[str(card.id)]["storeCard"]["headerFields"]]
    assert [call[0] for call in shop.wire.calls] == ["PATCH"]
    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "1/10"}
    assert text.lines[card.id].startswith(f"{card.card_number}: You now have 1 of 10 stamps")
    page = await client.get(f"/card/{card.id}/state?t={card.token}")
    assert 'data-stamp-count="1"' in page.text
    resources.put(Pusher, old)
    await pusher.aclose()

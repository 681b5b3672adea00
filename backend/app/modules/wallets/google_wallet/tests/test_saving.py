"""The way into the wallet: the link in the answer, the button, the pictures."""

from __future__ import annotations

from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.google_wallet import saving
from app.modules.wallets.google_wallet.save_link import JWT_LENGTH_MAX, SAVE_URL
from app.modules.wallets.google_wallet.tests.conftest import Shop


def claims_of(url: str, key: dict[str, str]) -> dict[str, Any]:
    """Return the claims of a link, checked with the public key."""
    assert url.startswith(SAVE_URL)
    public = load_pem_private_key(key["private_key"].encode(), None).public_key()
    token = url.removeprefix(SAVE_URL)
    assert len(token) <= JWT_LENGTH_MAX
    found: dict[str, Any] = jwt.decode(
        token,
        public,
        algorithms=["RS256"],
        audience="google",
        options={"verify_iat": False},  # the clock of the test stands still
    )
    return found


async def test_a_new_cards_answer_leads_to_google(
    shop: Shop, client: httpx2.AsyncClient, key_text: dict[str, str]
) -> None:
    """The link is short and signed; the object it names is inserted by the job, without a name."""
    body = {"store_id": str(shop.store.id), "name": "Anna Müller"}

    made = (await client.post("/passes/create", json=body)).json()

    (named,) = claims_of(made["add_to_wallet_url"], key_text)["payload"]["loyaltyObjects"]
    assert set(named) == {"id", "classId"}
    assert shop.wire.calls == []
    await shop.converge()
    found = shop.wire.stand_in.find("loyaltyObject", named["id"])
    assert found is not None
    assert found["classId"] == named["classId"]
    assert found["barcode"]["value"] == made["card_number"]
    assert "Müller" not in str(found)


async def test_a_tap_inserts_first_and_then_leads_to_google(
    shop: Shop, client: httpx2.AsyncClient, key_text: dict[str, str]
) -> None:
    """When the browser is sent on, the object is there, with the holder's name."""
    card = await make_card(shop.database, shop.store, name="Anna Müller")

    answer = await client.get(f"/passes/google/{card.id}?t={card.token}")

    assert answer.status_code == 303
    (named,) = claims_of(answer.headers["location"], key_text)["payload"]["loyaltyObjects"]
    assert set(named) == {"id", "classId"}
    assert shop.google(card)["accountName"] == "Anna Müller"


async def test_a_tap_during_an_outage_gets_a_fat_link(
    shop: Shop, client: httpx2.AsyncClient, key_text: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link carries the object, still within the limit; the job brings the rest later, once."""
    monkeypatch.setattr(saving, "TAP_SECONDS_MAX", 2.0)
    card = await make_card(shop.database, shop.store, stamps=3)
    shop.wire.down = 503

    answer = await client.get(f"/passes/google/{card.id}?t={card.token}")

    (fat,) = claims_of(answer.headers["location"], key_text)["payload"]["loyaltyObjects"]
    assert fat["barcode"]["value"] == card.card_number
    shop.wire.down = None
    await shop.converge()
    assert shop.google(card)["loyaltyPoints"]["balance"] == {"string": "3/10"}


@pytest.mark.parametrize("token", ["", "x", None])
async def test_somebody_elses_card_is_not_sent(
    shop: Shop, client: httpx2.AsyncClient, token: str | None
) -> None:
    """Without the card's token: 401 and no request to Google; another card's token neither."""
    card, other = await shop.card(), await shop.card()
    given = other.token if token is None else token

    answer = await client.get(f"/passes/google/{card.id}?t={given}")

    assert answer.status_code == 401
    assert shop.wire.calls == []


async def test_a_card_nobody_wanted_stays_at_home(shop: Shop, client: httpx2.AsyncClient) -> None:
    """A stamp on a card without a pass is no request to Google."""
    card = await make_card(shop.database, shop.store)
    await shop.change(card, stamp_count=3)
    await shop.converge()

    assert shop.wire.calls == []


async def test_the_demo_leads_to_its_own_picture(client: httpx2.AsyncClient, database: Any) -> None:
    """Without an account the demo's button stays on this site."""
    store = await make_store(database, await make_merchant(database))
    made = (await client.post("/passes/create", json={"store_id": str(store.id)})).json()

    assert made["add_to_wallet_url"] == made["card_url"].replace("/card/", "/passes/google/")


async def test_googles_servers_can_fetch_the_pictures(shop: Shop, client: httpx2.AsyncClient) -> None:
    """Every picture a body names is there, immutable, and another address is not found."""
    card = await shop.card(stamps=2)
    await shop.change(card, revision=2)
    await shop.converge()
    bodies = [body for _, _, body in shop.wire.calls]
    urls = {
        body[name]["sourceUri"]["uri"]
        for body in bodies
        for name in ("heroImage", "programLogo")
        if name in body
    }

    assert len(urls) == 3
    for url in urls:
        answer = await client.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert "immutable" in answer.headers["cache-control"]
        assert str(card.id) not in url
        assert (await client.get(url.replace(".png", "x.png"))).status_code == 404


async def test_the_demo_shows_the_pass_and_saves_it(client: httpx2.AsyncClient, database: Any) -> None:
    """From the button to the picture of the pass: name, balance and number are there; a stranger sees nothing."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store, stamps=3, name="Anna <b>Müller</b>")

    tapped = await client.get(f"/passes/google/{card.id}?t={card.token}")
    assert tapped.headers["location"].startswith(f"/passes/google/{card.id}/preview")
    page = await client.get(tapped.headers["location"])

    assert page.status_code == 200
    assert "3/10" in page.text
    assert "Anna &lt;b&gt;" in page.text
    client.cookies.clear()
    assert (await client.get(f"/passes/google/{card.id}/preview")).status_code == 401

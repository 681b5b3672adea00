"""No customer on any of the operator's pages, nor in /metrics, whatever is stored and whatever fails."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest_asyncio
from fastapi import FastAPI

from app.db.session import Database
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.operators.looking import shops
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from tests.architecture.documents import docs

from .conftest import Desk, give_up

NAME, EMAIL, PHONE = "Planted Qx6620", "planted-qx6620@example.com", "+352621662043"
PLANTED = ("Qx6620", "qx6620", "621662043", "621 662 043")


@pytest_asyncio.fixture(loop_scope="session")
async def shop(database: Database) -> MadeMerchant:
    """Return a shop with a customer, staff, and failures that quote the customer."""
    merchant = await make_merchant(database, name="Qualmende Kanne")
    store = await make_store(database, merchant, "hybrid")
    await make_staff(database, store)
    await make_card(database, store, stamps=3, points=40, name=NAME, email=EMAIL, phone=PHONE, verified=True)
    for reason in (
        f"ValueError: cannot read {NAME}",
        f"SMTPRecipientRefused: 550 <{EMAIL}> unknown",
        f"IntegrityError: Key (phone)=({PHONE}) exists",
    ):
        await give_up(database, reason, merchant_id=merchant.id)
        await give_up(database, reason, merchant_id=merchant.id, kind="messaging.send_message")
    return merchant


def pages_of(app: FastAPI) -> list[str]:
    """Return every page of the operator's."""
    return [
        route.path
        for route in docs.list_routes(list(app.routes))
        if route.path.startswith("/operator") and "GET" in route.methods
    ]


async def test_planted_customers_appear_on_no_page(
    app: FastAPI, desk: Desk, shop: MadeMerchant, client: httpx2.AsyncClient
) -> None:
    """Names, addresses and numbers of customers, and the owner's address: nowhere; the shop's name is there."""
    texts: dict[str, str] = {}
    for path in pages_of(app):
        for query in ("", "?q=Qualmende", "?kind=wallets.refresh_card", "?q=Qx6620"):
            answer = await desk.get(f"{path}{query}")
            assert answer.status_code == 200, path
            texts[f"{path}{query}"] = answer.text
    metrics = await client.get("/metrics", headers={"host": "testserver"})
    texts["/metrics"] = metrics.text

    # The search shows again what was typed into it; that is the operator's own.
    texts = {path: text for path, text in texts.items() if "q=Qx6620" not in path}
    assert len(pages_of(app)) >= 9
    assert [path for path, text in texts.items() if any(part in text for part in PLANTED)] == []
    assert [path for path, text in texts.items() if shop.email in text] == []
    assert "Qualmende Kanne" in texts["/operator/shops?q=Qualmende"]


async def test_control_the_shop_page_would_show_what_it_read(
    desk: Desk, shop: MadeMerchant, monkeypatch: Any
) -> None:
    """With a customer's name read in place of the shop's, the page shows it: its absence above means something."""
    planted = shops._PAGE.replace("SELECT id, name,", f"SELECT id, '{NAME}' AS name,")
    monkeypatch.setattr(shops, "_PAGE", planted)
    page = await desk.get("/operator/shops?q=Qualmende")

    assert "Qx6620" in page.text


async def test_shops_are_counted(desk: Desk, shop: MadeMerchant) -> None:
    """One store, one card, by name."""
    page = await desk.get("/operator/shops?q=qualmende%20kanne")
    cells = page.text.split("Qualmende Kanne", 1)[1].split("</tr>", 1)[0]

    assert cells.count('number">1</td>') >= 2


async def test_search_takes_letters_as_they_are(desk: Desk, shop: MadeMerchant) -> None:
    """A percent sign and an underscore are letters of a name, not "anything"."""
    for typed in ("%25", "_ualmende"):
        page = await desk.get(f"/operator/shops?q={typed}")
        assert "No shop is called that" in page.text

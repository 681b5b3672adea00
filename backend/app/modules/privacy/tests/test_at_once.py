"""A request confirmed while everything else happens to its card: once, and nothing breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.portal.tests.helpers import hidden_fields, send_form
from app.modules.privacy.tests.test_requests import HTML, customer_of, link_in_mail, open_card
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store

ROUNDS = 3


def phone(app: Any, number: int) -> httpx2.AsyncClient:
    """Return a device of its own, from an address of its own."""
    transport = httpx2.ASGITransport(
        app=app, raise_app_exceptions=False, client=(f"198.18.0.{number}", 40_000)
    )
    return httpx2.AsyncClient(transport=transport, base_url="http://testserver")


@pytest.mark.parametrize("wish", ["erase", "change"])
async def test_a_button_pressed_twice_while_staff_stamp_is_one_deletion(
    app: Any, database: Any, wish: str
) -> None:
    """The button twice, a stamp and a look at the card in one moment: one press counts, and nothing breaks."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, cooldown_minutes=0)
    _, pin = await make_staff(database, store)
    for number in range(1, ROUNDS + 1):
        card = await make_card(
            database, store, name="Ada", email=f"ada{number}@example.com", verified=True, stamps=3
        )
        async with phone(app, number) as holder, phone(app, number + 100) as mailbox, phone(app, 200) as till:
            await open_card(holder, card)
            if wish == "erase":
                await send_form(holder, f"/card/{card.id}/delete", f"/card/{card.id}/delete")
            else:
                details = f"/card/{card.id}/details"
                await send_form(
                    holder, details, details, name="Ada", email=f"new{number}@example.com", locale="en"
                )
            _recipient, path = await link_in_mail(database, merchant)
            shown = await mailbox.get(path, headers=HTML)
            token = hidden_fields(shown.text, path)
            body = {"pass_id": str(card.id), "staff_pin": pin}
            answers = await asyncio.gather(
                mailbox.post(path, data=token, headers=HTML),
                mailbox.post(path, data=token, headers=HTML),
                till.post(f"/stamp/{store.id}", json=body),
                holder.get(f"/card/{card.id}", headers=HTML),
            )
            codes = [answer.status_code for answer in answers]
            # The second press waits for the first; on a machine that is too busy it is told to come again.
            assert min(codes[:2]) == 200, codes
            assert max(codes[:2]) in {422, 503}, codes
            assert codes[2] in {201, 404, 503}, answers[2].text
            assert codes[3] in {200, 401}
        customer = await customer_of(database, card)
        assert customer.email == (None if wish == "erase" else f"new{number}@example.com")
        assert (customer.erased_at is not None) is (wish == "erase")
    async with tenant_scope(database, merchant.id) as session:
        off = await session.scalar(
            text(
                "SELECT count(*) FROM pass_object p WHERE p.stamp_count <>"
                " (SELECT coalesce(sum(stamps_added), 0) FROM stamp_event e WHERE e.pass_id = p.id)"
            )
        )
    assert off == 0

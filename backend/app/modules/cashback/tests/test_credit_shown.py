"""Credit after a merge, switched off and on, on every page, in figures, downloads and in `check`."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from sqlalchemy import text, update

from app.db.session import tenant_scope
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.factories import MadeCard
from app.modules.cards.models import PassObject
from app.modules.cards.public import merge_cards
from app.modules.cashback.jobs import catch_up
from app.modules.cashback.models import CreditAccount
from app.modules.cashback.tests.conftest import Shop
from app.modules.wallets.public import card_view


async def _merge(shop: Shop, source: MadeCard, target: MadeCard) -> None:
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await merge_cards(
            session, shop.merchant.id, source_id=source.id, target_id=target.id, now=shop.clock.at
        )


async def test_joined_cards_join_their_lots(shop: Shop) -> None:
    """Lots move with their expiry, by two entries; a payment of the old card undone afterwards comes to the new."""
    old, new = await shop.card(), await shop.card()
    await shop.buy(old, "50.00")
    await shop.set(rate_bp=0)
    visit = await shop.buy(old, "20.00", credit="1.00")
    await _merge(shop, old, new)
    await _merge(shop, old, new)
    assert await shop.entries(new) == [("transfer", 400)]
    assert (await shop.balance(old), await shop.lots(new)) == (0, [(400, "2027-11-20")])

    assert (await shop.undo(visit)).status_code == 201
    assert await shop.lots(new) == [(500, "2027-11-20")]
    assert await shop.violations() == []


async def test_a_debt_is_paid_by_the_card_it_joins(shop: Shop) -> None:
    """Four owed on one card, five held by the other: one is left to spend."""
    old, new = await shop.card(), await shop.card()
    visit = await shop.buy(old, "50.00")
    await shop.buy(new, "50.00")
    await shop.set(rate_bp=0)
    await shop.buy(old, "20.00", credit="4.00")
    await shop.undo(visit, force=True)
    await _merge(shop, old, new)
    assert (await shop.balance(new), await shop.lots(new)) == (100, [(100, "2027-11-20")])
    assert await shop.violations() == []


async def test_switched_off_it_is_invisible_and_without_effect(shop: Shop) -> None:
    """Off: nothing earned or spent, no page, nothing on card, pass or till; on again, the credit is there."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    await shop.switch(is_on=False)

    assert len((await shop.buy(card, "50.00"))["explanation"]) == 1
    assert (await shop.ask(card, "50.00", credit="1.00")).status_code == 422
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    assert "store credit" not in page.text.lower()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="en", now=shop.clock.at)
        assert not [field for field in view.fields if field.key.startswith("credit")]
    shop.client.cookies.update(shop.merchant.cookies)
    assert (await shop.client.get("/dashboard/cashback")).status_code == 403
    assert (await shop.client.get(f"/dashboard/cashback/cards/{card.id}")).status_code == 403
    assert "/dashboard/cashback" not in (await shop.client.get("/dashboard/stores")).text
    profile = await shop.client.get(f"/dashboard/customers/{card.customer_id}")
    assert "Store credit" not in profile.text
    assert (await shop.client.get("/dashboard/analytics/cashback")).status_code in {403, 404}
    assert "Credit afterwards" not in (await shop.client.get("/dashboard/exports")).text

    await shop.switch(is_on=True)
    assert await shop.balance(card) == 500
    await shop.buy(card, "50.00", credit="5.00")
    assert await shop.violations() == []


async def test_switched_on_again_it_makes_good_what_it_missed(shop: Shop) -> None:
    """While it was off a visit was taken back and two cards were joined: both follow, once."""
    old, new = await shop.card(), await shop.card()
    visit = await shop.buy(old, "50.00")
    await shop.buy(old, "30.00")
    await shop.switch(is_on=False)
    assert (await shop.undo(visit)).status_code == 201
    await _merge(shop, old, new)
    assert await shop.balance(old) == 800

    await shop.switch(is_on=True)
    await catch_up.function(shop.context())

    assert (await shop.balance(old), await shop.lots(new)) == (0, [(300, "2027-11-20")])
    assert await shop.entries(new) == [("transfer", 800), ("void", -500)]
    assert await shop.violations() == []


async def test_card_and_pass_show_the_statement(shop: Shop) -> None:
    """The card says what is held and until when, line by line; the pass has a field that tells of changes."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    await shop.buy(card, "20.00", credit="1.50")
    page = (await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)).text
    for said in ("€5.35", "10% back on a purchase", "Paid with store credit", "Good until 20 Nov 2027",
                 "10% back on €18.50"):  # fmt: skip
        assert said in page, said
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="de", now=shop.clock.at)
    fields = {field.key: (field.label, field.value) for field in view.fields}
    assert fields["credit"] == ("Guthaben", "5,35\xa0€")
    assert fields["credit_until"] == ("Guthaben gültig bis", "20.11.2027 (5,35\xa0€)")


def _csrf(page: httpx2.Response) -> str:
    token = re.search(r'name="csrf"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    return token[1]


ORIGIN = {"origin": "http://testserver"}


async def test_a_member_sets_it_up_without_javascript(shop: Shop) -> None:
    """2,5 typed as people write it is 250 basis points from the next purchase on; 51 is refused beside the field."""
    shop.client.cookies.update(shop.merchant.cookies)
    page = await shop.client.get("/dashboard/cashback")
    assert "A purchase of €59.90 gives €5.99 back." in page.text
    form = {"csrf": _csrf(page), "percent": "2,5", "rounding": "down", "expiry_months": "6"}
    assert (await shop.client.post("/dashboard/cashback", data=form, headers=ORIGIN)).status_code == 303
    wrong = await shop.client.post("/dashboard/cashback", data=form | {"percent": "51"}, headers=ORIGIN)
    assert wrong.status_code == 422
    card = await shop.card()
    await shop.buy(card, "39.99")
    assert await shop.lots(card) == [(99, "2027-05-20")]


async def test_credit_is_given_and_taken_by_hand_once(shop: Shop) -> None:
    """Ten euros for goods brought back, sent twice, are ten; more than there is cannot be taken."""
    card = await shop.card(name="Ana")
    shop.client.cookies.update(shop.merchant.cookies)
    url = f"/dashboard/cashback/cards/{card.id}"
    page = await shop.client.get(url)
    form = {
        "csrf": _csrf(page), "idempotency_key": "k1", "direction": "give", "amount": "10,00",
        "reason": "returned",
    }  # fmt: skip
    for _turn in range(2):
        assert (await shop.client.post(url, data=form, headers=ORIGIN)).status_code == 303
    more = form | {"idempotency_key": "k2", "direction": "take", "amount": "10.01"}
    refused = await shop.client.post(url, data=more, headers=ORIGIN)
    assert (refused.status_code, await shop.entries(card)) == (422, [("adjust", 1_000)])
    assert "There is not so much credit on this card." in refused.text
    bad = await shop.client.post(
        url, data=form | {"amount": "1.005", "idempotency_key": "k3"}, headers=ORIGIN
    )
    assert bad.status_code == 422
    profile = await shop.client.get(f"/dashboard/customers/{card.customer_id}")
    assert "For goods brought back" in profile.text
    assert await shop.violations() == []


async def test_by_hand_no_more_than_the_limit_is_given(shop: Shop) -> None:
    """A hundred euros go, a cent more moves nothing; with the limit raised it goes, and the log has it."""
    card = await shop.card(name="Ana")
    shop.client.cookies.update(shop.merchant.cookies)
    url = f"/dashboard/cashback/cards/{card.id}"
    page = await shop.client.get(url)
    assert "At most €100.00 are given at once." in page.text
    form = {"csrf": _csrf(page), "direction": "give", "reason": "goodwill"}

    async def give(amount: str, key: str) -> httpx2.Response:
        data = form | {"amount": amount, "idempotency_key": key}
        return await shop.client.post(url, data=data, headers=ORIGIN)

    assert (await give("100.00", "k1")).status_code == 303
    refused = await give("100.01", "k2")
    assert (refused.status_code, await shop.entries(card)) == (422, [("adjust", 10_000)])
    assert "This is more credit than may be given by hand at once." in refused.text
    rules = {"csrf": form["csrf"], "percent": "10", "rounding": "half_even", "expiry_months": "12"}
    for wrong in ("0", "1000000.01", "1.005"):
        answer = await shop.client.post(
            "/dashboard/cashback", data=rules | {"hand_max": wrong}, headers=ORIGIN
        )
        assert answer.status_code == 422
    more = await shop.client.post("/dashboard/cashback", data=rules | {"hand_max": "100,01"}, headers=ORIGIN)
    assert (more.status_code, (await give("100.01", "k3")).status_code) == (303, 303)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = await session.execute(
            text("SELECT action, facts FROM audit_entry WHERE action LIKE 'cashback%' ORDER BY id")
        )
        said = [(row.action, row.facts.get("amount_minor"), row.facts.get("hand_max_minor")) for row in rows]
    assert said[-3:] == [
        ("cashback.credit_adjusted", 10_000, None),
        ("cashback.settings_changed", None, 10_001),
        ("cashback.credit_adjusted", 10_001, None),
    ]


async def test_what_is_owed_is_in_the_figures_and_the_download(shop: Shop) -> None:
    """The report tells what is owed, given, spent and expired, net of undos; the download has each movement."""
    card = await shop.card(name="Ana")
    await shop.buy(card, "50.00")
    visit = await shop.buy(card, "50.00")
    await shop.buy(card, "20.00", credit="1.00")
    await shop.undo(visit)
    shop.client.cookies.update(shop.merchant.cookies)
    report = (await shop.client.get("/dashboard/analytics/cashback")).text
    for figure in ("Owed today", "€5.90", "€6.90", "€1.00"):
        assert figure in report, figure
    exports = await shop.client.get("/dashboard/exports")
    assert "Every movement of credit" in exports.text


async def test_a_persons_download_and_deletion(shop: Shop) -> None:
    """The download has every movement; deleted, nobody is owed anything and the books still add up."""
    card = await shop.card(name="Ana")
    await shop.buy(card, "50.00")
    handler = PERSONAL_DATA.get("cashback")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        told: Any = await handler.export(session, shop.merchant.id, card.customer_id)
        assert [(row["kind"], row["amount"], row["currency"]) for row in told["store_credit"]] == [
            ("earn", "5.00", "EUR")
        ]
        await session.execute(update(PassObject).where(PassObject.id == card.id).values(status="erased"))
        await handler.erase(session, shop.merchant.id, card.customer_id)
    assert await shop.entries(card) == [("earn", 500), ("erase", -500)]
    assert (await shop.lots(card), await shop.violations()) == ([], [])


async def test_the_ledger_is_append_only_and_check_sees_a_wrong_balance(shop: Shop) -> None:
    """The runtime role may not change an entry; an account that was bent is found by `check`."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    with pytest.raises(Exception, match="permission denied"):
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await session.execute(text("UPDATE credit_entry SET amount_minor = 1"))
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await session.execute(
            update(CreditAccount).where(CreditAccount.pass_id == card.id).values(balance_minor=501)
        )
    assert await shop.violations() == ["balance 501, entries 500", "balance 501, lots 500"]

"""Credit at the till: earned, spent, expired, undone; over HTTP with the worker's jobs run by hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select, text, update

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.ledger import INVARIANT
from app.kernel.permissions import Principal
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.cards.public import merge_cards
from app.modules.cashback.jobs import catch_up, expire_due
from app.modules.cashback.models import CreditAccount, CreditEntry, CreditLot
from app.modules.cashback.service import change_settings
from app.modules.cashback.settings import CashbackSettings
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.visits import statements
from app.modules.visits.models import Visit
from app.modules.wallets.public import card_view
from app.process import Process

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
AT_ONCE = 200


@dataclass
class Shop:
    """A shop with cashback of ten percent for twelve months, and short ways to use it."""

    process: Process
    client: httpx2.AsyncClient
    clock: FixedClock
    merchant: Any
    store: Any
    pin: str
    manager_pin: str

    @property
    def database(self) -> Database:
        """Return the database."""
        return self.process.database

    @property
    def owner(self) -> Principal:
        """Return who sets cashback up."""
        return Principal("member", self.merchant.id, self.merchant.owner_id, role="owner")

    def context(self) -> JobContext:
        """Return what a job of this shop gets."""
        made = self.process
        return JobContext(
            made.database, made.settings, self.clock, made.registry, made.resources, self.merchant.id
        )

    async def switch(self, *, is_on: bool) -> None:
        """Switch cashback as a member does, and let the worker catch up."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await switch_feature(session, self.owner, "cashback", is_on=is_on, now=self.clock.at)
        if is_on:
            await catch_up.function(self.context())

    async def set(self, **values: Any) -> None:
        """Change how cashback works."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await change_settings(session, self.owner, CashbackSettings(**values), now=self.clock.at)

    async def card(self, **over: Any) -> MadeCard:
        """Make a card."""
        return await make_card(self.database, self.store, now=self.clock.at, **over)

    async def ask(
        self, card: MadeCard, amount: str, *, credit: str | None = None, key: str | None = None
    ) -> httpx2.Response:
        """Enter a purchase at the till with the staff's PIN, as the customer's phone does."""
        body: dict[str, Any] = {"pass_id": str(card.id), "staff_pin": self.pin, "amount": amount}
        if credit is not None:
            body["tenders"] = {"credit": credit}
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"/points/{self.store.id}", json=body, headers=headers)

    async def buy(self, card: MadeCard, amount: str, **over: Any) -> dict[str, Any]:
        """Enter a purchase that is granted."""
        answer = await self.ask(card, amount, **over)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def undo(self, visit: dict[str, Any], *, force: bool = False) -> httpx2.Response:
        """Take a visit back, as a manager."""
        body = {
            "store_id": str(self.store.id),
            "staff_pin": self.manager_pin,
            "reason": "wrong",
            "force": force,
        }
        return await self.client.post(f"/visits/{visit['visit_id']}/void", json=body)

    async def expire(self) -> None:
        """Take off what has run out, as the worker does."""
        await expire_due.function(self.context())

    async def balance(self, card: MadeCard) -> int:
        """Return what the account says."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            row = await session.get(CreditAccount, (self.merchant.id, card.id))
            return row.balance_minor if row else 0

    async def entries(self, card: MadeCard) -> list[tuple[str, int]]:
        """Return the card's movements, oldest first."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(CreditEntry).where(CreditEntry.pass_id == card.id).order_by(CreditEntry.id)
            )
            return [(row.kind, row.amount_minor) for row in rows]

    async def lots(self, card: MadeCard) -> list[tuple[int, str]]:
        """Return (remaining, last moment) of the card's lots that hold something."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(CreditLot)
                .where(CreditLot.pass_id == card.id, CreditLot.remaining_minor > 0)
                .order_by(CreditLot.expires_at)
            )
            return [(row.remaining_minor, f"{row.expires_at:%Y-%m-%d}") for row in rows]

    async def violations(self) -> list[str]:
        """Return what `check` finds wrong with credit."""
        found = []
        async with tenant_scope(self.database, self.merchant.id) as session:
            for name in ("credit", "credit_lots", "points", "points_lots"):
                found += [one.detail for one in await INVARIANT.get(name)(session)]
        return found


Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def open_shop(process: Process, client: httpx2.AsyncClient, clock: FixedClock) -> Open:
    """Return what opens a shop with cashback."""

    async def make(currency: str = "EUR", **settings: Any) -> Shop:
        merchant = await make_merchant(process.database, time_zone="Europe/Luxembourg", currency=currency)
        store = await make_store(process.database, merchant, "points", visits_per_day=0)
        _, pin = await make_staff(process.database, store)
        _, manager_pin = await make_staff(process.database, store, name="Luc", role="manager")
        shop = Shop(process, client, clock, merchant, store, pin, manager_pin)
        await shop.switch(is_on=True)
        await shop.set(**{"rate_bp": 1_000, **settings})
        return shop

    return make


@pytest.fixture
async def shop(open_shop: Open) -> Shop:
    """Return a shop in euros."""
    return await open_shop()


async def test_a_purchase_gives_back_and_the_next_is_paid_with_it(shop: Shop) -> None:
    """59.95 gives 6.00 (5.995 to the even cent); five of it pay a part of twenty, which earns on fifteen only."""
    card = await shop.card()
    first = await shop.buy(card, "59.95")
    assert first["explanation"][-1] == {
        "rule": "cashback", "points": "0", "detail": "1000|5995|EUR|rounded", "amount_minor": 600,
    }  # fmt: skip
    second = await shop.buy(card, "20.00", credit="5.00")
    assert [(line["rule"], line.get("amount_minor", 0)) for line in second["explanation"]] == [
        ("rate", 0), ("cashback", 150), ("tender.credit", -500),
    ]  # fmt: skip
    assert await shop.entries(card) == [("earn", 600), ("spend", -500), ("earn", 150)]
    assert await shop.lots(card) == [(100, "2027-11-20"), (150, "2027-11-20")]
    assert await shop.violations() == []


@pytest.mark.parametrize(
    ("currency", "amount", "back", "part", "wrong"),
    [("JPY", "1985", 198, "198", "1.5"), ("KWD", "12.345", 1_234, "1.234", "1.2345")],
)
async def test_every_currency_has_its_own_smallest_coin(  # noqa: PLR0913 - a currency and its amounts
    open_shop: Open, currency: str, amount: str, back: int, part: str, wrong: str
) -> None:
    """No decimals of the yen, three of the dinar: earned, spent and refused by the coins that there are."""
    shop = await open_shop(currency)
    card = await shop.card()
    await shop.buy(card, amount)
    assert await shop.balance(card) == back
    assert (await shop.ask(card, amount, credit=wrong)).status_code == 422
    assert await shop.balance(card) == back
    await shop.buy(card, amount, credit=part)
    assert (await shop.entries(card))[1] == ("spend", -back)
    assert await shop.violations() == []


async def test_more_than_there_is_cannot_be_spent(shop: Shop) -> None:
    """A cent more than the card holds is refused, and nothing moves."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    refused = await shop.ask(card, "20.00", credit="5.01")
    assert (refused.status_code, refused.json()["code"]) == (409, "credit_short")
    assert await shop.entries(card) == [("earn", 500)]


async def test_the_same_key_earns_and_spends_once(shop: Shop) -> None:
    """Repeated under one key, also with an emptied purse, a purchase is one."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    first = await shop.buy(card, "20.00", credit="5.00", key="one")
    again = await shop.buy(card, "20.00", credit="5.00", key="one")
    assert again == first
    assert await shop.entries(card) == [("earn", 500), ("spend", -500), ("earn", 150)]


async def _spend_at_once(shop: Shop) -> tuple[int, int]:
    """Let two hundred tills take one of ten euros at once; return (granted, sum of all entries)."""
    card = await shop.card()
    await shop.set(rate_bp=1_000)
    await shop.buy(card, "100.00")
    await shop.set(rate_bp=0)
    answers = await asyncio.gather(*(shop.ask(card, "5.00", credit="1.00") for _ in range(AT_ONCE)))
    codes = [answer.json().get("code", "given") for answer in answers]
    assert set(codes) <= {"given", "credit_short"}, set(codes)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        total = await session.scalar(
            select(func.sum(CreditEntry.amount_minor)).where(CreditEntry.pass_id == card.id)
        )
    return codes.count("given"), int(total or 0)


async def test_two_hundred_at_once_never_go_below_zero(shop: Shop) -> None:
    """Ten euros, two hundred tills that want one each: ten get it, and the ledger ends at nought."""
    assert await _spend_at_once(shop) == (10, 0)
    assert await shop.violations() == []


async def test_control_without_the_lock_it_goes_below_zero(shop: Shop, monkeypatch: Any) -> None:
    """The card's lock is what keeps it: read without, more than ten are granted and the ledger is below zero."""
    for name in ("LOAD", "LOAD_WITH_PIN"):
        unlocked = getattr(statements, name).replace("FOR UPDATE OF card", "")
        monkeypatch.setattr(statements, name, unlocked)
    granted, total = await _spend_at_once(shop)
    assert granted > 10
    assert total < 0


async def test_soonest_expiry_is_spent_first_and_each_lot_ends_by_itself(shop: Shop) -> None:
    """The later purchase's lot ends sooner: it is spent first; at its last minute it is good, a minute later gone."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    await shop.set(expiry_months=1)
    await shop.buy(card, "30.00")
    await shop.set(rate_bp=0)
    await shop.buy(card, "20.00", credit="1.00")
    assert await shop.lots(card) == [(200, "2026-12-20"), (500, "2027-11-20")]

    shop.clock.at = datetime(2026, 12, 20, 22, 59, tzinfo=UTC)
    await shop.expire()
    assert await shop.balance(card) == 700
    shop.clock.at = datetime(2026, 12, 20, 23, 0, tzinfo=UTC)  # midnight in Luxembourg
    refused = await shop.ask(card, "20.00", credit="7.00")
    assert refused.json()["code"] == "credit_short"  # though nobody has collected it yet
    await shop.expire()
    await shop.expire()
    assert (await shop.entries(card))[-1] == ("expire", -200)
    assert await shop.balance(card) == 500
    assert await shop.violations() == []


async def test_an_undo_gives_lots_back_with_their_own_expiry(shop: Shop) -> None:
    """Four of two lots were spent: both have what they had, and end when they would have."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    await shop.set(expiry_months=1)
    await shop.buy(card, "30.00")
    before = await shop.lots(card)
    visit = await shop.buy(card, "40.00", credit="4.00")

    assert (await shop.undo(visit)).status_code == 201

    assert await shop.lots(card) == before == [(300, "2026-12-20"), (500, "2027-11-20")]
    assert (await shop.entries(card))[2:] == [
        ("spend", -400), ("earn", 360), ("void", 400), ("void", -360),
    ]  # fmt: skip
    assert await shop.violations() == []


async def test_what_ran_out_meanwhile_runs_out_again(shop: Shop) -> None:
    """A payment undone after its lot's last day: it comes back and ends at once, in a line of its own."""
    await shop.set(expiry_months=1)
    card = await shop.card()
    await shop.buy(card, "30.00")
    await shop.set(rate_bp=0)
    visit = await shop.buy(card, "40.00", credit="3.00")
    shop.clock.at = START + timedelta(days=60)

    assert (await shop.undo(visit)).status_code == 201

    assert await shop.entries(card) == [("earn", 300), ("spend", -300), ("void", 300), ("expire", -300)]
    assert (await shop.balance(card), await shop.violations()) == (0, [])


async def test_what_expired_of_an_earning_is_not_taken_twice(shop: Shop) -> None:
    """Three earned, one spent, two ran out: the undo of the earning takes one, of what came since."""
    await shop.set(expiry_months=1)
    card = await shop.card()
    visit = await shop.buy(card, "30.00")
    await shop.set(rate_bp=0)
    await shop.buy(card, "10.00", credit="1.00")
    shop.clock.at = START + timedelta(days=60)
    await shop.expire()
    await shop.set(rate_bp=1_000)
    await shop.buy(card, "50.00")

    assert (await shop.undo(visit)).status_code == 201

    assert (await shop.entries(card))[2:] == [("expire", -200), ("earn", 500), ("void", -100)]
    assert (await shop.balance(card), await shop.violations()) == (400, [])


async def test_an_earning_that_is_spent_needs_a_manager_to_insist(shop: Shop) -> None:
    """Refused with nothing moved; forced, the card owes it, and the next cashback fills the gap first."""
    card = await shop.card()
    visit = await shop.buy(card, "50.00")
    await shop.set(rate_bp=0)
    await shop.buy(card, "20.00", credit="4.00")

    refused = await shop.undo(visit)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_spent")
    assert await shop.entries(card) == [("earn", 500), ("spend", -400)]

    assert (await shop.undo(visit, force=True)).status_code == 201
    assert await shop.balance(card) == -400
    await shop.set(rate_bp=1_000)
    await shop.buy(card, "60.00")
    assert (await shop.balance(card), await shop.lots(card)) == (200, [(200, "2027-11-20")])
    assert (await shop.ask(card, "20.00", credit="2.01")).json()["code"] == "credit_short"
    assert await shop.violations() == []


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
    assert fields["credit_until"] == ("Guthaben", "5,35\xa0€ gültig bis 20.11.2027")


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


async def test_a_visit_refused_leaves_no_credit(shop: Shop) -> None:
    """A wrong PIN with credit to pay: no visit, no movement."""
    card = await shop.card()
    await shop.buy(card, "50.00")
    body = {
        "pass_id": str(card.id), "staff_pin": "000000", "amount": "20.00", "tenders": {"credit": "1.00"},
    }  # fmt: skip
    assert (await shop.client.post(f"/points/{shop.store.id}", json=body)).status_code == 403
    assert await shop.entries(card) == [("earn", 500)]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        count = select(func.count()).select_from(Visit).where(Visit.pass_id == UUID(str(card.id)))
        assert await session.scalar(count) == 1

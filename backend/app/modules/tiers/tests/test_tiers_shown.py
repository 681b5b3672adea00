"""Where levels are seen: cards, passes, the dashboard, reports, a person's download; and nowhere once switched off."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import select, update

from app.db.session import tenant_scope
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.models import PassObject
from app.modules.tiers.models import TierLevel, TierStanding
from app.modules.tiers.tests.conftest import Shop
from app.modules.wallets.public import card_view


async def test_switched_off_it_is_invisible_and_without_effect(shop: Shop) -> None:
    """Off: no points more, no page, nothing on card or pass; on again, everything is as it was."""
    card = await shop.card()
    await shop.buy(card, "100.00")
    await shop.switch()

    visit = await shop.buy(card, "10.00")
    assert visit["points_added"] == 10
    assert len(visit["explanation"]) == 1
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    assert "Your level" not in page.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="en", now=shop.clock.at)
        assert not [field for field in view.fields if field.key.startswith("tier")]
    shop.client.cookies.update(shop.merchant.cookies)
    assert (await shop.client.get("/dashboard/tiers")).status_code == 403
    assert "/dashboard/tiers" not in (await shop.client.get("/dashboard/stores")).text
    assert (await shop.client.get("/dashboard/analytics/tiers")).status_code in {403, 404}
    assert "/dashboard/analytics/tiers" not in (await shop.client.get("/dashboard/analytics")).text
    assert "Held until" not in (await shop.client.get("/dashboard/exports")).text

    await shop.switch("tiers")
    assert (await shop.buy(card, "10.00"))["points_added"] == 12


async def test_cards_and_passes_say_what_is_ahead(shop: Shop) -> None:
    """220 of 300 spent: "€80.00 to Gold by 31 Dec 2026" on the card and on the pass, with the perk."""
    card = await shop.card()
    await shop.buy(card, "220.00")
    page = await shop.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    assert "€80.00 to Gold by 31 Dec 2026" in page.text
    assert "A biscuit" in page.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="de", now=shop.clock.at)
    fields = {field.key: field.value for field in view.fields if field.key.startswith("tier")}
    assert fields["tier"] == "Silver"
    assert "Noch 80,00\xa0€ bis Gold, bis zum 31.12.2026" in str(fields["tier_next"])


async def test_dashboard_pages_work_without_javascript(shop: Shop) -> None:
    """The page lists the ladder; a level is added by its form, a twin is refused beside the field."""
    shop.client.cookies.update(shop.merchant.cookies)
    page = await shop.client.get("/dashboard/tiers")
    assert page.status_code == 200
    assert "from €100.00" in page.text
    new = await shop.client.get("/dashboard/tiers/levels/new")
    token = re.search(r'name="csrf"[^>]*value="([^"]+)"', new.text)
    assert token is not None
    form = {
        "csrf": token[1],
        "name": "Platinum",
        "threshold": "1 000,50",
        "multiplier": "2",
        "perks": "A chair",
    }
    origin = {"origin": "http://testserver"}
    saved = await shop.client.post("/dashboard/tiers/levels/new", data=form, headers=origin)
    assert saved.status_code == 303, saved.text
    again = await shop.client.post("/dashboard/tiers/levels/new", data=form, headers=origin)
    assert again.status_code == 422
    assert "Another level begins there already." in again.text
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        rows = list(await session.scalars(select(TierLevel.threshold).order_by(TierLevel.threshold)))
    assert rows == [10_000, 30_000, 100_050]


async def test_report_and_download(shop: Shop) -> None:
    """The report counts members and moves; the profile shows the level."""
    card = await shop.card(name="Ana")
    await shop.buy(card, "100.00")
    shop.client.cookies.update(shop.merchant.cookies)
    report = await shop.client.get("/dashboard/analytics/tiers")
    assert report.status_code == 200
    assert "Silver" in report.text
    profile = await shop.client.get(f"/dashboard/customers/{card.customer_id}")
    assert "Silver reached" in profile.text


async def test_a_persons_download_and_deletion(shop: Shop) -> None:
    """The download names level and moves; deleting the person forgets where the card stands."""
    card = await shop.card(name="Ana")
    await shop.buy(card, "100.00")
    handler = PERSONAL_DATA.get("tiers")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        told = await handler.export(session, shop.merchant.id, card.customer_id)
        assert told["levels"] == [
            {"pass_id": str(card.id), "level": "Silver", "since": "2026-11-20", "held_until": "2026-12-31"}
        ]
        await session.execute(update(PassObject).where(PassObject.id == card.id).values(status="erased"))
        await handler.erase(session, shop.merchant.id, card.customer_id)
        assert await session.get(TierStanding, (UUID(str(shop.merchant.id)), card.id)) is None

"""Each feature on and off, everywhere it can be seen: off it is invisible and without effect, and the data stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from app.db.session import tenant_scope
from app.kernel.points import PERSONAL_DATA, TILL_PANEL, TillContext
from app.modules.cards.factories import MadeCard
from app.modules.merchants.public import get_merchant
from app.modules.wallets.public import card_view
from tests.features.conftest import FEATURES, Shop

SEES_NOTHING = {403, 404}


@dataclass(frozen=True)
class Marks:
    """What stands for a feature on each surface. till: its panel there; rule: its line of an explanation."""

    card: str
    field: str
    profile: str
    table: str
    till: str = ""
    rule: str = ""


# A sheet of styles comes with a block; words of what has happened stay in the history.
MARKS = {
    "tiers": Marks("Your level", "tier", "/css/tiers.css", "levels", "Level", "tiers"),
    "birthdays": Marks(
        "Happy birthday!", "birthday", "/css/birthdays.css", "birthday_gifts", "Birthday", "birthdays"
    ),
    "referrals": Marks("Bring a friend along", "invite", "/css/referrals.css", "friends"),
    "cashback": Marks(
        "/css/cashback.css", "credit", "/css/cashback.css", "credit", "Store credit", "cashback"
    ),
}


async def look_everywhere(shop: Shop, card: MadeCard, feature: str) -> dict[str, bool]:
    """Tell on which surfaces the feature is seen, or has an effect."""
    marks, client, session_cookies = MARKS[feature], shop.client, shop.merchant.cookies
    client.cookies.clear()
    own = await client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="en", now=shop.clock.at)
        modules_on = (await get_merchant(session, shop.merchant.id)).modules_on
        place = TillContext(session, shop.merchant.id, shop.store.id, card.id, shop.clock.at, modules_on)
        panels = [panel.title for panel in await TILL_PANEL.gather(place)]
    client.cookies.update(session_cookies)
    home = (await client.get("/dashboard")).text
    profile = (await client.get(f"/dashboard/customers/{card.customer_id}")).text
    page = await client.get(f"/dashboard/{feature}")
    report = await client.get(f"/dashboard/analytics/{feature}")
    exports = (await client.get("/dashboard/exports")).text
    assert {page.status_code, report.status_code} <= {200, *SEES_NOTHING}
    client.cookies.clear()
    visit = await shop.buy(card.id, "10.00")
    seen = {
        "card page": marks.card in own.text,
        "passes": marks.field in {field.key for field in view.fields},
        "navigation": f'href="/dashboard/{feature}"' in home,
        "settings page": page.status_code == 200,
        "profile": marks.profile in profile,
        "analytics": report.status_code == 200,
        "downloads": f"/exports/{marks.table}" in exports,
    }
    if marks.till:
        seen["till"] = marks.till in panels
    if marks.rule:
        seen["API"] = marks.rule in {line["rule"] for line in visit["explanation"]}
    return seen


async def told(shop: Shop, card: MadeCard, feature: str) -> Any:
    """Return what a person's own download has of the feature."""
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        return await PERSONAL_DATA.get(feature).export(session, shop.merchant.id, card.customer_id)


@pytest.mark.parametrize("feature", FEATURES)
async def test_off_is_invisible_and_without_effect_and_nothing_is_lost(shop: Shop, feature: str) -> None:
    """On: on every surface, the control. Off: on none, the person's download as before. On again: on every one."""
    card = await shop.regular()
    on = await look_everywhere(shop, card, feature)
    assert [surface for surface, is_seen in on.items() if not is_seen] == []
    before = await told(shop, card, feature)
    assert before

    await shop.switch(feature, is_on=False)
    off = await look_everywhere(shop, card, feature)
    assert [surface for surface, is_seen in off.items() if is_seen] == []
    assert await told(shop, card, feature) == before

    await shop.switch(feature, is_on=True)
    again = await look_everywhere(shop, card, feature)
    assert [surface for surface, is_seen in again.items() if not is_seen] == []

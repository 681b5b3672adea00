"""Each feature on the real outputs: the signed Apple pass and the Google object, by schema, in every language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.db.session import tenant_scope
from app.modules.wallets.apple_wallet.demo import ROOT_FILE
from app.modules.wallets.apple_wallet.tests.checking import OpenedPass, open_pass
from app.modules.wallets.google_wallet.tests.builders import make_bodies, problems_of
from app.modules.wallets.public import card_view
from tests.features.conftest import LEVEL, Shop

# What stands on the pass, by language: level's label, gift, factor's line, credit.
SAID = {
    "en": ("Level", "50 points", "2 × points until", "€10.00"),
    "fr": ("Niveau", "50 points", "2 × les points jusqu’au", "10,00 €"),
    "de": ("Stufe", "50 Punkte", "2 × Punkte bis", "10,00 €"),
    "lb": ("Stuf", "50 Punkten", "2 × Punkten bis den", "10,00 €"),
}
NAMES = ("Anna Müller", "N" * 200, "مقهى القمر", 'Quote " \\ {{serial}} %@ <b>', "☕️ 🎂 Zoë")


def shown(opened: OpenedPass, key: str, locale: str) -> dict[str, str]:
    """Return a field of the pass as a phone in this language shows it."""
    field, strings = opened.field(key), opened.strings[locale]
    return {part: strings.get(str(field[part]), str(field[part])) for part in ("label", "value")}


def plain(text: str) -> str:
    """Return a text with ordinary spaces."""
    return text.replace("\xa0", " ").replace("\u202f", " ")


async def fetch(shop: Shop, settings: Settings, card: Any, folder: Path) -> OpenedPass:
    """Download the pass as its holder, and check all of it: signature, manifest, schema, pictures, strings."""
    shop.client.cookies.clear()
    answer = await shop.client.get(f"/passes/apple/{card.id}?t={card.token}")
    assert answer.status_code == 200, answer.text
    return open_pass(answer.content, (settings.data_dir / ROOT_FILE).read_bytes(), folder)


@pytest.mark.parametrize("locale", SAID)
async def test_the_apple_pass_has_each_feature(
    shop: Shop, settings: Settings, tmp_path: Path, locale: str
) -> None:
    """Level, birthday gift, points that count more, credit and the personal link: label and value in the language."""
    card = await shop.regular(locale=locale)

    opened = await fetch(shop, settings, card, tmp_path)

    level, gift, more, credit = SAID[locale]
    assert shown(opened, "tier", locale) == {"label": level, "value": LEVEL}
    assert shown(opened, "birthday", locale)["value"] == gift
    assert shown(opened, "birthday_points", locale)["value"].startswith(more)
    assert plain(shown(opened, "credit", locale)["value"]) == credit
    assert "/invite/" in shown(opened, "invite", locale)["value"]
    assert shown(opened, "invite_given", locale)["value"] == "1"
    assert "%@" in opened.field("credit")["changeMessage"]
    assert "%@" in opened.field("tier")["changeMessage"]


@pytest.mark.parametrize("locale", SAID)
async def test_the_google_object_has_each_feature(shop: Shop, locale: str) -> None:
    """The same, as Google's own description of its API wants it: known fields, right types, at most ten modules."""
    card = await shop.regular(locale=locale)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale=locale, now=shop.clock.at)

    body = make_bodies().object_body(view, card_token="token")

    assert problems_of("LoyaltyObject", body) == []
    modules = {one["header"]: plain(one["body"]) for one in body["textModulesData"]}
    level, gift, more, credit = SAID[locale]
    assert modules[level] == LEVEL
    assert {gift, credit} <= set(modules.values())
    assert [text for text in modules.values() if text.startswith(more)] != []
    assert [text for text in modules.values() if "/invite/" in text] != []
    assert len(body["textModulesData"]) <= 10


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_with_every_feature_makes_both(
    shop: Shop, settings: Settings, tmp_path: Path, name: str
) -> None:
    """Long, right-to-left, emoji, and what would break a template: both outputs are whole, with all fields."""
    card = await shop.regular(name=name, locale="en")

    opened = await fetch(shop, settings, card, tmp_path)

    assert (opened.field("holder")["value"], opened.field("tier")["value"]) == (name, LEVEL)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        view = await card_view(session, shop.merchant.id, card.id, locale="en", now=shop.clock.at)
    assert problems_of("LoyaltyObject", make_bodies().object_body(view)) == []

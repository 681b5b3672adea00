"""What merchants write, as customers read it: join page, card in the browser, Apple pass, Google's class."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.modules.cards.factories import MadeCard, make_card
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView
from app.modules.wallets.apple_wallet.demo import ROOT_FILE
from app.modules.wallets.apple_wallet.tests.checking import OpenedPass, open_pass
from app.modules.wallets.google_wallet.bodies import BodyMaker
from app.modules.wallets.google_wallet.tests.builders import make_bodies, problems_of
from app.modules.wallets.public import card_view

from .test_designer import PLAIN, send, stored

WRITTEN = {
    "title_en": "Gold Card",
    "title_fr": "Carte Or",
    "about_en": "Beans roasted next door.",
    "about_fr": "Café torréfié à côté.",
    "contact_en": "Open 7 to 19\n+352 12 34 56",
    "terms_fr": "Un tampon par visite.",
}


@dataclass
class Reader:
    """A shop that wrote some texts, and somebody with its card who reads them in a language."""

    client: httpx2.AsyncClient
    database: Database
    settings: Settings
    clock: FixedClock
    merchant: MadeMerchant
    store: StoreView
    folder: Path
    maker: BodyMaker = field(default_factory=make_bodies)

    async def write(self, **texts: str) -> None:
        """Save texts in the designer."""
        url = f"/dashboard/stores/{self.store.id}/design/save"
        answer = await send(self.client, self.merchant, url, data={**PLAIN, **texts})
        assert answer.status_code == 303, answer.text[:300]
        self.client.cookies.clear()

    async def page(self, path: str, language: str) -> str:
        """Return a customer's page as a phone of this language gets it."""
        headers = {"Accept-Language": language}
        answer = await self.client.get(path, headers=headers, follow_redirects=True)
        assert answer.status_code == 200, answer.text[:300]
        return answer.text

    async def apple(self, card: MadeCard) -> OpenedPass:
        """Return the card's pass as an iPhone opens it."""
        answer = await self.client.get(f"/passes/apple/{card.id}?t={card.token}")
        assert answer.status_code == 200, answer.text[:300]
        return open_pass(answer.content, (self.settings.data_dir / ROOT_FILE).read_bytes(), self.folder)

    async def google(self, card: MadeCard, language: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return class and object as Google is told of a card in a language."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            view = await card_view(session, self.merchant.id, card.id, locale=language, now=self.clock.now())
        made = self.maker.class_body(view), self.maker.object_body(view)
        assert problems_of("LoyaltyClass", made[0]) == problems_of("LoyaltyObject", made[1]) == []
        return made


@pytest.fixture
async def reader(
    client: httpx2.AsyncClient, database: Database, settings: Settings, clock: FixedClock, tmp_path: Path
) -> Reader:
    """Return a shop whose own language is English."""
    merchant = await make_merchant(database, locale="en")
    store = await make_store(database, merchant)
    return Reader(client, database, settings, clock, merchant, store, tmp_path)


@pytest.mark.parametrize(
    ("language", "title", "about"),
    [
        ("en", "Gold Card", "Beans roasted next door."),
        ("fr", "Carte Or", "Café torréfié à côté."),
        ("de", "Gold Card", "Beans roasted next door."),
        ("lb", "Gold Card", "Beans roasted next door."),
    ],
)
async def test_who_takes_a_card_reads_their_own_language(
    reader: Reader, language: str, title: str, about: str
) -> None:
    """The join page invites in it, or in the shop's; terms written in one language only are read in that."""
    await reader.write(**WRITTEN)

    page = await reader.page(f"/join/{reader.store.id}", language)

    assert f'<p class="loyalty-card-sub">{title}</p>' in page
    assert f'<p class="lead pre-line">{about}</p>' in page
    assert "Open 7 to 19\n+352 12 34 56" in page
    assert "Un tampon par visite." in page


async def test_the_card_in_the_browser_says_all_of_it(reader: Reader) -> None:
    """The name, what it is about, opening hours and terms stand on the page of the card, in its reader's language."""
    await reader.write(**WRITTEN)
    card = await make_card(reader.database, reader.store)

    page = await reader.page(f"/card/{card.id}?t={card.token}", "fr")

    assert '<p class="loyalty-card-sub">Carte Or</p>' in page
    for text in ("Café torréfié à côté.", "Open 7 to 19\n+352 12 34 56", "Un tampon par visite."):
        assert page.count(text) == 1


async def test_an_apple_pass_says_it_in_each_language(reader: Reader) -> None:
    """Beside the logo, to screen readers and on the back; own terms stand in the place of ours."""
    await reader.write(**WRITTEN)
    card = await make_card(reader.database, reader.store, locale="en")

    opened = await reader.apple(card)

    content, french = opened.content, opened.strings["fr"]
    assert (content["logoText"], french["Gold Card"]) == ("Gold Card", "Carte Or")
    assert content["description"] == "Gold Card · Loyalty card of CoffeeLux"
    assert french[content["description"]] == "Carte Or · Carte de fidélité de CoffeeLux"
    assert content["organizationName"] == "CoffeeLux"
    about = opened.field("about")["value"]
    assert (about, french[about]) == ("Beans roasted next door.", "Café torréfié à côté.")
    assert opened.field("contact")["value"] == "Open 7 to 19\n+352 12 34 56"
    assert opened.field("terms")["value"] == "Un tampon par visite."
    assert opened.field("conditions")["value"] == reader.store.name


async def test_a_card_without_own_texts_is_called_like_its_shop(reader: Reader) -> None:
    """Nothing written: the shop's name beside the logo, our own conditions on the back, no empty lines."""
    card = await make_card(reader.database, reader.store, locale="en")

    opened = await reader.apple(card)
    page = await reader.page(f"/card/{card.id}?t={card.token}", "en")
    made_class, made_object = await reader.google(card, "en")

    assert opened.content["logoText"] == "CoffeeLux"
    assert opened.field("conditions")["value"].startswith("A card of CoffeeLux. ")
    backs = {entry["key"] for entry in opened.content["storeCard"]["backFields"]}
    assert backs.isdisjoint({"about", "contact", "terms"})
    assert 'id="about"' not in page
    assert f'<p class="loyalty-card-sub">{reader.store.name}</p>' in page
    assert "localizedProgramName" not in made_class
    assert not [line for line in made_object["textModulesData"] if line["id"] in {"x-about", "x-terms"}]


async def test_google_is_told_one_class_for_all_languages(reader: Reader) -> None:
    """A French and a German card say the same of their programme, and each its own texts."""
    await reader.write(**WRITTEN)
    card = await make_card(reader.database, reader.store)

    french_class, french = await reader.google(card, "fr")
    german_class, german = await reader.google(card, "de")

    assert french_class == german_class
    assert french_class["programName"] == "Gold Card"
    assert french_class["localizedProgramName"] == {
        "defaultValue": {"language": "en", "value": "Gold Card"},
        "translatedValues": [
            {"language": "fr", "value": "Carte Or"},
            {"language": "de", "value": "Gold Card"},
            {"language": "lb", "value": "Gold Card"},
        ],
    }
    lines = [{line["id"]: line["body"] for line in made["textModulesData"]} for made in (french, german)]
    assert [line["x-about"] for line in lines] == ["Café torréfié à côté.", "Beans roasted next door."]
    assert [line["x-terms"] for line in lines] == ["Un tampon par visite."] * 2


async def test_texts_come_back_into_the_form(reader: Reader) -> None:
    """What was written in each language stands in the designer again; one too long is refused, and nothing is saved."""
    await reader.write(**WRITTEN)
    before = await stored(reader.database, reader.merchant, reader.store)

    url = f"/dashboard/stores/{reader.store.id}/design"
    long = await send(
        reader.client, reader.merchant, f"{url}/save", data={**PLAIN, **WRITTEN, "about_de": "x" * 201}
    )
    page = await reader.client.get(url)

    assert long.status_code == 422
    assert await stored(reader.database, reader.merchant, reader.store) == before
    for text in WRITTEN.values():
        assert text in page.text
    assert page.text.count("4 of 4 written") == 0
    assert page.text.count("3 of 4 written") == 2
    assert page.text.count("0 of 4 written") == 2

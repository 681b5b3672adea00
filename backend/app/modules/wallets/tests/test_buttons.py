"""Which ways into a wallet a device is shown, in which order, in which words, and with whose artwork."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.kernel.web.devices import Device, read_device
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.badge import BADGE_BYTES_MAX, FOLDER

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
)
PIXEL = "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"
BADGE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40"/></svg>'
)


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (PHONE, Device.IPHONE),
        (PHONE.replace("iPhone", "iPad"), Device.IPHONE),
        (PIXEL, Device.ANDROID),
        (MAC, Device.MAC),
        (WINDOWS, Device.OTHER),
        ("", Device.OTHER),
    ],
)
def test_a_device_is_known_by_what_it_says(agent: str, device: Device) -> None:
    """Phones by their names; what says nothing may lead to any phone."""
    assert read_device(agent) is device


@pytest.fixture
async def card(client: Any, database: Any) -> Any:
    """Return a card that the client holds."""
    store = await make_store(database, await make_merchant(database))
    made = await make_card(database, store)
    await client.get(f"/card/{made.id}?t={made.token}", headers={"Accept": "text/html"})
    return made


@pytest.fixture
def badges(settings: Settings) -> Iterator[Path]:
    """Return the operator's folder of Apple's badges; empty at first and afterwards."""
    folder = settings.data_dir / FOLDER
    folder.mkdir()
    yield folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


async def page(client: Any, card: Any, agent: str, language: str = "en") -> str:
    """Return the card's page as a device gets it."""
    headers = {"Accept": "text/html", "User-Agent": agent, "Accept-Language": language}
    answer = await client.get(f"/card/{card.id}", headers=headers)
    assert answer.status_code == 200
    return str(answer.text)


@pytest.mark.parametrize(
    ("agent", "ways", "has_code"),
    [
        (PHONE, ["apple"], False),
        (PIXEL, ["google"], False),
        (MAC, ["apple", "google"], True),
        (WINDOWS, ["google", "apple"], True),
    ],
)
async def test_a_device_sees_its_own_wallet_first(client, card, agent, ways, has_code):
    """An iPhone has Apple's, an Android phone Google's, a computer both and a code for the phone."""
    html = await page(client, card, agent)

    places = {way: html.find(f'href="/passes/{way}/{card.id}"') for way in ("apple", "google")}
    assert sorted((way for way in places if places[way] >= 0), key=places.__getitem__) == ways
    assert ('id="on-my-phone"' in html) is has_code


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Add to Apple Wallet"),
        ("fr", "Ajouter à Cartes d’Apple"),
        ("de", "Zu Apple Wallet hinzufügen"),
        ("lb", "Bei Apple Wallet bäisetzen"),
    ],
)
async def test_our_own_button_says_it_in_apples_words(client, card, language, words):
    """Without the badge there is a plain button, and no drawing that could be taken for Apple's."""
    html = await page(client, card, PHONE, language)

    button = html.partition(f'href="/passes/apple/{card.id}"')[2].partition("</a>")[0]
    assert words in button
    assert "button-wallet" in html
    assert "<img" not in button


async def test_apples_badge_takes_the_buttons_place(client, card, badges):
    """The operator's file of the language is shown; where there is none the English one, and ours without that."""
    (badges / "add-de.svg").write_bytes(BADGE)
    assert 'src="/wallets/apple-badge/de.svg"' in await page(client, card, PHONE, "de")
    assert "apple-badge" not in await page(client, card, PHONE, "lb")

    (badges / "add-en.svg").write_bytes(BADGE)
    html = await page(client, card, PHONE, "lb")
    assert 'src="/wallets/apple-badge/en.svg" height="52" alt="Bei Apple Wallet bäisetzen"' in html
    assert "button-wallet" not in html

    answer = await client.get("/wallets/apple-badge/en.svg")
    assert (answer.status_code, answer.content) == (200, BADGE)
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_only_the_badges_of_our_languages_are_served(client, card, badges):
    """No other file, none from another folder and none that is too large."""
    (badges / "add-en.svg").write_bytes(b" " * (BADGE_BYTES_MAX + 1))
    (badges / "add-xx.svg").write_bytes(BADGE)
    for name in ("en", "fr", "xx", "..", "%2e%2e%2fsecrets"):
        answer = await client.get(f"/wallets/apple-badge/{name}.svg")
        assert answer.status_code == 404, name
    assert "apple-badge" not in await page(client, card, PHONE)

"""Passes as a phone gets them: signed, whole, right in every programme, language and extreme."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.config import Settings
from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.rewards.models import Reward
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet import generator
from app.modules.wallets.apple_wallet.demo import DEMO_PASS_TYPE, ROOT_FILE
from app.modules.wallets.apple_wallet.schema import BadPass, check_own, check_pass
from app.modules.wallets.apple_wallet.texts import write_strings

from .checking import OpenedPass, open_pass, read_strings

NAMES = ("{{serial}}", "Anna Müller", "☕️ 🎂 Zoë", "مقهى القمر", "N" * 200, 'Quote " \\ {{serial}} %@ <b>')


async def fetch(client: Any, settings: Settings, card: Any, folder: Path) -> OpenedPass:
    """Download a card's pass as its holder and check all of it."""
    answer = await client.get(f"/passes/apple/{card.id}?t={card.token}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.apple.pkpass"
    return open_pass(answer.content, (settings.data_dir / ROOT_FILE).read_bytes(), folder)


async def test_a_stamp_card_is_a_pass(client, database, settings, tmp_path):
    """Seven of ten stamps: identifiers, barcode, fields, texts and the message of a change."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store, stamps=7, name="Anna Müller", locale="en")

    opened = await fetch(client, settings, card, tmp_path)

    content = opened.content
    assert content["passTypeIdentifier"] == DEMO_PASS_TYPE
    assert content["serialNumber"] == str(card.id)
    assert content["webServiceURL"] == "http://testserver/apple/updates"
    assert content["barcode"]["message"] == content["barcodes"][0]["message"] == card.card_number
    assert content["sharingProhibited"] is True
    assert "voided" not in content
    stamps = opened.field("stamps")
    assert (stamps["value"], stamps["changeMessage"]) == ("7 / 10", "You now have %@ stamps")
    assert opened.field("web_card")["value"] == f"http://testserver/card/{card.id}?t={card.token}"
    assert opened.strings["de"]["Stamps"] == "Stempel"
    assert opened.strings["de"][stamps["changeMessage"]].count("%@") == 1


@pytest.mark.parametrize("loyalty_type", ["stamps", "points", "hybrid"])
@pytest.mark.parametrize("locale", ["en", "fr", "de", "lb"])
async def test_every_programme_in_every_language(client, database, settings, tmp_path, loyalty_type, locale):
    """Zero and a million points, an empty and a full card."""
    store = await make_store(database, await make_merchant(database, locale=locale), loyalty_type)
    for stamps, points in ((0, 0), (10, 1_000_000)):
        balances = {
            "stamps": stamps if loyalty_type != "points" else 0,
            "points": points if loyalty_type != "stamps" else 0,
        }
        card = await make_card(database, store, locale=locale, **balances)

        opened = await fetch(client, settings, card, tmp_path)

        if loyalty_type != "stamps":
            value = opened.field("points")["value"]
            assert "".join(filter(str.isdigit, value)) == str(points)
        if loyalty_type != "points":
            assert opened.field("stamps")["value"] == f"{stamps} / 10"


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_makes_a_pass(client, database, settings, tmp_path, name):
    """Emoji, right-to-left, 200 characters, and what would break a template or a strings file."""
    merchant = await make_merchant(database, name=name)
    store = await make_store(database, merchant, "hybrid", name=name[:80])
    card = await make_card(database, store, name=name)

    opened = await fetch(client, settings, card, tmp_path)

    assert opened.content["organizationName"] == name
    assert opened.field("holder")["value"] == name
    assert opened.strings["fr"][opened.field("conditions")["value"]].startswith(f"Une carte de {name}. ")


async def test_nothing_of_one_card_is_in_the_next(client, database, settings, tmp_path):
    """Two cards alike but for their holder share what was prepared, and not one value of their own."""
    store = await make_store(database, await make_merchant(database), "hybrid")
    anna = await make_card(database, store, stamps=3, points=1_234, name="Anna")
    bob = await make_card(database, store, stamps=4, points=5_678, name="Bob")

    first = await fetch(client, settings, anna, tmp_path)
    second = await fetch(client, settings, bob, tmp_path)

    everything = json.dumps([second.content, second.strings])
    for own in ("Anna", str(anna.id), anna.card_number, anna.token, "1,234", "1.234", "3 / 10"):
        assert own not in everything
    assert first.content["authenticationToken"] not in everything
    assert (second.field("holder")["value"], second.field("stamps")["value"]) == ("Bob", "4 / 10")
    assert {language: pairs["5,678"] for language, pairs in second.strings.items()} == {
        "en": "5,678",
        "fr": "5\u202f678",
        "de": "5.678",
        "lb": "5.678",
    }


async def test_a_reward_is_named_in_each_language(client, database, settings, tmp_path):
    """What is next and what there is to win come from pass.strings; a language without a wording keeps the base's."""
    store = await make_store(database, await make_merchant(database, locale="en"))
    async with tenant_scope(database, store.merchant_id) as session:
        await session.execute(
            update(Reward).values(title="Free coffee", texts={"fr": {"title": "Un café offert"}})
        )
    card = await make_card(database, store, stamps=3, locale="en")

    opened = await fetch(client, settings, card, tmp_path)

    assert opened.field("reward_next")["value"] == opened.field("offer")["value"] == "Free coffee"
    said = {language: pairs.get("Free coffee", "Free coffee") for language, pairs in opened.strings.items()}
    assert said == {
        "en": "Free coffee",
        "fr": "Un café offert",
        "de": "Free coffee",
        "lb": "Free coffee",
    }


async def test_what_needs_no_translation_is_not_in_the_texts(client, database, settings, tmp_path):
    """Name, number and links say the same in every language; labels are there even so."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store, stamps=3, name="Anna")

    opened = await fetch(client, settings, card, tmp_path)

    for key in ("holder", "stamps", "web_card", "card_number"):
        assert opened.field(key)["value"] not in opened.strings["de"]
        assert opened.field(key)["label"] in opened.strings["en"]
    assert opened.field("web_card")["attributedValue"] == (
        f'<a href="http://testserver/card/{card.id}?t={card.token}">testserver</a>'
    )


@pytest.mark.parametrize(("status", "expires"), [("blocked", False), ("active", None)])
async def test_a_blocked_card_gives_a_voided_pass(client, database, settings, tmp_path, status, expires):
    """Voided while it is blocked, and only then."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store, columns={"status": status})

    content = (await fetch(client, settings, card, tmp_path)).content

    assert content.get("voided", False) is (status == "blocked")
    assert ("expirationDate" in content) is bool(expires)


async def test_only_the_holder_gets_the_pass(client, database):
    """No token, another card's token: 401 and nothing of the pass."""
    store = await make_store(database, await make_merchant(database))
    card, other = await make_card(database, store), await make_card(database, store)

    for query in ("", f"?t={other.token}"):
        answer = await client.get(f"/passes/apple/{card.id}{query}")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_changed_byte_is_noticed(client, database, settings, tmp_path, monkeypatch):
    """The control of the checker: a manifest that is not what was signed fails."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    real = generator.sign_manifest
    monkeypatch.setattr(generator, "sign_manifest", lambda who, text: real(who, text + b" "))

    with pytest.raises(AssertionError, match="erif"):
        await fetch(client, settings, card, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"teamIdentifier": None},
        {"description": ""},
        {"formatVersion": "1"},
        {"webServiceURL": "https://example.com/apple/updates/"},
        {"authenticationToken": "short"},
        {"foregroundColor": "#ffffff"},
        {"unknownKey": "x"},
        {"locations": [{"latitude": 91.0, "longitude": 6.1}]},
        {"expirationDate": "tomorrow"},
        {"storeCard": {"headerFields": [{"key": "a", "value": None}]}},
        {
            "storeCard": {
                "headerFields": [{"key": "a", "value": "1"}],
                "backFields": [{"key": "a", "value": "2"}],
            }
        },
        {"storeCard": {"headerFields": [{"key": str(n), "value": "1"} for n in range(4)]}},
    ],
)
async def test_the_check_refuses_what_apple_refuses(client, database, settings, tmp_path, change):
    """Each mistake that makes a phone say "cannot open" is found before signing."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    content = (await fetch(client, settings, card, tmp_path)).content
    check_pass(content)

    with pytest.raises(BadPass):
        check_pass(content | change)


@pytest.mark.parametrize(
    "change",
    [
        {"serial": ""},
        {"token": "short"},
        {"barcode": ""},
        {"card_url": 'https://example.org/card"onclick'},
        {"card_url": "javascript:alert(1)"},
    ],
)
def test_the_check_refuses_a_card_s_own_values(change):
    """What fills a form is checked at every pass, the form once."""
    own = {"serial": "1", "token": "t" * 16, "barcode": "1", "card_url": "https://example.org/card/1?t=a-b_c"}
    check_own(**own)

    with pytest.raises(BadPass):
        check_own(**own | change)


def test_strings_survive_every_character():
    """Quotes, backslashes, line breaks and emoji come back as they were."""
    pairs = {'a "b" \\ c': "🎂\nmانت", "d": "e"}

    assert read_strings(write_strings(pairs)) == pairs

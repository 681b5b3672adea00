"""Rewards in the reader's language: written by the merchant, shown wherever the reward is."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.i18n import use_language
from app.modules.cards.factories import make_card
from app.modules.design.posters.wishes import PosterWish, words_of
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.rewards.public import list_rewards
from app.modules.staff.factories import make_shared_pin
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView, get_store

FRENCH = {"title": "Un café offert", "text": "Toutes tailles."}


@pytest.fixture
async def merchant(client: httpx2.AsyncClient, database: Database) -> MadeMerchant:
    """Return an English-speaking merchant whose owner is signed in on the client."""
    made = await make_merchant(database, locale="en")
    client.cookies.update(made.cookies)
    return made


@pytest.fixture
async def store(client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant) -> StoreView:
    """Return a store whose only reward is a coffee, in English and in French."""
    made = await make_store(database, merchant)
    changes = {"title": "Free coffee", "text": "Any size.", "texts": {"fr": FRENCH}}
    await client.patch(await reward_url(client, made), json=changes)
    return made


async def reward_of(client: httpx2.AsyncClient, store: StoreView) -> dict[str, Any]:
    """Return the store's only reward."""
    (reward,) = (await client.get(f"/stores/{store.id}/rewards")).json()["rewards"]
    return dict(reward)


async def reward_url(client: httpx2.AsyncClient, store: StoreView) -> str:
    """Return its address."""
    return f"/stores/{store.id}/rewards/{(await reward_of(client, store))['id']}"


async def test_a_default_reward_speaks_all_languages(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A new programme's reward is named in the merchant's language, and in the other three beside it."""
    reward = await reward_of(client, await make_store(database, merchant))

    assert reward["title"] == "One on the house"
    assert {language: words["title"] for language, words in reward["texts"].items()} == {
        "fr": "Offert par la maison",
        "de": "Einmal aufs Haus",
        "lb": "Een op d'Haus",
    }


@pytest.mark.parametrize(("language", "title"), [("fr", "Un café offert"), ("lb", "Free coffee")])
async def test_the_card_names_the_reward_in_the_readers_language(
    client: httpx2.AsyncClient, database: Database, store: StoreView, language: str, title: str
) -> None:
    """In French the card says it in French; in Luxembourgish, which has no wording, as it stands for all."""
    card = await make_card(database, store, stamps=3)

    await client.get(f"/card/{card.id}?t={card.token}", headers={"accept": "text/html"})
    headers = {"accept": "text/html", "accept-language": language}
    page = await client.get(f"/card/{card.id}", headers=headers)

    assert page.status_code == 200
    for other in ("Un café offert", "Free coffee"):
        assert (other in page.text) == (other == title)


async def test_the_till_names_the_reward_in_its_language(
    client: httpx2.AsyncClient, database: Database, store: StoreView
) -> None:
    """The answer to a stamp speaks the language that was asked for."""
    card = await make_card(database, store)
    body = {"pass_id": str(card.id), "staff_pin": await make_shared_pin(database, store)}

    given = await client.post(f"/stamp/{store.id}", json=body, headers={"accept-language": "fr"})

    assert given.status_code == 201, given.text
    assert given.json()["next_reward"]["title"] == "Un café offert"


async def test_a_poster_speaks_its_own_language(
    client: httpx2.AsyncClient, database: Database, store: StoreView
) -> None:
    """The offer of a French poster is the French wording, whatever its owner reads."""
    async with tenant_scope(database, store.merchant_id) as session:
        view = await get_store(session, store.merchant_id, store.id)
        with use_language("en"):
            rewards = await list_rewards(session, store.merchant_id, store.program.id, language="fr")

    assert words_of(PosterWish(language="fr"), view, rewards).offer == "10 tampons : Un café offert"


async def test_a_new_title_drops_its_translations(client: httpx2.AsyncClient, store: StoreView) -> None:
    """They would go on about the coffee; the text's translation, which was not touched, stays."""
    await client.patch(await reward_url(client, store), json={"title": "Free cake"})

    reward = await reward_of(client, store)
    assert (reward["title"], reward["texts"]) == ("Free cake", {"fr": {"text": "Toutes tailles."}})


async def test_a_threshold_leaves_the_words(client: httpx2.AsyncClient, store: StoreView) -> None:
    """Nothing is lost by a change of the number."""
    await client.patch(await reward_url(client, store), json={"threshold": 8, "title": "Free coffee"})

    assert (await reward_of(client, store))["texts"] == {"fr": FRENCH}


async def test_a_new_wording_reaches_the_cards(
    client: httpx2.AsyncClient, database: Database, store: StoreView
) -> None:
    """The cards of the programme are marked to be drawn anew, once for any number of changes."""
    await client.patch(
        await reward_url(client, store), json={"texts": {"de": {"title": "Ein Kaffee aufs Haus"}}}
    )

    async with database.system_sessions() as session:
        waiting = await session.scalar(
            text(
                "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'wallets.mark_program' AND status = 'queued'"
            )
        )
    assert waiting == 1


async def test_the_form_keeps_each_language(
    client: httpx2.AsyncClient, database: Database, store: StoreView
) -> None:
    """The form shows what is there; saved, an emptied language is gone and a new one is there."""
    url = f"/dashboard{await reward_url(client, store)}"
    page = await client.get(url, headers={"accept": "text/html"})
    assert 'name="title_fr" type="text" value="Un café offert"' in page.text
    assert 'name="title_en"' not in page.text  # that is the title itself

    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": csrf, "threshold": "10", "title": "Free coffee", "text": "Any size.", "wish": "save"}
    saved = await client.post(url, data={**form, "title_fr": " ", "title_de": "Ein Kaffee aufs Haus"})

    assert saved.status_code == 303, saved.text
    assert (await reward_of(client, store))["texts"] == {"de": {"title": "Ein Kaffee aufs Haus"}}


@pytest.mark.parametrize(
    "texts",
    [
        {"it": {"title": "Un caffè"}},
        {"fr": {"title": "x" * 121}},
        {"fr": {"title": ""}},
        {"fr": {"name": "Un café"}},
        None,
    ],
)
async def test_unusable_words_are_refused(client: httpx2.AsyncClient, store: StoreView, texts: Any) -> None:
    """An unknown language or field, nothing and too much are refused, and nothing changes."""
    refused = await client.patch(await reward_url(client, store), json={"texts": texts})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert (await reward_of(client, store))["texts"] == {"fr": FRENCH}

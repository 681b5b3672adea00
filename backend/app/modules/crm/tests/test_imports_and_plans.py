"""An import under a plan: its cards take the plan's room, and what does not fit is left out and said."""

from __future__ import annotations

import pytest

from app.modules.billing.plans import Plan, Plans
from app.modules.cards.factories import make_card
from app.modules.crm.importing import work
from app.modules.crm.tests.importers import HTML, Shop, many

NAMED = {"column_name": "0", "column_email": "1"}


@pytest.fixture
async def shop(client, database, process):
    """Return an open shop; no plan is in effect until a test says so, and none after it."""
    yield await Shop(client, database, process).open()
    process.resources.put(Plans, Plans())


def limit_cards(shop, most):
    """Let every merchant have so many cards."""
    plan = Plan(title="Small", limits={"cards": most})
    shop.process.resources.put(Plans, Plans(default="small", plans={"small": plan}))


async def cards_of(shop):
    """Return how many cards there are in customers' hands."""
    return (await shop.ask("SELECT count(*) AS n FROM pass_object WHERE status = 'active'"))[0].n


async def _import_while_others_join(shop):
    """Start an import of eleven with room for eleven; before the worker comes to it, seven others join."""
    limit_cards(shop, 11)
    url = await shop.upload(many(11))
    await shop.post(f"{url}/check", url, **NAMED, store=str(shop.store.id))
    await shop.work()
    await shop.post(f"{url}/start", url)
    assert (await shop.run(url)).status == "running"
    for _number in range(7):
        await make_card(shop.database, shop.store)
    await shop.work()
    return url


async def test_an_import_takes_the_room_of_the_cards_it_makes(shop):
    """Eleven rows, room for four by now: four are made, seven left out, said on the page, and nothing kept of them."""
    url = await _import_while_others_join(shop)
    run = await shop.run(url)
    page = await shop.client.get(url, headers=HTML | shop.merchant.headers)

    assert (run.status, run.counts, await cards_of(shop)) == ("done", {"new": 4, "no_room": 7}, 11)
    brought = await shop.ask("SELECT email FROM customer WHERE email LIKE 'p%' ORDER BY email")
    assert [row.email for row in brought] == [f"p{number}@example.com" for number in range(4)]
    assert await shop.ask("SELECT 1 FROM import_row WHERE jsonb_typeof(cells) <> 'null'") == []
    assert "Your plan had no room for all the cards" in page.text


async def test_control_without_the_question_all_cards_are_made(shop, monkeypatch):
    """The question in the batch is what keeps it: without it there are eighteen cards where eleven fit."""

    async def nobody_asks(*_parts, **_named):
        return None

    monkeypatch.setattr(work, "find_refusal", nobody_asks)
    await _import_while_others_join(shop)
    assert await cards_of(shop) == 18


async def test_what_was_left_out_comes_with_the_same_file(shop):
    """With room again the same file is a new import: the four are known, the seven new."""
    first = await _import_while_others_join(shop)
    limit_cards(shop, 18)
    again = await shop.bring(many(11), **NAMED, store=str(shop.store.id))

    assert again != first
    assert (await shop.run(again)).counts == {"known": 4, "new": 7}
    assert await cards_of(shop) == 18


async def test_a_file_of_known_people_needs_no_room(shop):
    """Everybody in the file is known: a full plan refuses nothing, for no card is made."""
    await shop.bring(many(3), **NAMED)
    limit_cards(shop, 0)
    url = await shop.bring(many(3) + "\n", **NAMED, store=str(shop.store.id))

    assert ((await shop.run(url)).status, await cards_of(shop)) == ("done", 0)

"""Own pictures that are taken away again, and those that stay because a card shows them."""

from __future__ import annotations

import httpx2
import pytest
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.modules.design.models import DesignPicture
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store

from .test_designer import PLAIN, send, stored, upload


async def digests(database: Database, merchant: MadeMerchant) -> list[str]:
    """Return the hashes of the merchant's pictures."""
    async with tenant_scope(database, merchant.id) as session:
        return list(await session.scalars(select(DesignPicture.digest)))


@pytest.mark.parametrize(("kind", "field"), [("stamp", "icon"), ("logo", "logo"), ("photo", "ground")])
async def test_an_unused_picture_is_removed(
    client: httpx2.AsyncClient, database: Database, kind: str, field: str
) -> None:
    """The chosen one of each kind is gone, from the page and by its address."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    digest = await upload(client, merchant, store, kind)
    names = {"stamp": f"own-{merchant.id.hex}-{digest}", "photo": f"photo-{merchant.id.hex}-{digest}"}
    url = f"/dashboard/stores/{store.id}/design"

    form = {**PLAIN, field: names.get(kind, digest)}
    answer = await send(client, merchant, f"{url}/pictures/{kind}/remove", data=form)

    assert (answer.status_code, answer.headers["location"]) == (303, f"{url}#{kind}")
    assert await digests(database, merchant) == []
    assert "Remove the chosen picture" not in (await client.get(url)).text
    assert (await client.get(f"/pictures/{merchant.id.hex}/{digest}.png")).status_code == 404


async def test_a_picture_on_cards_stays(client: httpx2.AsyncClient, database: Database) -> None:
    """What a saved design shows is not removed, and what was typed stands there again; once unused it goes."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    digest = await upload(client, merchant, store, "stamp")
    form = {**PLAIN, "icon": f"own-{merchant.id.hex}-{digest}"}
    url = f"/dashboard/stores/{store.id}/design"
    await send(client, merchant, f"{url}/save", data=form)
    before = await stored(database, merchant, store)

    refused = await send(
        client, merchant, f"{url}/pictures/stamp/remove", data={**form, "title_fr": "Chez Ada"}
    )

    assert refused.status_code == 422
    assert "Cards show this picture." in refused.text
    assert 'value="Chez Ada"' in refused.text
    assert await digests(database, merchant) == [digest]
    assert await stored(database, merchant, store) == before
    await send(client, merchant, f"{url}/save", data=PLAIN)
    assert (await send(client, merchant, f"{url}/pictures/stamp/remove", data=form)).status_code == 303
    assert await digests(database, merchant) == []


@pytest.mark.parametrize("icon", ["star", "own-x", "own-00-%", ""])
async def test_only_an_own_picture_is_removed(
    client: httpx2.AsyncClient, database: Database, icon: str
) -> None:
    """A ready one, an unknown one, and a wildcard remove nothing."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    digest = await upload(client, merchant, store, "stamp")

    url = f"/dashboard/stores/{store.id}/design/pictures/stamp/remove"
    refused = await send(client, merchant, url, data={**PLAIN, "icon": icon})

    assert refused.status_code == 422
    assert "Choose one of your own pictures" in refused.text
    assert await digests(database, merchant) == [digest]


async def test_another_shops_picture_stays(client: httpx2.AsyncClient, database: Database) -> None:
    """Whoever knows its hash removes nothing."""
    owner, other = await make_merchant(database), await make_merchant(database)
    digest = await upload(client, owner, await make_store(database, owner), "logo")
    store = await make_store(database, other)

    url = f"/dashboard/stores/{store.id}/design/pictures/logo/remove"
    refused = await send(client, other, url, data={**PLAIN, "logo": digest})

    assert refused.status_code == 422
    assert await digests(database, owner) == [digest]

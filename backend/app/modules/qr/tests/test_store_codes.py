"""A store's codes over HTTP: read back, kept by the browser, closed to strangers."""

from __future__ import annotations

import io

import httpx2
import pytest
import zxingcpp
from PIL import Image

from app.db.session import Database
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store


@pytest.mark.parametrize("kind", ["join", "stamp", "points"])
async def test_the_code_leads_to_the_store(client: httpx2.AsyncClient, database: Database, kind: str) -> None:
    """Another reader finds the store's address in the PNG."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)

    response = await client.get(f"/stores/{store.id}/qr.png?kind={kind}&scale=6", headers=merchant.headers)

    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(response.content)))
    assert found.text == f"http://testserver/{kind}/{store.id}"


async def test_the_svg_is_kept_by_the_browser(client: httpx2.AsyncClient, database: Database) -> None:
    """The same code asked for again costs no body."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    url = f"/stores/{store.id}/qr.svg"

    first = await client.get(url, headers=merchant.headers)
    again = await client.get(url, headers={**merchant.headers, "If-None-Match": first.headers["etag"]})
    saved = await client.get(f"{url}?download=1", headers=merchant.headers)

    assert first.headers["content-type"] == "image/svg+xml"
    assert "style" not in first.text
    assert (again.status_code, again.content) == (304, b"")
    assert saved.headers["content-disposition"] == 'attachment; filename="join.svg"'


async def test_a_code_is_not_for_strangers(client: httpx2.AsyncClient, database: Database) -> None:
    """Nobody, and no other merchant, gets the file."""
    store = await make_store(database, await make_merchant(database))
    stranger = await make_merchant(database)

    for name in ("qr.svg", "qr.png"):
        assert (await client.get(f"/stores/{store.id}/{name}")).status_code == 401
        assert (await client.get(f"/stores/{store.id}/{name}", headers=stranger.headers)).status_code == 404

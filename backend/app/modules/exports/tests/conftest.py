"""A merchant with customers, and short ways to ask for files and to read them."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store


class Shop:
    """A merchant with customers."""

    def __init__(self, client: httpx2.AsyncClient, database: Database) -> None:
        self.client, self.database = client, database
        self.merchant: Any = None

    async def open(self) -> Shop:
        self.merchant = await make_merchant(self.database, time_zone="Europe/Luxembourg")
        self.store = await make_store(self.database, self.merchant, "points")
        return self

    async def post(self, path: str, who: Any = None, **data: str) -> httpx2.Response:
        """Press a button of the page as a member; who None: as nobody, with the token of a public page."""
        self.client.cookies.clear()
        self.client.cookies.update(who.cookies if who else {})
        page = await self.client.get("/dashboard/exports" if who else "/sign-in")
        token = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert token is not None
        return await self.client.post(path, data={**data, "csrf": token.group(1)})

    async def ask(self, table: str, form: str = "csv") -> httpx2.Response:
        """Ask for a file."""
        return await self.post(f"/dashboard/exports/{table}", self.merchant, form=form)

    async def fetch(self, export_id: Any, who: Any = None) -> httpx2.Response:
        """Fetch a file that was asked for."""
        return await self.post(f"/dashboard/exports/files/{export_id}", who)

    async def fill(self, rows: int) -> None:
        """Make many customers at once."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await session.execute(
                text(
                    "INSERT INTO customer (merchant_id, id, name, locale) SELECT :m, gen_random_uuid(),"
                    " repeat('n', 60) || n, 'en' FROM generate_series(1, :rows) AS n"
                ),
                {"m": self.merchant.id, "rows": rows},
            )

    async def files(self) -> list[Any]:
        """Return what was asked for."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            found = await session.execute(
                text("SELECT * FROM export_file WHERE merchant_id = :m ORDER BY id"), {"m": self.merchant.id}
            )
            return list(found)

    async def pieces(self) -> int:
        """Return how many pieces of files are kept."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            found = await session.scalar(
                text("SELECT count(*) FROM export_chunk WHERE merchant_id = :m"), {"m": self.merchant.id}
            )
            return int(found or 0)


@pytest.fixture
async def shop(client: httpx2.AsyncClient, database: Database) -> Shop:
    """Return an open shop."""
    return await Shop(client, database).open()


def read_csv(content: bytes) -> list[list[str]]:
    """Return the rows of a file."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))

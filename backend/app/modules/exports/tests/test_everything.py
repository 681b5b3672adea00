"""The archive of all tables: what is in it, who gets it, and that a large one is the worker's."""

from __future__ import annotations

import io
import zipfile

import httpx2
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.points import EXPORTER
from app.modules.accounts.factories import make_member
from app.modules.cards.factories import make_card
from app.modules.exports.rules import DIRECT_ROWS_MAX
from app.modules.exports.tests.conftest import Shop, read_csv
from app.modules.exports.tests.test_large_files import work
from app.process import Process

KEY = "everything"


def unpack(answer: httpx2.Response) -> dict[str, bytes]:
    """Return what is in an archive, each file checked against its sum."""
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_the_archive_holds_every_table(shop: Shop) -> None:
    """One file a table, the same as when asked for alone; on the record once."""
    await make_card(shop.database, shop.store, name="Ana", email="ana@example.com")
    answer = await shop.ask(KEY)
    alone = await shop.ask("customers")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        facts = await session.scalar(
            text("SELECT facts FROM audit_entry WHERE action = 'export.made' ORDER BY id LIMIT 1")
        )

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="everything.zip"'
    files = unpack(answer)
    assert list(files) == [f"{key}.csv" for key, _table in EXPORTER.items()]
    assert files["customers.csv"] == alone.content
    assert (facts["table"], facts["form"]) == (KEY, "zip")


async def test_a_large_archive_is_made_by_the_worker(shop: Shop, process: Process) -> None:
    """More rows than are made at once: listed, made, fetched once, and whole."""
    await shop.fill(DIRECT_ROWS_MAX + 1)
    asked = await shop.ask(KEY)
    await work(process)
    page = await shop.client.get("/dashboard/exports")
    file = (await shop.files())[0]
    fetched = await shop.fetch(file.id, shop.merchant)
    again = await shop.fetch(file.id, shop.merchant)

    assert (asked.status_code, file.exporter, file.form, file.status) == (303, KEY, "zip", "ready")
    assert "<strong>Everything</strong>" in page.text
    assert len(read_csv(unpack(fetched)["customers.csv"])) == DIRECT_ROWS_MAX + 2
    assert (again.status_code, await shop.pieces()) == (404, 0)


async def test_nobody_but_the_owner_gets_the_archive(shop: Shop) -> None:
    """A manager, who may have most tables: not offered, not given, nothing on the list."""
    manager = await make_member(shop.database, shop.merchant.id, "manager")
    refused = await shop.post(f"/dashboard/exports/{KEY}", manager)
    shop.client.cookies.update(manager.cookies)
    theirs = await shop.client.get("/dashboard/exports")
    shop.client.cookies.clear()
    shop.client.cookies.update(shop.merchant.cookies)
    owners = await shop.client.get("/dashboard/exports")

    assert refused.status_code == 404
    assert ("Download everything" in theirs.text, "Download everything" in owners.text) == (False, True)
    assert await shop.files() == []

"""Nothing of a deleted customer is left: in any column of any table, in the queue, in files or in logs."""

import json
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import tenant_scope, to_async_url
from app.modules.customers.public import add_note
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.public import queue_mail
from app.modules.portal.tests.helpers import send_form
from app.modules.stores.factories import make_store

HTML = {"Accept": "text/html"}
TAG = "qzplant"
# Twenty strings, each of which stands for one way a person gets into the records.
PLANTED = [f"{TAG}{number:02d}" for number in range(20)]
PHONE = "+352621908172"


async def everywhere(admin_url, needles):
    """Return table.column for every cell of the whole database in which one of the texts stands."""
    engine = create_async_engine(to_async_url(admin_url))
    # bytes are written in hex: what is kept as plain bytes would be found, too.
    texts = [text for needle in needles for text in (needle, needle.encode().hex())]
    patterns = {"patterns": [f"%{one}%" for one in texts]}
    found = set()
    async with engine.connect() as connection:
        tables = await connection.scalars(
            text(
                "SELECT table_name FROM information_schema.tables"
                " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
            )
        )
        for table in tables.all():
            rows = await connection.execute(
                text(f'SELECT to_jsonb(x) FROM "{table}" x WHERE x::text ILIKE ANY(:patterns)'),  # noqa: S608 - our own
                patterns,
            )
            for (row,) in rows:
                found |= {
                    f"{table}.{column}"
                    for column, value in row.items()
                    if any(one.lower() in str(value).lower() for one in texts)
                }
    await engine.dispose()
    return found


def in_files(folder, needles):
    """Return the files below a folder in which one of the texts stands."""
    return [
        str(file)
        for file in folder.rglob("*")
        if file.is_file() and any(needle.encode() in file.read_bytes() for needle in needles)
    ]


# More places in which a person may stand: files that were read in, files that were written, messages in wallets.
_COPIES = """
WITH run AS (
  INSERT INTO import_run (merchant_id, id, file_name, digest, status, header, locale, rows, created_at, finished_at)
  VALUES (:m, gen_random_uuid(), 'people.csv', '', 'done', '["Name"]', 'en', 1, :now, :now) RETURNING id
), line AS (
  INSERT INTO import_row (merchant_id, run_id, number, cells, outcome, customer_id)
  SELECT :m, id, 1, CAST(:cells AS jsonb), 'created', :c FROM run
), file AS (
  INSERT INTO export_file (merchant_id, id, member_id, exporter, form, locale, status, rows_expected, created_at,
    expires_at)
  VALUES (:m, gen_random_uuid(), :owner, 'customers', 'csv', 'en', 'ready', 1, :now, :later) RETURNING id
), piece AS (
  INSERT INTO export_chunk (merchant_id, export_id, number, content)
  SELECT :m, id, 0, convert_to(:text, 'UTF8') FROM file
)
INSERT INTO wallet_message (merchant_id, id, pass_id, once_key, header, body, created_at, expires_at)
VALUES (:m, gen_random_uuid(), :p, 'planted', :text, :text, :now, :later)
"""


async def copy_around(session, merchant, *, customer_id, pass_id, text_planted, now):
    """Let the person stand in an import, in a file that waits to be fetched, and in a wallet's message."""
    await session.execute(
        text(_COPIES),
        {
            "m": merchant.id,
            "c": customer_id,
            "p": pass_id,
            "owner": merchant.owner_id,
            "cells": json.dumps([text_planted]),
            "text": text_planted,
            "now": now,
            "later": now + timedelta(days=7),
        },
    )


async def sums(database, merchant):
    """Return what the books say: entries and balances of the merchant."""
    async with tenant_scope(database, merchant.id) as session:
        row = await session.execute(
            text(
                "SELECT (SELECT coalesce(sum(stamps_added), 0) FROM stamp_event),"
                " (SELECT coalesce(sum(stamp_count), 0) FROM pass_object),"
                " (SELECT count(*) FROM visit), (SELECT coalesce(sum(stamps), 0) FROM visit)"
            )
        )
        return tuple(int(value) for value in row.one())


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


async def test_none_of_twenty_planted_strings_is_left(
    client, clock, database, merchant, settings, admin_url, caplog, capfd
):
    """Joined, corrected, written to, noted, tagged and stamped; then deleted by the button on the card."""
    store = await make_store(database, merchant)
    path = f"/join/{store.id}"
    joined = await send_form(
        client,
        path,
        path,
        name=f"{PLANTED[0]} {PLANTED[1]}",
        email=f"{PLANTED[2]}@{PLANTED[3]}.example",
        phone=PHONE,
        birthday_day="3",
        birthday_month="4",
        email_consent="true",
        headers={"User-Agent": PLANTED[4], "Referer": f"http://testserver/{PLANTED[5]}"},
    )
    card = joined.headers["location"]
    details = f"{card}/details"
    for first, last in ((6, 7), (8, 9)):
        await send_form(
            client,
            details,
            details,
            name=f"{PLANTED[first]} {PLANTED[last]}",
            email=f"{PLANTED[first]}@{PLANTED[last]}.example",
            phone=PHONE,
        )
    pass_id = card.rpartition("/")[2]
    async with tenant_scope(database, merchant.id) as session:
        customer_id = await session.scalar(
            text("SELECT customer_id FROM pass_object WHERE id = :id"), {"id": pass_id}
        )
        await add_note(
            session,
            merchant.id,
            customer_id,
            text=f"{PLANTED[10]} {PLANTED[11]}",
            author_id=None,
            now=clock.now(),
        )
        await queue_mail(
            session,
            merchant_id=merchant.id,
            recipient=f"{PLANTED[12]}@{PLANTED[13]}.example",
            kind="card_link",
            locale="en",
            subject=PLANTED[14],
            text=PLANTED[15],
            customer_id=customer_id,
            now=clock.now(),
        )
        await session.execute(
            text("UPDATE customer SET name = :name WHERE id = :id"),
            {"name": f"{PLANTED[16]} {PLANTED[17]}", "id": customer_id},
        )
        await session.execute(
            text(
                "INSERT INTO privacy_request (merchant_id, id, customer_id, pass_id, kind, new_email, created_at,"
                " expires_at) VALUES (:m, gen_random_uuid(), :c, :p, 'change_email', :mail, now(), now())"
            ),
            {
                "m": merchant.id,
                "c": customer_id,
                "p": UUID(pass_id),
                "mail": f"{PLANTED[18]}@{PLANTED[19]}.example",
            },
        )
        await copy_around(
            session,
            merchant,
            customer_id=customer_id,
            pass_id=UUID(pass_id),
            text_planted=f"{PLANTED[6]} {PLANTED[7]}",
            now=clock.now(),
        )
    needles = [TAG, "621908172", quote(PLANTED[2])]
    before = await everywhere(admin_url, needles)
    # The control: the search sees the strings where they are known to be.
    assert {"customer.name", "customer.email", "customer.phone", "customer_note.text"} <= before
    assert {"outbox_message.recipient", "privacy_request.new_email", "customer_search.term"} <= before
    assert {
        "import_row.cells",
        "export_chunk.content",
        "wallet_message.header",
        "wallet_message.body",
    } <= before
    books = await sums(database, merchant)

    done = await send_form(client, f"{card}/delete", f"{card}/delete")

    assert "Your data is deleted." in done.text
    assert await everywhere(admin_url, needles) == set()
    assert in_files(settings.data_dir, needles) == []
    captured = capfd.readouterr()
    assert not [line for line in (caplog.text, captured.out, captured.err) if TAG in line]
    assert await sums(database, merchant) == books


async def test_the_books_balance_after_a_deletion(client, database, merchant):
    """Entries, balances and visits of others and of the deleted one add up as before."""
    from app.modules.cards.factories import make_card

    store = await make_store(database, merchant)
    card = await make_card(database, store, name="Ada", stamps=4)
    await make_card(database, store, name="Bob", stamps=3)
    await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)
    books = await sums(database, merchant)
    assert books[:2] == (7, 7)

    await send_form(client, f"/card/{card.id}/delete", f"/card/{card.id}/delete")

    assert await sums(database, merchant) == books


async def test_a_download_holds_what_every_module_knows(client, database, merchant):
    """One JSON with a part for each module that keeps something."""
    from app.modules.cards.factories import make_card

    store = await make_store(database, merchant)
    card = await make_card(database, store, name="Ada", stamps=4)
    await client.get(f"/card/{card.id}?t={card.token}", headers=HTML)

    known = json.loads((await client.get(f"/card/{card.id}/data.json")).text)

    assert {"customers", "cards", "messaging", "privacy"} <= set(known)
    assert known["cards"]["cards"][0]["stamp_count"] == 4

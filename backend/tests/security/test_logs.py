"""Logs and the queue hold nothing personal and nothing secret: a whole journey with planted words, then a search."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import Database, to_async_url
from app.kernel import observability
from app.kernel.observability import configure_logging, get_logger
from app.modules.accounts.factories import PASSWORD
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store

NAME, EMAIL, PHONE = "Planted Wq5520", "planted-wq5520@example.com", "+352621552099"
QUEUE_TABLES = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics", "job_schedule")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Return what the process logs, as a production process writes it, from the least severe on."""
    before = logging.root.handlers[:], logging.root.level
    configure_logging("json", "DEBUG")
    written = io.StringIO()
    for handler in logging.root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
    yield written
    logging.root.handlers[:], _ = before
    logging.root.setLevel(before[1])
    structlog.contextvars.clear_contextvars()


async def journey(client: httpx2.AsyncClient, database: Database) -> dict[str, str]:
    """Live a day: join, stamp with right and wrong PINs, sign in and fail, mistakes and a bug; return the secrets."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, "stamps")
    _, pin = await make_staff(database, store)
    made = await client.post(
        "/passes/create",
        json={"store_id": str(store.id), "name": NAME, "email": EMAIL, "phone": PHONE},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert made.status_code == 201, made.text
    card = made.json()
    token = card["card_url"].partition("?t=")[2]
    await client.get(f"/card/{card['pass_id']}?t={token}", follow_redirects=True)
    for tried in (pin, "918273"):
        await client.post(f"/stamp/{store.id}", json={"pass_id": card["pass_id"], "staff_pin": tried})
    await client.post(
        f"/stamp/{store.id}", json={"pass_id": card["pass_id"], "staff_pin": NAME, "email": EMAIL}
    )
    for password in (PASSWORD, "wrong-planted-wq5520"):
        await client.post("/sessions", json={"email": merchant.email, "password": password})
    key = await client.post(
        "/api-keys", json={"name": NAME, "scopes": ["stores.view"]}, headers=merchant.headers
    )
    assert key.status_code == 201, key.text
    await client.get("/stores", headers={"Authorization": f"Bearer {key.json()['key']}"})
    await client.get("/stores", headers={"Authorization": f"Bearer {key.json()['key']}x"})
    await client.get(f"/find/{store.id}?email={EMAIL}&phone={PHONE}")
    await client.get(f"/nowhere/{EMAIL}/{token}")
    await client.post("/passes/create", content=b'{"name": "' + NAME.encode())
    session = next(iter(merchant.cookies.values()))
    return {
        "name": "Wq5520",
        "email": "wq5520@",
        "phone": PHONE[4:],
        "PIN": pin,
        "wrong PIN": "918273",
        "password": PASSWORD,
        "wrong password": "wrong-planted",
        "card token": token,
        "session": session.rpartition(".")[2] or session,
        "API key": key.json()["key"],
        "owner": merchant.email,
    }


def found_in(words: str, secrets: dict[str, str]) -> list[str]:
    """Return the names of the secrets that stand in a text, as a word of their own."""
    return [
        name for name, value in secrets.items() if re.search(rf"(?<![0-9A-Za-z]){re.escape(value)}", words)
    ]


async def test_logs_hold_no_planted_word(
    client: httpx2.AsyncClient, app: FastAPI, database: Database, lines: io.StringIO
) -> None:
    """Every line of the day is there, and none has a name, address, number, PIN, password, token or key."""
    await app.state.limiter.reset()
    secrets = await journey(client, database)
    get_logger("stempel.test").warning("asked", email=EMAIL, note=f"call {PHONE} or {EMAIL}", pin="918273")
    written = lines.getvalue()

    assert len(written.splitlines()) >= 12
    assert all(json.loads(line)["event"] for line in written.splitlines())
    assert found_in(written, secrets) == []


async def test_control_without_the_scrubbing_the_words_are_found(
    client: httpx2.AsyncClient, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: what a careless line says stands in the log."""
    monkeypatch.setattr(observability, "_scrub_named", lambda name, value, depth=0: value)
    get_logger("stempel.test").warning("asked", email=EMAIL, note=f"call {PHONE}", pin="918273")

    secrets = {"email": "wq5520@", "phone": PHONE[4:], "PIN": "918273"}
    assert found_in(lines.getvalue(), secrets) == ["email", "phone", "PIN"] or found_in(
        lines.getvalue().replace(PHONE[:4], " "), secrets
    ) == ["email", "phone", "PIN"]


async def test_the_queue_holds_ids_only(
    client: httpx2.AsyncClient, app: FastAPI, database: Database, admin_url: str
) -> None:
    """Arguments of jobs, the queue's log and its schedules hold no planted word, after the same day."""
    await app.state.limiter.reset()
    secrets = await journey(client, database)
    engine = create_async_engine(to_async_url(admin_url))
    held = []
    async with engine.connect() as connection:
        for table in QUEUE_TABLES:
            # Bytes are shown as text, so that arguments in JSON can be searched.
            rows = await connection.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))  # noqa: S608
            held += [row[0] for row in rows]
        payloads = (
            await connection.execute(text("SELECT payload FROM pgqueuer WHERE payload IS NOT NULL"))
        ).all()
    await engine.dispose()
    plain = [bytes(row[0]).decode("utf-8", "replace") for row in payloads]

    # A job names its merchant and its row; the words of a mail are sealed in the outbox.
    assert len(plain) >= 1
    assert any(re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", words) for words in plain)
    assert found_in("\n".join([*held, *plain]), {k: v for k, v in secrets.items() if k != "PIN"}) == []

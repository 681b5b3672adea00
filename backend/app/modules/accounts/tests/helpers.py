"""What the tests of accounts share: mails, their links, and statements counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from sqlalchemy import event, select

from app.db.session import Database
from app.modules.accounts.factories import PASSWORD
from app.modules.messaging.models import OutboxMessage
from app.process import Process
from app.utils.security import Keyring

LINK = re.compile(r"http://testserver(/[\w/.-]+/([\w.-]{60,}))")
HIDDEN = re.compile(r'name="(csrf|idempotency_key)" value="([^"]+)"')
NEW_PASSWORD = "walnut-harbour-lantern-77"  # noqa: S105 (a test password)


async def mails_to(process: Process, recipient: str) -> list[tuple[str, str, str]]:
    """Return (kind, subject, text) of every mail queued for an address, oldest first."""
    keyring = process.resources.get(Keyring)
    async with process.database.system_sessions() as session:
        rows = await session.execute(
            select(OutboxMessage).where(OutboxMessage.recipient == recipient).order_by(OutboxMessage.id)
        )
        found = []
        for row in rows.scalars():
            subject, text, *_rest = json.loads(
                keyring.unseal(row.content, context=f"outbox_message:{row.id}")
            )
            found.append((row.kind, subject, text))
        return found


async def token_to(process: Process, recipient: str, kind: str) -> str:
    """Return the token in the newest mail of a kind."""
    texts = [text for kind_, _subject, text in await mails_to(process, recipient) if kind_ == kind]
    assert texts, f"no {kind} to {recipient}"
    return token_of(texts[-1])


def token_of(text: str) -> str:
    """Return the token at the end of the link in a mail."""
    found = LINK.search(text)
    assert found is not None, text
    return found[2]


async def sign_up(client: httpx2.AsyncClient, email: str, **over: str) -> httpx2.Response:
    """Ask for an account."""
    body = {"name": "CoffeeLux", "email": email, "password": PASSWORD, **over}
    return await client.post("/merchants", json=body)


async def sign_in(client: httpx2.AsyncClient, email: str, password: str = PASSWORD) -> httpx2.Response:
    """Sign in over JSON."""
    return await client.post("/sessions", json={"email": email, "password": password})


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Collect the kind and table of every statement that the runtime role sends, in order."""
    seen: list[str] = []
    engine = database.engine.sync_engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(re.sub(r"\s+", " ", statement)[:200])

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def send(
    client: httpx2.AsyncClient, page: str, form: dict[str, str] | None = None, *, to: str = ""
) -> httpx2.Response:
    """Open a page and send its form as a browser without JavaScript does."""
    shown = await client.get(page)
    assert shown.status_code == 200, shown.text
    hidden = dict(HIDDEN.findall(shown.text))
    return await client.post(to or page, data={**hidden, **(form or {})}, headers={"accept": "text/html"})

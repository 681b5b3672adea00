"""An operator, signed in, and work that was given up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest_asyncio

from app.db.session import Database, system_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import enqueue
from app.kernel.jobs.enqueue import connection_of
from app.modules.messaging.jobs import send_message
from app.modules.operators.factories import MadeOperator, make_operator, sign_in_operator
from app.modules.wallets.jobs import refresh_card
from app.utils.id_generator import new_id

HIDDEN = re.compile(r'name="(csrf|idempotency_key|kind)" value="([^"]*)"')


@dataclass
class Desk:
    """A browser in which an operator is signed in."""

    client: httpx2.AsyncClient
    operator: MadeOperator
    headers: dict[str, str]

    async def get(self, path: str) -> httpx2.Response:
        """Open a page."""
        return await self.client.get(path, headers=self.headers)

    async def post(self, page: str, action: str, **form: str) -> httpx2.Response:
        """Open a page and send one of its forms as a browser without JavaScript does."""
        shown = await self.get(page)
        assert shown.status_code == 200, shown.text
        hidden = dict(HIDDEN.findall(shown.text))
        csrf = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        headers = {**self.headers, "Cookie": f"{self.headers['Cookie']}; {csrf}"}
        self.client.cookies.clear()
        sent = {"csrf": hidden["csrf"], **form}
        if "idempotency_key" in hidden:
            sent.setdefault("idempotency_key", hidden["idempotency_key"])
        return await self.client.post(action, data=sent, headers=headers)


@pytest_asyncio.fixture(loop_scope="session")
async def operator(database: Database, clock: FixedClock) -> MadeOperator:
    """Return an operator who has not signed in."""
    return await make_operator(database, now=clock.now())


@pytest_asyncio.fixture(loop_scope="session")
async def desk(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock, operator: MadeOperator
) -> Desk:
    """Return a signed-in operator's browser."""
    return Desk(client, operator, await sign_in_operator(database, operator, now=clock.now()))


async def give_up(
    database: Database, reason: str, *, merchant_id: UUID | None = None, kind: str = "wallets.refresh_card"
) -> int:
    """Leave a given-up job in the queue and return its number."""
    async with system_scope(database) as session:
        if kind == "wallets.refresh_card":
            made = await enqueue(session, refresh_card, merchant_id=merchant_id or new_id(), pass_id=new_id())
        else:
            made = await enqueue(
                session, send_message, merchant_id=merchant_id or new_id(), message_id=new_id()
            )
        await (await connection_of(session)).execute(
            "UPDATE pgqueuer SET status = 'failed', reason = $2, starts = 3 WHERE id = $1", made, reason
        )
    return made


async def states_of(database: Database) -> dict[int, str]:
    """Return the state of every job in the queue."""
    async with system_scope(database) as session:
        rows = await (await connection_of(session)).fetch("SELECT id, status::text AS status FROM pgqueuer")
    return {row["id"]: row["status"] for row in rows}

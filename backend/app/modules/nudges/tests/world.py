"""A shop that writes to its customers, its worker, and a mail server that remembers to whom."""

from __future__ import annotations

import re
from copy import copy
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.adapters import Resources
from app.kernel.jobs import JobContext, TryAgain
from app.kernel.jobs.runner import DRAIN_LIMIT, Drained, JobRunner
from app.modules.cards.factories import make_card
from app.modules.messaging.jobs import send_marketing
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.smtp import MailTransport
from app.modules.nudges import jobs


class Post:
    """A mail server that takes everything, and remembers to whom."""

    server = ""

    def __init__(self) -> None:
        self.recipients: list[str] = []

    async def send(self, message: bytes, *, sender: str, recipient: str) -> None:
        """Take it."""
        self.recipients.append(recipient)


class Shop:
    """A shop with its worker, and short words for what happens there."""

    def __init__(self, client: Any, process: Any, clock: Any, merchant: Any, store: Any) -> None:
        self.client, self.database, self.clock = client, process.database, clock
        self.merchant, self.store, self.post = merchant, store, Post()
        resources = Resources()
        resources._objects.update(process.resources._objects)
        resources.put(MailTransport, self.post)
        self.job = JobContext(
            process.database, process.settings, clock, process.registry, resources, merchant_id=merchant.id
        )

    async def card(self, number: int = 1, **over: Any) -> Any:
        """Make the card of somebody who agreed and confirmed, seen three hours ago."""
        details = {
            "name": "Anna",
            "email": f"anna{number}@example.com",
            "email_consent": True,
            "verified": True,
        }
        columns = {"last_visit_at": self.clock.now() - timedelta(hours=3), **over.pop("columns", {})}
        return await make_card(self.database, self.store, columns=columns, **{**details, **over})

    async def full_card(self, number: int = 1, **over: Any) -> Any:
        """Make a card whose reward is ready."""
        return await self.card(number, stamps=10, columns={"reward_unlocked": True}, **over)

    async def round(self) -> None:
        """Look who is due."""
        await jobs.write_messages(self.job)

    async def mails(self) -> list[OutboxMessage]:
        """Return what was written to customers."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(OutboxMessage).where(OutboxMessage.purpose == "marketing").order_by(OutboxMessage.id)
            )
            return list(rows)

    async def kinds(self) -> list[str]:
        """Return the kinds of what was written."""
        return [row.kind for row in await self.mails()]

    async def deliver(self) -> None:
        """Let the worker send what waits; what is not its turn stays."""
        for row in await self.mails():
            try:
                await send_marketing(self.job, message_id=row.id)
            except TryAgain:
                continue

    async def work(self, module: str, *, limit: int = DRAIN_LIMIT) -> Drained:
        """Let a worker that knows one module only run what is due of it."""
        only = copy(self.job.registry)
        only.modules = (only.by_name[module],)
        runner = JobRunner(self.database, only, self.job.settings, self.clock, resources=self.job.resources)
        return await runner.drain(limit=limit)

    async def page(self, path: str, data: dict[str, str] | None = None) -> Any:
        """Open a page of the dashboard as the owner, or send a form of it."""
        self.client.cookies.clear()
        self.client.cookies.update(self.merchant.cookies)
        if data is None:
            return await self.client.get(f"/dashboard/messages{path}")
        first = await self.client.get("/dashboard/messages")
        token = re.search(r'name="csrf" value="([^"]+)"', first.text).group(1)
        return await self.client.post(f"/dashboard/messages{path}", data=data | {"csrf": token})

    async def news(self, **over: str) -> str:
        """Write a draft over HTTP and return its address below /dashboard/messages."""
        form = {
            "kind": "promotion",
            "subject": "Sale, {name}",
            "text": "Hello {name}\n\nCome to {shop}.",
            **over,
        }
        answer = await self.page("/new", form)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].removeprefix("/dashboard/messages")

    async def send_news(self, path: str) -> None:
        """Press send and run the job to its end."""
        assert (await self.page(f"{path}/send", {})).status_code == 303
        news_id = path.rpartition("/")[2]
        for _batch in range(20):
            await jobs.send_news(self.job, news_id=news_id)

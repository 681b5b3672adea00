"""A shop, a customer who agreed, and a mail server that answers as it is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.config import Settings
from app.db.session import tenant_scope
from app.kernel.adapters import Resources
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext, TryAgain
from app.modules.messaging.jobs import send_marketing
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.public import queue_mail
from app.modules.messaging.smtp import MailTransport
from app.process import Process
from app.utils.id_generator import new_id


class Server:
    """A mail server that answers as it is told, one answer a mail, and counts who came."""

    def __init__(self) -> None:
        self.server = f"mail-{new_id()}"
        self.mails: list[tuple[str, bytes]] = []
        self.asked = 0
        self.answer: Exception | None = None

    async def send(self, message: bytes, *, sender: str, recipient: str) -> None:
        """Take a mail, or answer what was set."""
        self.asked += 1
        if self.answer is not None:
            raise self.answer
        self.mails.append((sender, message))


class Shop:
    """A shop, a customer who agreed, and a worker with the server of the test."""

    def __init__(self, process: Process, clock: FixedClock, merchant: Any, customer: Any) -> None:
        self.database, self.clock, self.merchant, self.customer = process.database, clock, merchant, customer
        self.process, self.server = process, Server()
        self.resources = Resources()
        self.resources._objects.update(process.resources._objects)  # noqa: SLF001
        self.resources.put(MailTransport, self.server)

    @property
    def job(self) -> JobContext:
        """Return the context of a job of the shop."""
        process = self.process
        return JobContext(
            process.database,
            process.settings,
            self.clock,
            process.registry,
            self.resources,
            merchant_id=self.merchant.id,
        )

    def set(self, **settings: Any) -> None:
        """Change what the operator set, for this test: the worker's sessions read it from the process."""
        chosen = self.process.settings.model_copy(update=settings)
        self.resources.put(Settings, chosen)
        self.process.resources.put(Settings, chosen)

    async def queue(self, *, purpose: str = "marketing", number: int = 0) -> UUID:
        """Write a mail to the customer."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            message_id = await queue_mail(
                session,
                merchant_id=self.merchant.id,
                recipient=self.customer.email,
                kind="promotion" if purpose == "marketing" else "card_link",
                locale="fr",
                subject=f"Bonjour {number}",
                text="Hello",
                customer_id=self.customer.id,
                purpose=purpose,
                now=self.clock.now(),
            )
        assert message_id is not None
        return message_id

    async def send(self, message_id: UUID) -> timedelta | None:
        """Let the worker try; return how long it is to wait, or None when it is through with the mail."""
        try:
            await send_marketing(self.job, message_id=message_id)
        except TryAgain as again:
            return again.after or timedelta()
        return None

    async def row(self, message_id: UUID) -> OutboxMessage:
        """Return a mail's row."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            return (await session.scalars(select(OutboxMessage).where(OutboxMessage.id == message_id))).one()

    async def standing(self, message_id: UUID) -> tuple[str, str | None]:
        """Return how far a mail came, and why no further."""
        row = await self.row(message_id)
        return row.status, row.failure

"""A whole output format in one file: a line of text per card. Offered under a name, it is kept up to date."""

from __future__ import annotations

from uuid import UUID

from app.kernel.jobs import JobContext
from app.modules.wallets.public import card_view


class TextOutput:
    """Renders cards as text, in memory."""

    def __init__(self) -> None:
        self.lines: dict[UUID, str] = {}
        self.renderings = 0

    async def update(self, context: JobContext, *, merchant_id: UUID, pass_id: UUID) -> None:
        """Render the card as it is now."""
        async with context.tenant(merchant_id) as session:
            view = await card_view(session, merchant_id, pass_id, locale="en", now=context.clock.now())
        self.renderings += 1
        self.lines[pass_id] = f"{view.card_number}: {view.change_message}"

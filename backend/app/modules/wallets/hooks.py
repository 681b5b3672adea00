"""The points wallets owns: what modules add to a card, and the outputs a card is rendered to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Collect, Keyed, Tell
from app.kernel.jobs import JobContext
from app.kernel.points import CardContext

# Where a field may stand, in the words of the pass formats.
PLACES = ("header", "primary", "secondary", "auxiliary", "back")


@dataclass(frozen=True, slots=True)
class PassField:
    """A line on a card, on every output.

    key: unique on the card, stable. label and value: in the card's language. place: one of PLACES.
    change_message: what a change says, with %@ where the new value stands; empty: a change says nothing.
    in_browser: False where a block on the card's page says it better.
    """

    key: str
    label: str
    value: str | int
    change_message: str = ""
    place: str = "secondary"
    order: int = 100
    in_browser: bool = True


class Output(Protocol):
    """A rendering that lives outside our pages (an Apple pass, a Google object)."""

    async def update(self, context: JobContext, *, merchant_id: UUID, pass_id: UUID) -> None:
        """Bring the rendering up to date; safe to repeat; raises TryAgain or GiveUp.

        It opens its own transactions, and none is open while it talks to the outside.
        """
        ...


PASS_FIELDS: Collect[CardContext, PassField] = Collect(
    "PASS_FIELDS", about="Lines on a card, on every output."
)
OUTPUT: Keyed[Output] = Keyed("OUTPUT", about="Renderings of a card that must be told of a change.")


@dataclass(frozen=True, slots=True)
class CardsChanged:
    """Cards whose changes are committed, as (merchant, card) pairs; the session is the system's, in the worker.

    by_merchant: what each of these merchants has switched on. modules_on: what any of them has; a feature with a
    switch looks at cards_with(its name) only.
    """

    session: AsyncSession
    cards: Sequence[tuple[UUID, UUID]]
    modules_on: frozenset[str] = frozenset()
    by_merchant: Mapping[UUID, frozenset[str]] = field(default_factory=dict)

    def cards_with(self, feature: str) -> list[tuple[UUID, UUID]]:
        """Return the changed cards of merchants that have switched the feature on."""
        return [pair for pair in self.cards if feature in self.by_merchant.get(pair[0], ())]


CARDS_CHANGED: Tell[CardsChanged] = Tell(
    "CARDS_CHANGED",
    about="Refresh marks were taken: these cards changed, in any way. In the worker, soon after.",
)

"""The point customers owns: what is known of a person changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Tell


@dataclass(frozen=True, slots=True)
class CustomerChanged:
    """A person's details changed, in the transaction at hand. fields: the names of what changed, no values."""

    session: AsyncSession
    merchant_id: UUID
    customer_id: UUID
    fields: Sequence[str]
    now: datetime
    modules_on: frozenset[str] = frozenset()


CUSTOMER_CHANGED: Tell[CustomerChanged] = Tell(
    "CUSTOMER_CHANGED", about="What is known of a person was changed, by them or by the shop."
)

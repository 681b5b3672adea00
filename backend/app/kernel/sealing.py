"""Secrets kept encrypted in the database: who has some, and how they move to a newer key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, func, inspect, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.kernel.hooks import Keyed
from app.utils.security import Keyring

RESEAL_BATCH = 100


class Sealed(Protocol):
    """Sealed values of a module, asked merchant by merchant in a tenant transaction."""

    async def count_old(self, session: AsyncSession, keyring: Keyring) -> int:
        """Return how many values of the bound merchant are sealed with an older key."""
        ...

    async def reseal(self, session: AsyncSession, keyring: Keyring) -> int:
        """Seal a batch of them anew and return how many; 0: none is left. Raises ValueError for one that is broken."""
        ...


SEALED: Keyed[Sealed] = Keyed("SEALED", about="Encrypted values that follow a rotation of the keys.")


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed bytes. context: of a row (its primary key's columns), what its value is bound to."""

    column: InstrumentedAttribute[Any]
    context: Callable[[Any], str]

    async def count_old(self, session: AsyncSession, keyring: Keyring) -> int:
        """Count the values with an older key."""
        query = select(func.count()).select_from(self.column.class_).where(self._is_old(keyring))
        return int((await session.execute(query)).scalar_one())

    async def reseal(self, session: AsyncSession, keyring: Keyring) -> int:
        """Seal a batch anew; a value that changed meanwhile is left to its change."""
        table: Any = self.column.class_
        key = [getattr(table, column.key) for column in inspect(table).primary_key]
        query: Select[Any] = (
            select(*key, self.column.label("sealed"))
            .where(self._is_old(keyring))
            .limit(RESEAL_BATCH)
            .with_for_update(skip_locked=True)
        )
        rows = (await session.execute(query)).all()
        for row in rows:
            context = self.context(row)
            fresh = keyring.seal(keyring.unseal(row.sealed, context=context), context=context)
            same_row = [part == getattr(row, part.key) for part in key]
            await session.execute(update(table).where(*same_row).values({self.column.key: fresh}))
        return len(rows)

    def _is_old(self, keyring: Keyring) -> ColumnElement[bool]:
        # A sealed value begins with the version of its key.
        newest = keyring.newest("field").to_bytes(2, "big")
        return self.column.is_not(None) & (func.substring(self.column, 1, 2) != newest)

"""What exports does when a person's data are deleted: files that may name them are emptied."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.exports.service import forget_files


async def export_nothing(
    _session: AsyncSession, _merchant_id: UUID, _customer_id: UUID
) -> Mapping[str, object]:
    """Return nothing: a file holds copies of what other modules tell."""
    return {}


async def erase_files(session: AsyncSession, merchant_id: UUID, _customer_id: UUID) -> None:
    """Empty the merchant's files that wait: they hold a copy of the person; they can be asked for again."""
    await forget_files(session, merchant_id, None)


PERSONAL = PersonalData(tables=("export_file", "export_chunk"), export=export_nothing, erase=erase_files)

"""Typed settings that a merchant may change, for the whole business or for one store."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, Base, merchant_fk


class ModuleSettings(BaseModel):
    """Base of a module's settings: every field has a safe default and a description."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    section: ClassVar[str]


class MerchantSetting(Base):
    """One section of one merchant (scope_id = merchant id) or of one store (scope_id = store id)."""

    __tablename__ = "merchant_setting"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    scope_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    section: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    values: Mapped[dict[str, Any]] = mapped_column(info=NONE)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


S = TypeVar("S", bound=ModuleSettings)


async def get_settings(
    session: AsyncSession, kind: type[S], *, merchant_id: UUID, store_id: UUID | None = None
) -> S:
    """Return the section's values: defaults, overlaid by the merchant's, overlaid by the store's."""
    scopes = [merchant_id] if store_id is None else [merchant_id, store_id]
    rows = await session.execute(
        select(MerchantSetting.scope_id, MerchantSetting.values).where(
            MerchantSetting.merchant_id == merchant_id,
            MerchantSetting.section == kind.section,
            MerchantSetting.scope_id.in_(scopes),
        )
    )
    by_scope = {row.scope_id: row.values for row in rows}
    merged: dict[str, Any] = {}
    for scope in scopes:
        merged |= by_scope.get(scope, {})
    return kind.model_validate(merged)


async def save_settings(
    session: AsyncSession, value: ModuleSettings, *, merchant_id: UUID, store_id: UUID | None = None
) -> None:
    """Store the section's values for the merchant, or for one store; only what was set explicitly."""
    values = value.model_dump(mode="json", exclude_unset=True)
    statement = insert(MerchantSetting).values(
        merchant_id=merchant_id, scope_id=store_id or merchant_id, section=value.section, values=values
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["merchant_id", "scope_id", "section"],
            set_={
                "values": MerchantSetting.values.op("||")(statement.excluded["values"]),
                "updated_at": func.now(),
            },
        )
    )

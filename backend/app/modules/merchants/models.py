"""Merchants: the businesses and tenants."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base
from app.utils.id_generator import new_id


class Merchant(Base):
    """A business and tenant. email, password_hash and owner_name are the owner's sign-in; other members: accounts.

    feature_rules: {feature: what its rule of earning must know of the shop}; read with every visit.
    """

    __tablename__ = "merchant"
    __tenant__ = "id"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, info=NONE)
    name: Mapped[str] = mapped_column(info=NONE)
    email: Mapped[str] = mapped_column(info=PERSONAL)
    password_hash: Mapped[str] = mapped_column(info=SECRET)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)
    slug: Mapped[str] = mapped_column(info=NONE)
    locale: Mapped[str] = mapped_column(server_default="en", info=NONE)
    time_zone: Mapped[str] = mapped_column(info=NONE)
    currency: Mapped[str] = mapped_column(info=NONE)
    branding: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    modules_on: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", info=NONE)
    feature_rules: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    owner_id: Mapped[UUID] = mapped_column(default=new_id, info=PSEUDONYM)
    owner_name: Mapped[str] = mapped_column(server_default="", info=PERSONAL)

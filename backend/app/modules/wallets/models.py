"""Marks of cards whose outputs must be refreshed, and Apple's device registrations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, SECRET, Base, TenantRow
from app.modules.wallets.google_wallet import models as _google  # noqa: F401 - its tables belong to this module
from app.modules.wallets.messages import models as _messages  # noqa: F401 - its tables belong to this module


class CardRefresh(Base):
    """One pending refresh of a card: written in the transaction of the change, taken by the worker's poll."""

    __tablename__ = "card_refresh"
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    marked_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


class UpdateCounter(Base):
    """The counter that update tags come from. Its row lock is held to the commit: tags appear in their order.

    One row for the installation: a wallet's device asks across merchants what changed since a tag.
    """

    __tablename__ = "update_counter"
    name: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    value: Mapped[int] = mapped_column(info=NONE)


class AppleDeviceRegistration(TenantRow, Base):
    """A device that holds a pass and wants to hear of changes."""

    __tablename__ = "apple_device_registration"
    __table_args__ = (
        Index("uq_apple_registration", "merchant_id", "device_id", "pass_type", "pass_serial", unique=True),
        Index(None, "merchant_id", "pass_serial"),
        # A device asks across merchants.
        Index(None, "device_id", "pass_type"),
    )
    device_id: Mapped[str] = mapped_column(info=SECRET)
    pass_type: Mapped[str] = mapped_column(info=NONE)
    pass_serial: Mapped[str] = mapped_column(info=PSEUDONYM)
    push_token: Mapped[str] = mapped_column(info=SECRET)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


class AppleHealth(Base):
    """What keeps pushes back, shared by all workers; merchants may share the operator's certificate.

    name: "apns" while Apple's push service is away, or the fingerprint of a certificate that it refuses. until:
    before that nobody asks again; then one probe does. No row: all is well.
    """

    __tablename__ = "apple_health"
    name: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    reason: Mapped[str] = mapped_column(info=NONE)
    since: Mapped[datetime] = mapped_column(info=NONE)
    until: Mapped[datetime] = mapped_column(info=NONE)

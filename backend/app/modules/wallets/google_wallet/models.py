"""What we know of Google's side: accounts, what was last sent, who saved a pass, and the pace of requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PSEUDONYM, SECRET, Base, merchant_fk


class GoogleAccountRow(Base):
    """A merchant's own issuer account; sealed holds the service account's JSON key, encrypted."""

    __tablename__ = "google_account"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    issuer_id: Mapped[str] = mapped_column(info=NONE)
    service_email: Mapped[str] = mapped_column(info=NONE)
    sealed: Mapped[bytes] = mapped_column(info=SECRET)
    updated_at: Mapped[datetime] = mapped_column(info=NONE)


class GoogleClassRow(Base):
    """What was last sent of a programme's class. sent: a short hash of each top-level field."""

    __tablename__ = "google_class"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    program_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    class_id: Mapped[str] = mapped_column(info=NONE)
    sent: Mapped[dict[str, Any]] = mapped_column(info=NONE)
    updated_at: Mapped[datetime] = mapped_column(info=NONE)


class GoogleObjectRow(Base):
    """What was last sent of a card's object, and in how many Google accounts it lives. Hashes only, no texts.

    busy_until: a lease; one worker at a time talks about a card. notified: moments of the last notifications.
    wanted_at: when the holder first asked for the pass; before that no name is sent.
    """

    __tablename__ = "google_object"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    pass_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    object_id: Mapped[str] = mapped_column(info=PSEUDONYM)
    sent: Mapped[dict[str, Any]] = mapped_column(server_default="{}", info=NONE)
    busy_until: Mapped[datetime | None] = mapped_column(info=NONE)
    notified: Mapped[list[Any]] = mapped_column(server_default="[]", info=NONE)
    silenced: Mapped[int] = mapped_column(server_default="0", info=NONE)
    wanted_at: Mapped[datetime | None] = mapped_column(info=NONE)
    saves: Mapped[int] = mapped_column(server_default="0", info=NONE)
    deletions: Mapped[int] = mapped_column(server_default="0", info=NONE)
    last_event_at: Mapped[datetime | None] = mapped_column(info=NONE)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), info=NONE)


class GoogleNonce(Base):
    """A callback that was applied; kept until the message itself has expired."""

    __tablename__ = "google_nonce"
    __table_args__ = (merchant_fk(), Index(None, "merchant_id", "expires_at"))
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    nonce_hash: Mapped[bytes] = mapped_column(primary_key=True, info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)


class GooglePace(Base):
    """How fast an issuer may be asked, shared by all workers; merchants may share the operator's issuer.

    next_at: when the next request may start, by the database's clock. paused_until: after failures one probe a
    minute. fault: why Google refuses us now, as a code. last_fault: the same, kept when it is over.
    """

    __tablename__ = "google_pace"
    issuer_id: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    next_at: Mapped[datetime] = mapped_column(info=NONE)
    failures: Mapped[int] = mapped_column(server_default="0", info=NONE)
    paused_until: Mapped[datetime | None] = mapped_column(info=NONE)
    fault: Mapped[str | None] = mapped_column(info=NONE)
    last_fault: Mapped[str | None] = mapped_column(info=NONE)
    last_fault_at: Mapped[datetime | None] = mapped_column(info=NONE)

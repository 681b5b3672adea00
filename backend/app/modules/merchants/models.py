"""Merchants, their sign-ins, sessions, one-time links and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk
from app.utils.id_generator import new_id


class Merchant(Base):
    """A business and tenant. email and password_hash are the owner's sign-in."""

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
    owner_id: Mapped[UUID] = mapped_column(default=new_id, info=PSEUDONYM)


class SignUp(Base):
    """A sign-up that waits for its mail link; merchant_id is the id the merchant will have."""

    __tablename__ = "sign_up"
    __table_args__ = (Index(None, "expires_at"),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    name: Mapped[str] = mapped_column(info=NONE)
    email: Mapped[str] = mapped_column(info=PERSONAL)
    password_hash: Mapped[str] = mapped_column(info=SECRET)
    locale: Mapped[str] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)


class MerchantSession(TenantRow, Base):
    """A dashboard session; the cookie holds merchant id, session id and the secret, the row only its hash."""

    __tablename__ = "merchant_session"
    __table_args__ = (merchant_fk(),)
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    role: Mapped[str] = mapped_column(info=NONE)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    last_seen_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    revoked_at: Mapped[datetime | None] = mapped_column(info=NONE)


class PasswordReset(TenantRow, Base):
    """A single-use link to choose a new password."""

    __tablename__ = "password_reset"
    __table_args__ = (merchant_fk(),)
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    used_at: Mapped[datetime | None] = mapped_column(info=NONE)


class ApiKey(TenantRow, Base):
    """A key for integrations; shown once, stored as a hash. store_ids empty: all stores."""

    __tablename__ = "api_key"
    __table_args__ = (merchant_fk(),)
    name: Mapped[str] = mapped_column(info=NONE)
    secret_hash: Mapped[bytes] = mapped_column(info=SECRET)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    last_used_at: Mapped[datetime | None] = mapped_column(info=NONE)
    revoked_at: Mapped[datetime | None] = mapped_column(info=NONE)


class SignInLimit(Base):
    """How many sign-ins (or mails) were tried in a window; key is an HMAC of the e-mail or the address.

    It has no tenant: an unknown e-mail is counted like a known one. Reserved before anything is verified.
    """

    __tablename__ = "sign_in_limit"
    __table_args__ = (Index(None, "window_start"),)
    kind: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    key: Mapped[bytes] = mapped_column(primary_key=True, info=PSEUDONYM)
    window_start: Mapped[datetime] = mapped_column(primary_key=True, info=NONE)
    attempts: Mapped[int] = mapped_column(info=NONE)

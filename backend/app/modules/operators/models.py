"""Operators, their sessions, and what they did. No tenant: an operator belongs to the installation."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base
from app.utils.id_generator import new_id

SEALED = {"privacy": "sealed"}


class Operator(Base):
    """Somebody who runs the installation. name: what they sign in with, in small letters.

    sealed_secret: of the authenticator app; last_step: the newest code used. confirmed_at: the first sign-in.
    """

    __tablename__ = "operator"
    __table_args__ = (Index("uq_operator_name", "name", unique=True),)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, info=PSEUDONYM)
    name: Mapped[str] = mapped_column(info=PERSONAL)
    password_hash: Mapped[str] = mapped_column(info=SECRET)
    sealed_secret: Mapped[bytes] = mapped_column(info=SEALED)
    last_step: Mapped[int | None] = mapped_column(info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    confirmed_at: Mapped[datetime | None] = mapped_column(info=NONE)
    last_signed_in_at: Mapped[datetime | None] = mapped_column(info=NONE)


class OperatorSession(Base):
    """An operator's session; the cookie holds its id and the secret, the row only the secret's hash."""

    __tablename__ = "operator_session"
    __table_args__ = (Index(None, "operator_id"), Index(None, "expires_at"))
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, info=PSEUDONYM)
    operator_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    browser: Mapped[str] = mapped_column(info=PSEUDONYM)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    last_seen_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    revoked_at: Mapped[datetime | None] = mapped_column(info=NONE)


class OperatorEntry(Base):
    """What was done by an operator, or to an operator's account; only ever added to.

    operator_name: as it was then, because the account may be gone. facts: kinds of jobs, numbers, ids; no person.
    """

    __tablename__ = "operator_entry"
    __table_args__ = (Index(None, "at", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, info=NONE)
    operator_name: Mapped[str] = mapped_column(info=PERSONAL)
    action: Mapped[str] = mapped_column(info=NONE)
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), info=NONE)
    at: Mapped[datetime] = mapped_column(info=NONE)

"""Sign-ups that wait, members and invitations, sessions, one-time links, API keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk


class SignUp(Base):
    """A sign-up that waits for its mail link; merchant_id is the id the merchant will have.

    password_hash counts only in the browser that chose it (browser_hash): whoever else opens the link, such as
    the owner of a mailbox that a stranger typed, chooses a password then.
    """

    __tablename__ = "sign_up"
    __table_args__ = (Index(None, "expires_at"),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    browser_hash: Mapped[bytes] = mapped_column(info=SECRET)
    name: Mapped[str] = mapped_column(info=NONE)
    email: Mapped[str] = mapped_column(info=PERSONAL)
    password_hash: Mapped[str] = mapped_column(info=SECRET)
    locale: Mapped[str] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    invitation_id: Mapped[UUID | None] = mapped_column(info=NONE)


class SignUpInvitation(Base):
    """An operator's invitation to sign up. It belongs to no tenant: the business does not exist yet.

    form_hash: of the form that made it, so that a form sent twice makes one. note: for whom, in the operator's words.
    merchant_id: the business that came of it.
    """

    __tablename__ = "sign_up_invitation"
    __table_args__ = (Index("uq_sign_up_invitation_form_hash", "form_hash", unique=True),)
    id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    form_hash: Mapped[bytes] = mapped_column(info=NONE)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    note: Mapped[str] = mapped_column(info=PERSONAL)
    made_by: Mapped[str] = mapped_column(info=PERSONAL)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    used_at: Mapped[datetime | None] = mapped_column(info=NONE)
    withdrawn_at: Mapped[datetime | None] = mapped_column(info=NONE)
    merchant_id: Mapped[UUID | None] = mapped_column(info=NONE)


class Member(TenantRow, Base):
    """Somebody besides the owner who signs in to the dashboard.

    The owner's sign-in stands in the merchant row, so that a business has exactly one owner by its shape.
    store_ids empty: every store. staff_id: the person of the team this is, if they also give stamps.
    """

    __tablename__ = "member"
    __table_args__ = (
        merchant_fk(),
        CheckConstraint("role IN ('manager', 'cashier', 'analyst')", name="role_known"),
    )
    email: Mapped[str] = mapped_column(info=PERSONAL)
    password_hash: Mapped[str] = mapped_column(info=SECRET)
    name: Mapped[str] = mapped_column(info=PERSONAL)
    role: Mapped[str] = mapped_column(info=NONE)
    store_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid(as_uuid=True)), server_default="{}", info=NONE)
    staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    invited_at: Mapped[datetime | None] = mapped_column(info=NONE)
    invited_by: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    joined_at: Mapped[datetime] = mapped_column(info=NONE)
    disabled_at: Mapped[datetime | None] = mapped_column(info=NONE)


class MemberInvitation(TenantRow, Base):
    """An invitation that waits for its mail link; gone once accepted or withdrawn."""

    __tablename__ = "member_invitation"
    __table_args__ = (
        merchant_fk(),
        Index(None, "expires_at"),
        CheckConstraint("role IN ('manager', 'cashier', 'analyst')", name="role_known"),
    )
    email: Mapped[str] = mapped_column(info=PERSONAL)
    name: Mapped[str] = mapped_column(info=PERSONAL)
    role: Mapped[str] = mapped_column(info=NONE)
    store_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid(as_uuid=True)), server_default="{}", info=NONE)
    staff_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    invited_at: Mapped[datetime] = mapped_column(info=NONE)
    invited_by: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)


class MerchantSession(TenantRow, Base):
    """A dashboard session; the cookie holds merchant id, session id and the secret, the row only its hash.

    role: as it was when the session began; what counts is the member's today. browser: a coarse name such as
    "Firefox, Windows". device_hash: of the device cookie. disowned_at: its member said it was somebody else.
    """

    __tablename__ = "merchant_session"
    __table_args__ = (merchant_fk(),)
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    role: Mapped[str] = mapped_column(info=NONE)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    browser: Mapped[str] = mapped_column(server_default="", info=PSEUDONYM)
    device_hash: Mapped[bytes | None] = mapped_column(info=SECRET)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    last_seen_at: Mapped[datetime] = mapped_column(info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    revoked_at: Mapped[datetime | None] = mapped_column(info=NONE)
    disowned_at: Mapped[datetime | None] = mapped_column(info=NONE)


class HalfSignIn(TenantRow, Base):
    """A sign-in whose password was right and whose second factor is still asked for."""

    __tablename__ = "half_sign_in"
    __table_args__ = (merchant_fk(), Index(None, "expires_at"))
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    attempts: Mapped[int] = mapped_column(server_default="0", info=NONE)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)
    used_at: Mapped[datetime | None] = mapped_column(info=NONE)


class MemberLink(TenantRow, Base):
    """A single-use link to a member's mailbox. kind: reset, email (confirm a new address), alarm (not me).

    No reference to the merchant: a reset for an unknown address writes the same row under a made-up tenant.
    """

    __tablename__ = "member_link"
    __table_args__ = (
        Index(None, "expires_at"),
        CheckConstraint("kind IN ('reset', 'email', 'alarm')", name="kind_known"),
    )
    kind: Mapped[str] = mapped_column(info=NONE)
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    token_hash: Mapped[bytes] = mapped_column(info=SECRET)
    email: Mapped[str | None] = mapped_column(info=PERSONAL)
    session_id: Mapped[UUID | None] = mapped_column(info=PSEUDONYM)
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
    """How many sign-ins (or mails) were tried since window_start; key is an HMAC of the e-mail or the address.

    It has no tenant: an unknown e-mail is counted like a known one. Reserved before anything is verified.
    """

    __tablename__ = "sign_in_limit"
    __table_args__ = (Index(None, "window_start"),)
    kind: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    key: Mapped[bytes] = mapped_column(primary_key=True, info=PSEUDONYM)
    window_start: Mapped[datetime] = mapped_column(info=NONE)
    attempts: Mapped[int] = mapped_column(info=NONE)

"""What a member signs in with besides the password: an app's secret, passkeys, recovery codes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, PERSONAL, PSEUDONYM, SECRET, Base, TenantRow, merchant_fk

SEALED = {"privacy": "sealed"}


class MemberTotp(Base):
    """A member's authenticator app. It counts once confirmed_at is set; last_step is the newest code used.

    begun_in: HMAC of the session, or of the half sign-in, that drew the secret; nobody else is shown or confirms it.
    """

    __tablename__ = "member_totp"
    __table_args__ = (merchant_fk(),)
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    member_id: Mapped[UUID] = mapped_column(primary_key=True, info=PSEUDONYM)
    sealed_secret: Mapped[bytes] = mapped_column(info=SEALED)
    begun_in: Mapped[bytes] = mapped_column(server_default=text("'\\x'"), info=SECRET)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    confirmed_at: Mapped[datetime | None] = mapped_column(info=NONE)
    last_step: Mapped[int | None] = mapped_column(info=NONE)
    last_used_at: Mapped[datetime | None] = mapped_column(info=NONE)


class RecoveryCode(TenantRow, Base):
    """One recovery code, kept as an HMAC: a stolen dump without the keys cannot even try codes."""

    __tablename__ = "recovery_code"
    __table_args__ = (merchant_fk(), UniqueConstraint("merchant_id", "member_id", "code_hash"))
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    code_hash: Mapped[bytes] = mapped_column(info=SECRET)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    used_at: Mapped[datetime | None] = mapped_column(info=NONE)


class Passkey(TenantRow, Base):
    """A passkey: a public key, the authenticator's name for it and its counter. name: the member's own word.

    blocked_at: the counter went backwards, so that a copy may be in use; it signs in no more.
    """

    __tablename__ = "passkey"
    __table_args__ = (
        merchant_fk(),
        UniqueConstraint("merchant_id", "credential_id"),
        Index(None, "merchant_id", "member_id"),
    )
    member_id: Mapped[UUID] = mapped_column(info=PSEUDONYM)
    name: Mapped[str] = mapped_column(info=PERSONAL)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, info=PSEUDONYM)
    public_key: Mapped[bytes] = mapped_column(LargeBinary, info=NONE)
    sign_count: Mapped[int] = mapped_column(info=NONE)
    transports: Mapped[list[str]] = mapped_column(ARRAY(Text), info=NONE)
    is_synced: Mapped[bool] = mapped_column(info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)
    last_used_at: Mapped[datetime | None] = mapped_column(info=NONE)
    blocked_at: Mapped[datetime | None] = mapped_column(info=NONE)


class PasskeyChallenge(Base):
    """A random question to an authenticator, answered once. bound_to: HMAC of purpose and of who may answer.

    It has no tenant: whoever opens the sign-in page is asked before anybody knows who it is.
    """

    __tablename__ = "passkey_challenge"
    __table_args__ = (Index(None, "expires_at"),)
    challenge_hash: Mapped[bytes] = mapped_column(primary_key=True, info=SECRET)
    bound_to: Mapped[bytes] = mapped_column(info=SECRET)
    expires_at: Mapped[datetime] = mapped_column(info=NONE)

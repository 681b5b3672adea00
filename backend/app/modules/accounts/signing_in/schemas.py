"""JSON in and out of sessions and resets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from app.modules.accounts.models import MerchantSession
from app.modules.accounts.schemas import Password, Strict, Token
from app.utils.validators import Email


class SignInRequest(Strict):
    """Who signs in."""

    email: Annotated[str, StringConstraints(max_length=254)] = Field(examples=["owner@coffeelux.example"])
    password: Password = Field(examples=["plum-orchard-tandem-42"])
    totp: Annotated[str, StringConstraints(max_length=20)] | None = Field(
        None, description="One-time code, where the account asks for one.", repr=False
    )


class SessionRow(BaseModel):
    """An open session of the signed-in member."""

    id: UUID
    browser: str = Field(examples=["Firefox, Windows"])
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def from_row(cls, row: MerchantSession, *, current_id: UUID | None) -> SessionRow:
        """Return the answer for a row."""
        return cls(
            id=row.id,
            browser=row.browser,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            current=row.id == current_id,
        )


class SessionList(BaseModel):
    """All open sessions, the one used last first."""

    sessions: list[SessionRow]


class ResetRequest(Strict):
    """Whose password is to be chosen anew."""

    email: Email = Field(examples=["owner@coffeelux.example"])


class NewPasswordRequest(Strict):
    """The token of the mail and the password wanted."""

    token: Token
    password: Password = Field(examples=["plum-orchard-tandem-42"])


class NewPasswordForm(Strict):
    """The page's form: the token is in a cookie."""

    password: Password

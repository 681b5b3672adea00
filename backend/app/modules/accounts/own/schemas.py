"""JSON in and out of the own account."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from app.modules.accounts.schemas import Password, Strict, Token
from app.utils.validators import Email, Name


class AccountAnswer(BaseModel):
    """The signed-in member."""

    id: UUID
    email: str
    name: str
    role: str
    store_ids: list[UUID]
    staff_id: UUID | None


class NameRequest(Strict):
    """How the team calls the member."""

    name: Name = Field(examples=["Anna"])


class PasswordChange(Strict):
    """The password of until now and the one wanted."""

    current_password: Password
    password: Password = Field(examples=["plum-orchard-tandem-42"])


class AddressChange(Strict):
    """The address wanted, and the password."""

    email: Email = Field(examples=["anna@coffeelux.example"])
    current_password: Password


class LinkRequest(Strict):
    """The token at the end of the link in the mail."""

    token: Token

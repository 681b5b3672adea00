"""JSON in and out of merchants, sessions and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.modules.merchants.models import ApiKey, MerchantSession
from app.utils.validators import Currency, Email, HexColor, Locale, Name, TimeZone

PASSWORD_INPUT_MAX = 1_000
Password = Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_INPUT_MAX), Field(repr=False)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=300), Field(repr=False)]


class Strict(BaseModel):
    """A body in which an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class SignUpRequest(Strict):
    """A business that wants to begin."""

    name: Name = Field(examples=["CoffeeLux"])
    email: Email = Field(examples=["owner@coffeelux.example"])
    password: Password = Field(examples=["plum-orchard-tandem-42"])
    locale: Locale | None = Field(None, description="Language of the account; default: of the request.")


class SignUpAnswer(BaseModel):
    """The same for every address: the rest is in the mailbox."""

    status: str = Field("look_in_your_mailbox", examples=["look_in_your_mailbox"])


class ConfirmRequest(Strict):
    """The token at the end of the link in the mail."""

    token: Token


class MerchantAnswer(BaseModel):
    """The business an account belongs to."""

    id: UUID
    name: str


class SignInRequest(Strict):
    """Who signs in."""

    email: Annotated[str, StringConstraints(max_length=254)] = Field(examples=["owner@coffeelux.example"])
    password: Password = Field(examples=["plum-orchard-tandem-42"])
    totp: Annotated[str, StringConstraints(max_length=20)] | None = Field(
        None, description="One-time code, where the account asks for one.", repr=False
    )


class SessionAnswer(BaseModel):
    """The session that was opened; its secret is in the cookie only."""

    session_id: UUID
    merchant_id: UUID


class SessionRow(BaseModel):
    """An open session of the signed-in member."""

    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def from_row(cls, row: MerchantSession, *, current_id: UUID | None) -> SessionRow:
        """Return the answer for a row."""
        return cls(
            id=row.id,
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


class ApiKeyRequest(Strict):
    """A key for an integration."""

    name: Name = Field(examples=["Till at Gare"])
    scopes: Annotated[
        list[Annotated[str, StringConstraints(max_length=80)]], Field(min_length=1, max_length=100)
    ] = Field(examples=[["stamps.give"]])


class ApiKeyRow(BaseModel):
    """A key as it is listed: never its secret."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def from_row(cls, row: ApiKey) -> ApiKeyRow:
        """Return the answer for a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ApiKeyMade(ApiKeyRow):
    """A new key, shown this once."""

    key: str = Field(examples=["sk_0199…_0199…_…"])


class ApiKeyList(BaseModel):
    """All keys, usable ones first."""

    api_keys: list[ApiKeyRow]


class Branding(Strict):
    """The colours of a business."""

    palette: Literal["forest", "plum", "night", "brick", "paper"] | None = None
    background_color: HexColor | None = None
    foreground_color: HexColor | None = None
    accent_color: HexColor | None = None


class MerchantChanges(Strict):
    """What a business may change about itself; fields left out stay."""

    name: Name | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    currency: Currency | None = None
    branding: Branding | None = None

    def to_changes(self) -> dict[str, Any]:
        """Return the columns to change; a field sent as null stays as it is."""
        return {name: value for name, value in self.model_dump(exclude_none=True).items()}


class MerchantDetails(BaseModel):
    """A business as its members see it."""

    id: UUID
    name: str
    slug: str
    locale: str
    time_zone: str
    currency: str
    branding: dict[str, str]


class NewPasswordForm(Strict):
    """The page's form: the token is in a cookie."""

    password: Password

"""JSON in and out of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from app.modules.accounts.models import ApiKey
from app.modules.accounts.schemas import Strict
from app.utils.validators import Name


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

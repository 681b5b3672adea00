"""What the JSON of several parts shares."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PASSWORD_INPUT_MAX = 1_000
PasswordText = Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_INPUT_MAX)]
Password = Annotated[PasswordText, Field(repr=False)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=300), Field(repr=False)]


class Strict(BaseModel):
    """A body in which an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class MailAnswer(BaseModel):
    """The same for every address: the rest is in the mailbox."""

    status: str = Field("look_in_your_mailbox", examples=["look_in_your_mailbox"])


class SessionAnswer(BaseModel):
    """The session that was opened; its secret is in the cookie only."""

    session_id: UUID
    merchant_id: UUID

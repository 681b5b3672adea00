"""What cards takes and answers over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from app.kernel.errors import Invalid
from app.kernel.i18n import current
from app.modules.customers.public import Birthday, CustomerDetails, parse_birthday
from app.utils.validators import Locale, OptionalEmail, OptionalLine, OptionalPhone


class PassCreateRequest(BaseModel):
    """Make a card. Everything besides the store is optional; consent counts only together with an address."""

    model_config = ConfigDict(extra="forbid")
    store_id: UUID
    name: OptionalLine = None
    email: OptionalEmail = Field(None, examples=["ada@example.com"])
    email_consent: StrictBool = False
    phone: OptionalPhone = Field(None, examples=["+352 621 123 456"])
    birthday: Annotated[str, StringConstraints(max_length=10)] | None = Field(
        None, description="1990-05-17, or 05-17 without a year", examples=["1990-05-17", "05-17"]
    )
    locale: Locale | None = Field(None, description="Default: the language of the request")

    def to_details(self, *, today: date) -> CustomerDetails:
        """Return the details; raises Invalid for a day that does not exist."""
        return CustomerDetails(
            name=self.name,
            email=self.email,
            phone=self.phone,
            birthday=read_birthday(self.birthday, today=today),
            locale=self.locale or current().language,
            email_consent=self.email_consent,
        )


def read_birthday(text: str | None, *, today: date) -> Birthday | None:
    """Return the birthday in a text, None for an empty one; raises Invalid."""
    if not (text or "").strip():
        return None
    try:
        return parse_birthday(text or "", today=today)
    except ValueError as error:
        problem = {"field": "body.birthday", "message": str(error), "type": "value_error"}
        raise Invalid(extra={"errors": [problem]}) from error


class PassCreated(BaseModel):
    """A fresh card. The URLs carry its token: whoever has one can see the card, and nothing more."""

    pass_id: UUID
    card_number: str = Field(examples=["7K3QF0M2XW9P"])
    card_url: str = Field(description="The card in the browser")
    add_to_wallet_url: str = Field(description="Google Wallet; the card in the browser until that is set up")
    apple_wallet_url: str = Field(description="The signed Apple pass, where Apple Wallet is set up")

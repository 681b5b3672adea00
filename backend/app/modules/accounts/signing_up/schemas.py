"""JSON in and out of sign-ups."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from app.modules.accounts.schemas import Password, PasswordText, Strict, Token
from app.utils.validators import Email, Locale, Name

InvitationText = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class SignUpRequest(Strict):
    """A business that wants to begin."""

    name: Name = Field(examples=["CoffeeLux"])
    email: Email = Field(examples=["owner@coffeelux.example"])
    password: Password = Field(examples=["plum-orchard-tandem-42"])
    locale: Locale | None = Field(None, description="Language of the account; default: of the request.")
    invitation: InvitationText | None = Field(
        None,
        repr=False,
        description="Token at the end of an operator's link, where only the invited may sign up.",
    )


class ConfirmRequest(Strict):
    """The token at the end of the link in the mail, and a password where another client has signed up."""

    token: Token
    password: PasswordText | None = Field(None, repr=False, examples=["plum-orchard-tandem-42"])


class ConfirmForm(Strict):
    """The page's form: the token is in a cookie; the password only where the page asks for one."""

    password: PasswordText | None = Field(None, repr=False)

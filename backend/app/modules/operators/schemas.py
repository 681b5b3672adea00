"""What the operator's forms bring."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Short = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class Form(BaseModel):
    """A form in which an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class SignInForm(BaseModel):
    """Name, password and the app's code, all at once."""

    name: Short
    password: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] = Field(repr=False)
    code: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(repr=False)


class InvitationForm(Form):
    """An invitation to sign up. note: for whom it is."""

    note: Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True)]


class KindForm(Form):
    """Given-up work of one kind, or of all. kind: empty for all."""

    kind: Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9_.]*$")] = ""

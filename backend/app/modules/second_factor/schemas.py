"""What the pages send: forms, and the one JSON body of a passkey's options."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from app.modules.second_factor.passkeys.ceremonies import CREDENTIAL_LENGTH_MAX
from app.modules.second_factor.rules import PASSKEY_NAME_LENGTH_MAX

Password = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# Six digits, or a recovery code with its dashes and the spaces of a paste.
Code = Annotated[str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True)]
OptionalCode = Annotated[str, StringConstraints(max_length=40, strip_whitespace=True)]
PasskeyName = Annotated[str, StringConstraints(max_length=PASSKEY_NAME_LENGTH_MAX, strip_whitespace=True)]
Credential = Annotated[str, StringConstraints(min_length=2, max_length=CREDENTIAL_LENGTH_MAX)]


class Form(BaseModel):
    """Base: nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid")


class PasswordForm(Form):
    """A change that asks for the password again."""

    password: Password


class ProofForm(Form):
    """A change that asks for the password and, where there is an app, for a code."""

    password: Password
    code: OptionalCode = ""


class CodeForm(Form):
    """A code, of the app or for recovery."""

    code: Code


class PasskeyForm(Form):
    """A new passkey: its name and what the browser made."""

    name: PasskeyName = ""
    credential: Credential


class NameForm(Form):
    """A passkey's new name."""

    name: Annotated[PasskeyName, StringConstraints(min_length=1)]


class AnswerForm(Form):
    """What a passkey proved."""

    credential: Credential


class CodesForm(Form):
    """Recovery codes to be saved as a file, as they were just shown."""

    codes: Annotated[str, StringConstraints(min_length=1, max_length=400)]


class RequiredForm(Form):
    """Whether everyone needs a second factor."""

    required: bool = False

"""What the customer's forms bring, read so that a mistake comes back beside its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.modules.customers.public import Birthday, CustomerDetails, EmailOffer, make_birthday
from app.utils.validators import Email, OptionalEmail, OptionalLine, OptionalPhone

# A key made by us for each shown form; anything shorter was made by somebody else and is not used.
FORM_KEY_LENGTH_MIN = 20
FORM_KEY_LENGTH_MAX = 100
VALUE_LENGTH_MAX = 500

MESSAGES: Mapping[str, str] = {
    "name": msg("This name is too long."),
    "email": msg("This address is not complete."),
    "phone": msg("This does not look like a phone number."),
    "birthday": msg("There is no such day."),
}


async def read_form(request: Request) -> dict[str, str]:
    """Return the texts of a form; files and anything beyond the length limit are left out."""
    form = await request.form()
    return {
        key: value for key, value in form.items() if isinstance(value, str) and len(value) <= VALUE_LENGTH_MAX
    }


FormDep = Annotated[dict[str, str], Depends(read_form)]


def form_key(form: Mapping[str, str]) -> str | None:
    """Return the hidden key of a shown form."""
    key = form.get("idempotency_key", "")
    is_ours = key.isascii() and key.isprintable() and FORM_KEY_LENGTH_MIN <= len(key) <= FORM_KEY_LENGTH_MAX
    return key if is_ours else None


def is_ticked(form: Mapping[str, str], name: str) -> bool:
    """Tell whether a checkbox was ticked."""
    return form.get(name) == "true"


@dataclass(frozen=True)
class FormErrors:
    """What is wrong, by field, in the reader's language; values: what was typed, to show it again."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


class _JoinFields(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: OptionalLine = None
    email: OptionalEmail = None
    phone: OptionalPhone = None


class _EmailField(BaseModel):
    model_config = ConfigDict(extra="ignore")
    email: Email


def read_join(form: Mapping[str, str], *, locale: str, today: date) -> CustomerDetails | FormErrors:
    """Return what a visitor told about themselves, or what is wrong with it."""
    errors: dict[str, str] = {}
    fields = _JoinFields()
    try:
        fields = _JoinFields.model_validate(form)
    except ValidationError as error:
        errors |= _messages(error)
    birthday = None
    try:
        birthday = read_birthday(form, today=today)
    except ValueError:
        wrong = MESSAGES["birthday"]
        errors["birthday"] = _(wrong)
    if errors:
        return FormErrors(form, errors)
    consent = is_ticked(form, "email_consent")
    return CustomerDetails(fields.name, fields.email, fields.phone, birthday, locale, consent)


def read_birthday(form: Mapping[str, str], *, today: date) -> Birthday | None:
    """Return the birthday of three fields, None where none is filled in; raises ValueError."""
    parts = [form.get(f"birthday_{name}", "").strip() for name in ("day", "month", "year")]
    if not any(parts):
        return None
    if not all(part.isascii() and part.isdecimal() and len(part) <= 4 for part in parts if part):
        raise ValueError("a birthday is made of numbers")
    day, month, year = (int(part or 0) for part in parts)
    return make_birthday(day=day, month=month, year=year or None, today=today)


def read_email(form: Mapping[str, str], *, source: str) -> EmailOffer | FormErrors:
    """Return the address a customer gives on their card page, or what is wrong with it."""
    try:
        email = _EmailField.model_validate(form).email
    except ValidationError as error:
        return FormErrors(form, _messages(error))
    return EmailOffer(email, consent=is_ticked(form, "email_consent"), source=source)


def _messages(error: ValidationError) -> dict[str, str]:
    names: list[Any] = [item["loc"][0] for item in error.errors()]
    return {str(name): _(MESSAGES[str(name)]) for name in names}

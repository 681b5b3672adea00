"""What holders type about themselves, read so that a mistake comes back beside its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from app.kernel.i18n import LANGUAGES, current, msg
from app.kernel.i18n import gettext as _
from app.modules.customers.public import Birthday, CustomerDetails, make_birthday
from app.utils.validators import OptionalEmail, OptionalLine, OptionalPhone

VALUE_LENGTH_MAX = 500
MESSAGES: Mapping[str, str] = {
    "name": msg("This name is too long."),
    "email": msg("This address is not complete."),
    "phone": msg("This does not look like a phone number."),
    "birthday": msg("There is no such day."),
}


@dataclass(frozen=True)
class DetailsForm:
    """What was typed; details: what it means, None where something is wrong (errors by field)."""

    values: Mapping[str, str]
    details: CustomerDetails | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


class _Fields(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: OptionalLine = None
    email: OptionalEmail = None
    phone: OptionalPhone = None


async def read_details(request: Request, *, today: date) -> DetailsForm:
    """Read the form of the details."""
    sent = await request.form()
    form = {
        key: value for key, value in sent.items() if isinstance(value, str) and len(value) <= VALUE_LENGTH_MAX
    }
    errors: dict[str, str] = {}
    fields, birthday = _Fields(), None
    try:
        fields = _Fields.model_validate(form)
    except ValidationError as error:
        names = [str(item["loc"][0]) for item in error.errors()]
        errors = {name: _(MESSAGES[name]) for name in names}
    try:
        birthday = _birthday(form, today=today)
    except ValueError:
        wrong = MESSAGES["birthday"]
        errors["birthday"] = _(wrong)
    if errors:
        return DetailsForm(form, None, errors)
    locale = form.get("locale", "")
    language = locale if locale in LANGUAGES else current().language
    return DetailsForm(form, CustomerDetails(fields.name, fields.email, fields.phone, birthday, language))


def _birthday(form: Mapping[str, str], *, today: date) -> Birthday | None:
    parts = [form.get(f"birthday_{name}", "").strip() for name in ("day", "month", "year")]
    if not any(parts):
        return None
    if not all(part.isascii() and part.isdecimal() and len(part) <= 4 for part in parts if part):
        raise ValueError("a birthday is made of numbers")
    day, month, year = (int(part or 0) for part in parts)
    return make_birthday(day=day, month=month, year=year or None, today=today)

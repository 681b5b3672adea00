"""A page form read with the same schema as its JSON twin; mistakes come back in words beside the fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from app.kernel.errors import AppError
from app.kernel.i18n import gettext as _

M = TypeVar("M", bound=BaseModel)
_WHOLE = re.compile(r"-?[0-9]{1,12}", re.ASCII)
FORM_ONLY = frozenset({"csrf", "idempotency_key"})


@dataclass
class FormInput(Generic[M]):
    """What was typed (values), what is wrong with it (errors by field), and what it means when nothing is."""

    values: dict[str, Any]
    data: M | None
    errors: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    def refuse(self, error: AppError) -> None:
        """Take over what a use case found wrong with the fields; anything else is raised on."""
        fields = error.extra.get("fields")
        if not isinstance(fields, Mapping):
            raise error
        self.errors.update({str(name): str(text) for name, text in fields.items()})


async def read_form(
    request: Request,
    schema: type[M],
    *,
    convert: Mapping[str, Callable[[str], Any]] | None = None,
    lists: tuple[str, ...] = (),
) -> FormInput[M]:
    """Read the request's form into a schema.

    convert: what turns a field's text into what the schema takes. lists: fields that may come several times.
    """
    form = await request.form()
    values: dict[str, Any] = {}
    for name in form:
        if name in FORM_ONLY:
            continue
        texts = [value for value in form.getlist(name) if not isinstance(value, UploadFile)]
        values[name] = texts if name in lists else texts[-1] if texts else ""
    converters = dict(convert or {})
    raw = {name: converters[name](value) if name in converters else value for name, value in values.items()}
    known = {name: value for name, value in raw.items() if name in schema.model_fields}
    found: FormInput[M] = FormInput(values, None, key=_form_key(form.get("idempotency_key")))
    try:
        found.data = schema.model_validate(known)
    except ValidationError as error:
        found.errors = {str(row["loc"][0]) if row["loc"] else "": _plain(row) for row in error.errors()}
    return found


def _form_key(value: object) -> str | None:
    """Return the form's key; what we never wrote there (NUL, which PostgreSQL refuses) is none."""
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        return None
    return value[:200] or None


def whole(value: str) -> int | str:
    """Turn typed digits into a number; anything else stays text, which the schema refuses."""
    text = value.strip()
    return int(text) if _WHOLE.fullmatch(text) else text


def whole_or_none(value: str) -> int | str | None:
    """Turn typed digits into a number and an empty field into None."""
    return whole(value) if value.strip() else None


def text_or_none(value: str) -> str | None:
    """Turn an empty field into None."""
    return value if value.strip() else None


def decimal_text(value: str) -> str:
    """Accept the comma that most of our readers type in numbers."""
    return value.strip().replace(",", ".", 1)


def yes(value: str) -> bool:
    """Turn a ticked box into True."""
    return value == "true"


def _plain(row: Any) -> str:
    kind, context = str(row["type"]), row.get("ctx") or {}
    if kind in {"missing", "string_too_short", "too_short"} or row.get("input") in {"", None}:
        return _("Please fill this in.")
    if kind in {"string_too_long", "too_long"}:
        return _("This is too long.")
    if kind == "greater_than_equal":
        return _("The smallest number possible is %(number)s.", number=context["ge"])
    if kind == "less_than_equal":
        return _("The largest number possible is %(number)s.", number=context["le"])
    if kind.startswith(("int", "decimal", "float", "greater", "less")):
        return _("Please enter a number that fits.")
    return _("This cannot be used.")

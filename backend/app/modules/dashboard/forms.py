"""Reading a page's form into a model, with the messages its fields show."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from app.kernel.i18n import gettext as _

M = TypeVar("M", bound=BaseModel)


class Blanks(dict[str, Any]):
    """Values of a form's fields; one that was not given is empty rather than an error in the template."""

    def __missing__(self, name: str) -> str:
        """Return nothing for a field that was not given."""
        return ""


async def read_form(request: Request, model: type[M]) -> M | dict[str, str]:
    """Return the form as the model, or one message a field that is not right."""
    values = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        return {str(problem["loc"][0]): _message(problem) for problem in error.errors() if problem["loc"]}


def _message(problem: Any) -> str:
    given = problem.get("input")
    is_empty = isinstance(given, str) and not given.strip()
    return message_of("missing" if is_empty else problem["type"])


def message_of(kind: str) -> str:
    """Return the plain words for a kind of mistake."""
    if kind in {"missing", "string_too_short"}:
        return _("Please fill this in.")
    if kind == "string_too_long":
        return _("That is too long.")
    if kind.startswith(("greater_than", "less_than", "int_", "decimal_")):
        return _("Please enter a number that is possible here.")
    return _("That cannot be used here.")

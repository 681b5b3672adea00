"""What the pages before the dashboard share: a form shown again, and a mail's token moved out of the address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import Request, Response

from app.kernel.errors import CODES
from app.kernel.outcomes import Refusal
from app.kernel.web.cookies import set_cookie
from app.kernel.web.form_input import FormInput
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text, retry_headers
from app.kernel.web.templates import render
from app.modules.accounts.passwords import weakness_text
from app.modules.accounts.rules import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN

# The token of a mail leaves the address at once: it would else stand in histories and be sent as a referrer.
LINK_COOKIE_AGE = timedelta(hours=1)
LINK_LENGTH_MAX = 300
HOME = "/dashboard"


def form_page(
    request: Request,
    template: str,
    form: FormInput[Any] | None = None,
    *,
    refusal: Refusal | None = None,
    **context: Any,
) -> Response:
    """Show a form, with what was typed (never a password) and what is wrong with it."""
    values = {name: value for name, value in (form.values if form else {}).items() if "password" not in name}
    errors = dict(form.errors) if form else {}
    status, headers = (422 if errors else 200), {}
    if refusal is not None:
        status, headers = CODES[refusal.code].status, retry_headers(request, refusal.retry_at)
    if refusal is not None and refusal.code == "weak_password":
        errors["password"] = weakness_text(refusal)
    elif refusal is not None:
        context["problem"] = refusal_text(refusal)
    lengths = {"password_length": PASSWORD_LENGTH_MIN, "password_length_max": PASSWORD_LENGTH_MAX}
    context |= {"values": values, "errors": errors, **lengths}
    return render(request, template, {"problem": "", **context}, status_code=status, headers=headers)


def keep_token(request: Request, cookie: str, *, token: str, target: str) -> Response:
    """Put a mail's token into a cookie and lead to the page that asks for the click."""
    response = redirect(request, target)
    # Ours are ASCII; anything else would not fit into a header and opens nothing anyway.
    kept = token[:LINK_LENGTH_MAX] if token.isascii() else ""
    set_cookie(request, response, cookie, kept, max_age=LINK_COOKIE_AGE)
    return response

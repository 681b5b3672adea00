"""Every refusal and error as one shape: RFC 9457 for programs, plain words on a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any
from urllib.parse import urlencode

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from app.kernel.errors import CODES, AppError
from app.kernel.i18n import gettext as _
from app.kernel.observability import get_logger, scrub_text
from app.kernel.outcomes import Refusal

PROBLEM_TYPE = "application/problem+json"
FIELD_ERRORS_MAX = 20
FIELD_NAME_LENGTH_MAX = 80
FIELD_MESSAGE_LENGTH_MAX = 200
RETRY_AFTER_MAX_SECONDS = 86_400
BUSY_RETRY_SECONDS = 1

# The database is reachable again, or less busy, in a moment: connections, locks, deadlocks, cancelled
# statements. Source: PostgreSQL 18 manual, appendix A, read November 2026.
BUSY_SQLSTATES = frozenset(
    {"40001", "40P01", "55P03", "57014", "53300", "53200", "57P01", "57P02", "57P03", "25006"}
)
BUSY_SQLSTATE_CLASS = "08"

STATUS_CODES = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
STATUS_CODES |= {413: "too_large", 415: "unsupported_media_type", 422: "invalid", 429: "rate_limited"}
STATUS_CODES |= {503: "unavailable"}

# Below these addresses a person whose session is over is led to sign in.
SIGN_IN_PAGES = {"/dashboard": "/sign-in", "/operator": "/operator/sign-in"}
MEMBER_ROUTE_CODES = ("business_closed",)
ANY_ROUTE_CODES = ("invalid", "rate_limited", "unavailable")
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable; programs decide by it."},
        "retry_at": {"type": "string", "format": "date-time", "description": "Where waiting helps."},
    },
    "additionalProperties": True,
}

log = get_logger("stempel.web")


def problem_body(
    code: str, *, status: int, retry_at: datetime | None = None, extra: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return the members of a problem: stable code, title in the reader's language, facts of this case."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _(CODES[code].title),
        "status": status,
        "code": code,
    }
    if retry_at is not None:
        body["retry_at"] = retry_at.isoformat().replace("+00:00", "Z")
    return {**(extra or {}), **body}


def error_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's errors: per status the codes, each with an example.

    Use as `responses=error_responses("not_found", "too_soon")`; what any route may answer is added, and what any
    route of a member may.
    """
    by_status: dict[int | str, dict[str, Any]] = {}
    members = MEMBER_ROUTE_CODES if "forbidden" in codes else ()
    for code in dict.fromkeys((*codes, *members, *ANY_ROUTE_CODES)):
        status, title = CODES[code].status, CODES[code].title
        example = {"type": "about:blank", "title": title, "status": status, "code": code}
        response = by_status.setdefault(
            status, {"content": {PROBLEM_TYPE: {"schema": PROBLEM_SCHEMA, "examples": {}}}}
        )
        response["content"][PROBLEM_TYPE]["examples"][code] = {"summary": title, "value": example}
        listed = ", ".join(f"`{name}`" for name in response["content"][PROBLEM_TYPE]["examples"])
        response["description"] = f"Problem (RFC 9457) with the code {listed}"
    return by_status


def problem_bytes(code: str, *, status: int) -> bytes:
    """Return a problem as bytes, for answers given before the application is reached."""
    return json.dumps(problem_body(code, status=status), ensure_ascii=False).encode()


def retry_headers(request: Request, retry_at: datetime | None) -> dict[str, str]:
    """Return Retry-After for a moment: whole seconds from now, at least one, at most a day."""
    if retry_at is None:
        return {}
    seconds = ceil((retry_at - request.app.state.clock.now()).total_seconds())
    return {"retry-after": str(min(max(seconds, 1), RETRY_AFTER_MAX_SECONDS))}


def wants_page(request: Request) -> bool:
    """Tell whether a person's browser asked, rather than a program."""
    accept = request.headers.get("accept", "")
    return "text/html" in accept and "application/problem+json" not in accept


def refusal_response(
    request: Request, refusal: Refusal, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a refusal as problem+json; the transaction commits, because it is returned and not raised."""
    status = CODES[refusal.code].status
    body = problem_body(refusal.code, status=status, retry_at=refusal.retry_at, extra=refusal.extra)
    return _json(body, status, {**retry_headers(request, refusal.retry_at), **(headers or {})})


def refusal_text(refusal: Refusal) -> str:
    """Return the plain words of a refusal in the reader's language."""
    return _(CODES[refusal.code].title)


def _json(body: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    content = json.dumps(body, ensure_ascii=False, default=str).encode()
    return Response(content, status_code=status, media_type=PROBLEM_TYPE, headers=dict(headers))


def _answer(
    request: Request,
    code: str,
    *,
    status: int,
    retry_at: datetime | None = None,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the problem as the caller wants it, JSON or a page."""
    all_headers = {**retry_headers(request, retry_at), **(headers or {})}
    if not wants_page(request):
        return _json(problem_body(code, status=status, retry_at=retry_at, extra=extra), status, all_headers)
    # Imported here: the templates' module is heavy and a program's answer does not need it.
    from app.kernel.web.templates import is_htmx, render  # noqa: PLC0415

    if is_htmx(request):
        # A piece of a page cannot hold the error; it takes the page's place.
        all_headers |= {"hx-retarget": "body", "hx-reswap": "innerHTML"}
    title = _(CODES[code].title)
    reference = getattr(request.state, "request_id", "") if status >= 500 else ""
    context = {"status": status, "code": code, "title": title, "request_id": reference}
    return render(request, "error.html", context, status_code=status, headers=all_headers)


def field_errors(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Return where and what is wrong, without the values that were sent."""
    return [
        {
            "field": ".".join(str(part) for part in error["loc"])[:FIELD_NAME_LENGTH_MAX],
            "message": scrub_text(str(error["msg"]))[:FIELD_MESSAGE_LENGTH_MAX],
            "type": str(error["type"]),
        }
        for error in errors[:FIELD_ERRORS_MAX]
    ]


def is_busy(error: BaseException) -> bool:
    """Tell whether the database was out of reach or out of patience, rather than our request wrong."""
    # InternalClientError: a line that was cut in the middle of a statement.
    lines = (asyncpg.InterfaceError, asyncpg.InternalClientError)
    if isinstance(error, (PoolTimeout, ConnectionError, TimeoutError, *lines)):
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(sqlstate, str):
        return False
    return sqlstate in BUSY_SQLSTATES or sqlstate.startswith(BUSY_SQLSTATE_CLASS)


async def _on_app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    sign_in = next((page for start, page in SIGN_IN_PAGES.items() if request.url.path.startswith(start)), "")
    if error.code == "unauthenticated" and sign_in and wants_page(request):
        return _to_sign_in(request, sign_in)
    return _answer(request, error.code, status=error.status, retry_at=error.retry_at, extra=error.extra)


def _to_sign_in(request: Request, page: str) -> Response:
    """Send a person whose session is over to sign in, and back to the page they wanted."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"{page}?{urlencode({'next': wanted})}" if request.method == "GET" else page
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": target})
    return RedirectResponse(target, status_code=303)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, "invalid", status=422, extra={"errors": field_errors(error.errors())})


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # FastAPI says 400 for a body it cannot parse; here every unusable input is 422 invalid.
    status = 422 if error.status_code == 400 else error.status_code
    code = STATUS_CODES.get(status)
    if code is None:
        status, code = (500, "internal") if status >= 500 else (422, "invalid")
    return _answer(request, code, status=status, headers=error.headers)


async def _on_database_error(request: Request, error: Exception) -> Response:
    if not is_busy(error):
        raise error
    log.warning("database_busy", reason=type(error).__name__)
    return answer_busy(request)


def answer_busy(request: Request) -> Response:
    """Return the answer to a request that there is no room for."""
    return _answer(request, "unavailable", status=503, headers={"retry-after": str(BUSY_RETRY_SECONDS)})


def answer_slow(request: Request) -> Response:
    """Return the answer to a request whose body did not arrive in time; the connection is of no use any more."""
    return _answer(request, "too_slow", status=408, headers={"connection": "close"})


def answer_unexpected(request: Request) -> Response:
    """Return the answer to a bug: no details, a reference to the log."""
    return _answer(request, "internal", status=500)


def install_problems(app: FastAPI) -> None:
    """Give the application its answers to errors."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    for kind in (
        DBAPIError,
        PoolTimeout,
        ConnectionError,
        TimeoutError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    ):
        app.add_exception_handler(kind, _on_database_error)

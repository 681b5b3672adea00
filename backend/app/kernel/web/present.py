"""From what a use case returned to an answer: refusals are answers like others, and their traces commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response

from app.kernel.errors import CODES
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.web.current import current_request
from app.kernel.web.problems import refusal_response, refusal_text, retry_headers
from app.kernel.web.templates import is_htmx, render, render_fragment

T = TypeVar("T")
REPLAY_HEADER = "idempotency-replayed"


def present_json(
    outcome: T | Refusal | Replay, mapper: Callable[[T], BaseModel | Mapping[str, Any]], *, status: int = 201
) -> Response:
    """Answer with the mapped outcome, the stored answer of a repeated request, or the refusal's problem."""
    if isinstance(outcome, Refusal):
        return refusal_response(current_request(), outcome)
    if isinstance(outcome, Replay):
        return json_response(outcome.answer, status=status, headers={REPLAY_HEADER: "true"})
    return json_response(mapper(outcome), status=status)


def json_response(
    value: BaseModel | Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON."""
    # pydantic writes UUIDs, moments and decimals the same way for models and for plain mappings.
    model = value if isinstance(value, BaseModel) else _Plain(value=dict(value))
    text = (
        model.model_dump_json()
        if isinstance(value, BaseModel)
        else model.model_dump_json()[len('{"value":') : -1]
    )
    return Response(text, status_code=status, media_type="application/json", headers=dict(headers or {}))


class _Plain(BaseModel):
    value: dict[str, Any]


def present_html(
    outcome: T | Refusal,
    *,
    granted: str,
    refused: str,
    context: Callable[[T], Mapping[str, Any]],
    refused_context: Mapping[str, Any] | None = None,
) -> HTMLResponse:
    """Answer with the page or fragment for the outcome.

    A template whose file name begins with an underscore is a fragment. The refused template gets `refusal`
    and `refusal_text` besides refused_context.
    """
    request = current_request()
    if isinstance(outcome, Refusal):
        values = {**(refused_context or {}), "refusal": outcome, "refusal_text": refusal_text(outcome)}
        headers = retry_headers(request, outcome.retry_at)
        return _render(request, refused, values, status_code=CODES[outcome.code].status, headers=headers)
    return _render(request, granted, context(outcome), status_code=200, headers={})


def _render(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status_code: int,
    headers: Mapping[str, str],
) -> HTMLResponse:
    is_fragment = template.rpartition("/")[2].startswith("_")
    answer = render_fragment if is_fragment and is_htmx(request) else render
    return answer(request, template, values, status_code=status_code, headers=headers)

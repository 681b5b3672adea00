"""The request at hand, for helpers whose callers should not have to pass it through."""

from __future__ import annotations

from contextvars import ContextVar

from fastapi import Request

_request: ContextVar[Request | None] = ContextVar("request", default=None)


def set_current_request(request: Request) -> None:
    """Remember the request for the rest of its handling."""
    _request.set(request)


def find_current_request() -> Request | None:
    """Return the request being handled, or None in a job or a command."""
    return _request.get()


def current_request() -> Request:
    """Return the request being handled; only inside one."""
    request = _request.get()
    assert request is not None, "there is no request here"
    return request

"""A span for each request: the route's template, the status, the number that the log has, too. No path, no query."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kernel.observability import METHODS, route_template
from app.kernel.tracing.spans import CURRENT, Span, Tracing
from app.kernel.web.admission import ALWAYS_SERVED, STATIC
from app.kernel.web.proxies import Network, comes_from_proxy

TRACEPARENT_LENGTH_MAX = 100


class TracingMiddleware:
    """Pure ASGI, just inside ObserveMiddleware, and there only where tracing is on."""

    def __init__(self, app: ASGIApp, *, tracing: Tracing, proxies: Sequence[Network]) -> None:
        self.app = app
        self._tracing = tracing
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, traced; what machines ask every few seconds is not."""
        if scope["type"] != "http" or scope["path"] in ALWAYS_SERVED or scope["path"].startswith(STATIC):
            await self.app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        request_id = scope["state"]["request_id"]
        attributes = {"http.request.method": method, "stempel.request_id": request_id}
        span = self._tracing.begin(
            method, kind="server", attributes=attributes, parent=self._believed_parent(scope)
        )
        # Taken off again with the request's number, after the log line that wants both.
        structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
        status = 500

        async def send_watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = CURRENT.set(span)
        try:
            await self.app(scope, receive, send_watching)
        finally:
            CURRENT.reset(token)
            _finish(span, method, route_template(scope), status)

    def _believed_parent(self, scope: Scope) -> str:
        """Return the trace that a proxy of ours has begun; a stranger's is nobody's business."""
        given = [value for name, value in scope["headers"] if name == b"traceparent"]
        if len(given) != 1 or len(given[0]) > TRACEPARENT_LENGTH_MAX:
            return ""
        return given[0].decode("latin-1") if comes_from_proxy(scope, self._proxies) else ""


def _finish(span: Span, method: str, route: str, status: int) -> None:
    if route.startswith("/"):
        span.rename(f"{method} {route}")
        span.note("http.route", route)
    span.note("http.response.status_code", status)
    if status >= 500:
        span.fail(str(status))
    span.finish()

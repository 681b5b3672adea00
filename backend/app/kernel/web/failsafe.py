"""The last net: an exception nobody expected becomes a logged 500 without details, or a clean break."""

from __future__ import annotations

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.kernel.observability import get_logger, route_template
from app.kernel.web.current import set_current_request
from app.kernel.web.problems import answer_unexpected, problem_bytes

log = get_logger("stempel.web")


class FailsafeMiddleware:
    """Pure ASGI, just around the application: the answer to a bug carries all protective headers, too."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; answer 500 for what the application let through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        set_current_request(Request(scope, receive))
        is_started = False

        async def send_watching(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_watching)
        except Exception as error:
            log.exception("request_failed", route=route_template(scope), exc_info=error)
            if is_started:
                # Half an answer is out: breaking the connection is the only honest end.
                raise
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = answer_unexpected(Request(scope, receive))
        except Exception as error:  # noqa: BLE001 (the error page itself is broken)
            log.exception("error_page_failed", exc_info=error)
            body = problem_bytes("internal", status=500)
            headers = [
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
            ]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await response(scope, receive, send)

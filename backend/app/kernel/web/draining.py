"""How a web process takes its leave: it says that it will, and lets go of each connection with the next answer."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSE = (b"connection", b"close")


class Drain:
    """Whether this process is about to end; one for each application."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Return whether load balancers and clients should go elsewhere."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Turn /readyz to 503, end streams, and close every connection behind its next answer."""
        self._begun.set()

    async def wait(self) -> None:
        """Wait until it begins; for what would otherwise go on for minutes."""
        await self._begun.wait()


class DrainMiddleware:
    """Pure ASGI. A client that is told to close sends its next request to another process, and loses none.

    Closing an idle connection is a guess: a request may be on its way on it. Closing behind an answer is not.
    """

    def __init__(self, app: ASGIApp, *, drain: Drain) -> None:
        self.app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request; once the end has begun, its connection is not used again."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._drain.has_begun:
                message["headers"] = [*message.get("headers", ()), CLOSE]
            await send(message)

        await self.app(scope, receive, send_closing)

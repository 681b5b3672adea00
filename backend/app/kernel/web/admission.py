"""How much a process takes on: so many requests at once, the rest is told at once to come back in a moment.

A queue without an end makes everybody wait until nobody does any more. Who sends slowly holds no place: a request
takes one when its body is there, and gives it back when its answer begins.
"""

from __future__ import annotations

import asyncio

from fastapi import Request
from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kernel.observability import METRICS
from app.kernel.web.problems import answer_busy, answer_slow

# A body of a megabyte over a poor line takes as long; no honest form does.
BODY_SECONDS_MAX = 20.0
# What a supervisor, a balancer and a browser's cache ask for; none of it costs more than the refusal.
ALWAYS_SERVED = frozenset({"/healthz", "/readyz", "/metrics"})
STATIC = "/static/"

BUSY = Counter(
    "stempel_overload_refused_total", "Requests refused because too many were under way.", registry=METRICS
)
SLOW = Counter(
    "stempel_slow_bodies_total", "Requests given up because their body took too long.", registry=METRICS
)


class AdmissionMiddleware:
    """Pure ASGI, inside the limits on size, around everything that costs. at_once: requests under way."""

    def __init__(self, app: ASGIApp, *, at_once: int) -> None:
        self.app = app
        self.free = at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that has a place, refuse the others."""
        if scope["type"] != "http" or scope["path"] in ALWAYS_SERVED or scope["path"].startswith(STATIC):
            await self.app(scope, receive, send)
            return
        if self.free <= 0:
            BUSY.inc()
            await answer_busy(Request(scope))(scope, receive, send)
            return
        turn = _Turn(self, scope, receive, send)
        try:
            await self.app(scope, turn.receive, turn.send)
        finally:
            turn.give_back()


class _Turn:
    """One request's place, from the end of its body to the beginning of its answer."""

    def __init__(self, desk: AdmissionMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self._desk = desk
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_held = False
        self._is_read = not _has_body(scope)
        self._read_until: float | None = None
        self._refused: str | None = None
        if self._is_read:
            self._take()

    def _take(self) -> None:
        self._desk.free -= 1
        self._is_held = True

    def give_back(self) -> None:
        """Free the place, once."""
        if self._is_held:
            self._is_held = False
            self._desk.free += 1

    async def receive(self) -> Message:
        """Pass the body on; when it is whole the request takes its place, or learns that there is none."""
        if self._refused is not None:
            # Who asks again after that would wait for a message that never comes.
            return {"type": "http.disconnect"}
        if self._is_read:
            return await self._receive()
        if self._read_until is None:
            self._read_until = asyncio.get_running_loop().time() + BODY_SECONDS_MAX
        try:
            async with asyncio.timeout_at(self._read_until):
                message = await self._receive()
        except TimeoutError:
            SLOW.inc()
            return self._refuse("slow")
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._is_read = True
            if self._desk.free <= 0:
                BUSY.inc()
                return self._refuse("busy")
            self._take()
        return message

    def _refuse(self, why: str) -> Message:
        """Have the application stop: its client has gone, as far as it knows."""
        self._is_read = True
        self._refused = why
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the answer on, or put the refusal in its place."""
        if self._refused is None:
            if message["type"] == "http.response.start":
                self.give_back()
            await self._send(message)
        elif message["type"] == "http.response.start":
            request = Request(self._scope)
            response = answer_slow(request) if self._refused == "slow" else answer_busy(request)
            await response(self._scope, self._receive, self._send)


def _has_body(scope: Scope) -> bool:
    """Tell whether something is still to come: by its length, or without one said in pieces."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False

"""Metrics of a worker that stands alone: GET /metrics at a port of its own, with the same token as the web's.

On the web process's own machine none is needed: its answer has the worker's figures, too (metrics_folder.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import CONTENT_TYPE_LATEST

from app.config import Settings
from app.kernel.observability import get_logger, render_metrics
from app.utils.security import same

HEAD_BYTES_MAX = 8_192
SECONDS_MAX = 5.0

log = get_logger("stempel.metrics")


@asynccontextmanager
async def show_metrics(settings: Settings) -> AsyncIterator[None]:
    """Answer scrapes meanwhile, where a port is set; one that cannot be had is no reason not to work."""
    if not settings.worker_metrics_port:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(SECONDS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(answer_scrape(head.decode("latin-1"), settings.metrics_token))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(
            answer, settings.host, settings.worker_metrics_port, limit=HEAD_BYTES_MAX
        )
    except OSError as error:
        log.error("metrics_not_shown", reason=type(error).__name__, port=settings.worker_metrics_port)
        yield
        return
    try:
        yield
    finally:
        server.close()


def answer_scrape(head: str, token: str) -> bytes:
    """Return the whole answer to a request's head; a stranger, and everybody without a token set, gets 404."""
    request, *fields = head.split("\r\n")
    given = ""
    for field in fields:
        name, _colon, value = field.partition(":")
        if name.strip().lower() == "authorization":
            scheme, _space, given = value.strip().partition(" ")
            given = given if scheme.lower() == "bearer" else ""
    method, _space, target = request.partition(" ")
    is_operator = bool(token) and same(given, token)
    is_scrape = method == "GET" and target.split(" ")[0] == "/metrics"
    if not (is_operator and is_scrape):
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = render_metrics()
    lines = f"Content-Type: {CONTENT_TYPE_LATEST}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\n" + lines.encode() + body

"""A web process that is about to end: who is told, and how connections are let go."""

from __future__ import annotations

import asyncio

import httpx2

from app.config import Settings
from app.kernel.web.draining import Drain
from app.kernel.web.sse import event_stream
from app.main import create_app
from app.process import Process

STREAM_SECONDS_MAX = 5


async def test_a_leaving_process_is_not_ready_and_closes_behind_each_answer(
    settings: Settings, process: Process
) -> None:
    """/readyz turns to 503 and connections are not kept, /healthz stays well: a restart would help nobody."""
    app = create_app(settings, process=process)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        before = await client.get("/healthz")
        app.state.drain.begin()
        after = [await client.get(path) for path in ("/readyz", "/healthz")]

    assert (before.status_code, before.headers.get("connection")) == (200, None)
    assert [answer.status_code for answer in after] == [503, 200]
    assert after[0].json() == {"status": "draining"}
    assert [answer.headers.get("connection") for answer in after] == ["close", "close"]


async def test_a_stream_ends_with_its_process() -> None:
    """An open card page connects to the next process at once, not after ten minutes."""
    drain, started, closed = Drain(), asyncio.Event(), asyncio.Event()

    async def silent():
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
            yield
        finally:
            closed.set()

    pieces = aiter(event_stream(silent(), drain=drain).body_iterator)
    first = await anext(pieces)
    waiting = asyncio.ensure_future(anext(pieces, None))
    await asyncio.wait_for(started.wait(), STREAM_SECONDS_MAX)
    drain.begin()
    rest = await asyncio.wait_for(waiting, STREAM_SECONDS_MAX)

    assert (first, rest) == (b"retry: 2000\n\n", None)
    assert closed.is_set()

"""Server-sent events: a page that moves by itself, without holding a database connection while it waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import StreamingResponse

from app.kernel.web.draining import Drain

# Below the idle time-out that proxies commonly have (60 s).
HEARTBEAT_INTERVAL = timedelta(seconds=20)
# Then the browser connects again by itself: a stopped release or a forgotten tab does not hold on for ever.
STREAM_AGE_MAX = timedelta(minutes=10)
RECONNECT_MILLISECONDS = 2_000


@dataclass(frozen=True)
class Event:
    """One event: its name, its data (text or a piece of HTML), and an id to go on from after a break."""

    data: str
    name: str = "message"
    id: str | None = None

    def encode(self) -> bytes:
        """Return the event on the wire."""
        lines = [f"event: {_one_line(self.name)}"]
        if self.id is not None:
            lines.append(f"id: {_one_line(self.id)}")
        # A line break inside the data would end the field: each line becomes a data field of its own.
        lines.extend(f"data: {line}" for line in self.data.splitlines() or [""])
        return ("\n".join(lines) + "\n\n").encode()


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def event_stream(events: AsyncIterator[Event], *, drain: Drain) -> StreamingResponse:
    """Answer with events as they come, with a heartbeat while none does, until the stream is old.

    drain: the application's; when it begins the stream ends, and the browser connects to another process.
    """
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_with_heartbeat(events, drain), media_type="text/event-stream", headers=headers)


async def _with_heartbeat(events: AsyncIterator[Event], drain: Drain) -> AsyncIterator[bytes]:
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n".encode()
    iterator = aiter(events)
    waiting = asyncio.ensure_future(anext(iterator))
    leaving = asyncio.ensure_future(drain.wait())
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + STREAM_AGE_MAX.total_seconds()
    try:
        while loop.time() < ends_at and not drain.has_begun:
            done, _pending = await asyncio.wait(
                {waiting, leaving},
                timeout=HEARTBEAT_INTERVAL.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if waiting not in done:
                if leaving in done:
                    return
                yield b": still here\n\n"
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            yield event.encode()
            waiting = asyncio.ensure_future(anext(iterator))
    finally:
        waiting.cancel()
        leaving.cancel()
        await asyncio.gather(waiting, leaving, return_exceptions=True)
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()

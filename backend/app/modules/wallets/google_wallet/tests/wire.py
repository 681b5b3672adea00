"""A stand-in of Google behind a real socket, which fails in the ways that a test lists."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.modules.wallets.google_wallet.stand_in import BASE, StandIn


@dataclass
class Wire:
    """What arrived, and what the next requests get instead of an answer.

    faults: statuses, "reset", "hang", or "lost" (done, and the answer never sent); None: answered properly.
    """

    stand_in: StandIn
    url: str = ""
    faults: deque[Any] = field(default_factory=deque)
    down: Any = None
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    tokens: int = 0
    open: dict[asyncio.Task[Any], asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        task = asyncio.current_task()
        assert task is not None
        self.open[task] = writer
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            del self.open[task]
            writer.close()

    async def hang_up(self) -> None:
        """Break off what is still connected."""
        tasks = list(self.open)
        for writer in list(self.open.values()):
            writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if path == "/token":
            self.tokens += 1
            return self._reply(writer, *self.stand_in.answer(method, path, headers, body))
        self.times.append(time.monotonic())
        self.calls.append((method, path.removeprefix(BASE), json.loads(body) if body else {}))
        fault = self.faults.popleft() if self.faults else self.down
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault == "hang":
            await asyncio.sleep(3)
            return False
        if isinstance(fault, int):
            return self._reply(writer, fault, {"error": {"code": fault, "message": "no"}})
        reply = self.stand_in.answer(method, path, headers, body)
        if fault == "lost":
            writer.transport.abort()
            return False
        return self._reply(writer, *reply)

    @staticmethod
    def _reply(writer: asyncio.StreamWriter, status: int, data: dict[str, Any]) -> bool:
        content = json.dumps(data).encode()
        head = (
            f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        return True

    def of(self, method: str, kind: str = "/loyaltyObject") -> list[dict[str, Any]]:
        """Return the bodies of the requests of a method."""
        return [body for verb, path, body in self.calls if verb == method and path.startswith(kind)]

    def fastest_second(self) -> int:
        """Return the most requests that any second held."""
        return max((sum(1 for t in self.times if start <= t < start + 1) for start in self.times), default=0)


@asynccontextmanager
async def running_wire(folder: Path) -> AsyncIterator[Wire]:
    """Run a stand-in on a free port of the loopback."""
    wire = Wire(StandIn(folder))
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        # Also after a failed test: a socket left open ends the run with a warning in somebody else's test.
        server.close()
        await wire.hang_up()
        await server.wait_closed()

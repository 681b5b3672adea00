"""The web server gives a head a time in which to arrive, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.commands import patient_http
from app.commands.patient_http import PatientProtocol

SECONDS_MAX = 20
WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def answer_ok(scope: Any, receive: Any, send: Any) -> None:
    """Be an application that says ok."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def connected(protocol: type[Any]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Return a connection to a server that speaks by the protocol."""
    config = uvicorn.Config(answer_ok, http=protocol, log_config=None, lifespan="off")
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with asyncio.timeout(SECONDS_MAX):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            server.close()


async def is_closed(reader: asyncio.StreamReader, *, within: float) -> bool:
    """Tell whether the other side closes in time."""
    try:
        async with asyncio.timeout(within):
            return await reader.read() == b""
    except TimeoutError:
        return False


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_http, "HEAD_SECONDS_MAX", 0.1)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: he"], ids=["nothing", "half"])
async def test_who_does_not_end_the_head_is_left(sent: bytes) -> None:
    """Silence, or half a head: the connection is closed."""
    async with connected(PatientProtocol) as (reader, writer):
        writer.write(sent)
        assert await is_closed(reader, within=SECONDS_MAX)


async def test_control_uvicorn_alone_waits_for_ever() -> None:
    """Without our protocol half a head holds its connection."""
    async with connected(HttpToolsProtocol) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: he")
        assert not await is_closed(reader, within=0.5)


async def test_a_whole_head_is_answered_and_the_next_has_its_time_again() -> None:
    """Answered twice on one connection, each head in its own time; then half of a third."""
    async with connected(PatientProtocol) as (reader, writer):
        for _number in range(2):
            writer.write(WHOLE)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(2) == b"ok"
            assert not await is_closed(reader, within=0.2)
        writer.write(WHOLE[:20])
        assert await is_closed(reader, within=SECONDS_MAX)

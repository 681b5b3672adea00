"""Python's garbage collector in a web process: out of the way of the start, at work for callers."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from typing import Any

import uvicorn

from app.commands.serve import WebServer
from app.kernel.web.draining import Drain


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answer nobody."""


async def test_callers_are_served_with_the_collector_on() -> None:
    """It is off while the process starts; whoever is accepted finds it on, and what was made before out of its way."""
    config = uvicorn.Config(nothing, lifespan="off", log_config=None)
    config.load()
    server = WebServer(config, drain=Drain(), linger_seconds=0)
    server.lifespan = config.lifespan_class(config)
    before = gc.get_freeze_count()
    gc.disable()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            await server.startup([listening])
            found = (gc.isenabled(), gc.get_freeze_count() > before)
            await server.shutdown([listening])
    finally:
        gc.enable()
        gc.unfreeze()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)

    assert found == (True, True)

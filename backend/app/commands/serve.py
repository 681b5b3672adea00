"""The web process and the worker process."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from app.commands.database import require_database
from app.commands.patient_http import PatientProtocol
from app.config import Settings
from app.kernel.observability import configure_logging

if TYPE_CHECKING:
    from app.kernel.web.draining import Drain

GRACEFUL_SECONDS = 10
KEEP_ALIVE_SECONDS = 15
# Open connections; kernel/web/admission.py decides how many requests are worked on. A connection that asks nothing
# costs some kilobytes, and its owner soon.
CONNECTIONS_MAX = 4_000
# Files besides: the database's connections, the log, what an upload needs.
FILES_BESIDES = 500
# A caller who was accepted in the last moment has asked by then.
LINGER_SECONDS_MIN = 0.3


class WebServer(uvicorn.Server):
    """uvicorn's server, which leaves in order: no caller is cut off between two requests.

    SIGUSR1 announces the end: /readyz says 503 and answers close their connection, but callers are still accepted.
    SIGTERM stops accepting; idle connections get linger_seconds in which their owners close them. SIGINT hurries.
    """

    def __init__(
        self, config: uvicorn.Config, *, drain: Drain, linger_seconds: float, ready_fd: int | None = None
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._linger_seconds = linger_seconds
        self._ready_fd = ready_fd
        self._is_asked_to_end = False
        self._began_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell the one who waits for it."""
        await super().startup(sockets)
        # Modules, routes and mapped tables stay as long as the process: its collector never walks over them again.
        gc.freeze()
        gc.enable()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._drain.begin)
        if self._ready_fd is not None:
            os.write(self._ready_fd, b"1")
            os.close(self._ready_fd)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the first SIGTERM; a second one, and Ctrl-C, are uvicorn's own."""
        if sig == signal.SIGTERM and not self._is_asked_to_end:
            self._is_asked_to_end = True
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Go on until the last connection has left, or has had its time."""
        if self._is_asked_to_end:
            now = asyncio.get_running_loop().time()
            if self._began_at is None:
                self._began_at = now
                self._drain.begin()
                for server in self.servers:
                    server.close()
            age = now - self._began_at
            is_empty = age >= LINGER_SECONDS_MIN and not self.server_state.connections
            if is_empty or age >= self._linger_seconds:
                return True
        return await super().on_tick(counter)


def serve_socket(settings: Settings, listening: socket.socket, *, ready_fd: int | None) -> None:
    """Serve callers of this socket until asked to end. ready_fd: gets one byte as soon as callers are accepted."""
    # What is made until then stays nearly all: looking for garbage meanwhile was a sixth of the start.
    gc.disable()
    from app.main import create_app

    ready = require_database(settings)
    configure_logging(ready.log_format, ready.log_level)
    allow_connections()
    app = create_app(ready)
    config = uvicorn.Config(
        app,
        access_log=False,  # addresses are personal data; the app counts requests itself
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the app believes configured proxies only
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        limit_concurrency=CONNECTIONS_MAX,
        http=PatientProtocol,
    )
    # The demo is ended by Ctrl-C in front of somebody who waits.
    linger = 0 if ready.demo else ready.drain_seconds
    server = WebServer(config, drain=app.state.drain, linger_seconds=linger, ready_fd=ready_fd)
    server.run(sockets=[listening])


def allow_connections() -> None:
    """Ask for as many open files as there may be connections; a shell's usual thousand would end it earlier."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + FILES_BESIDES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def serve(settings: Settings, *, listen_fd: int | None, ready_fd: int | None = None) -> None:
    """Run the web service. listen_fd: a listening socket of whoever started us; without it this is the parent."""
    require_database(settings)
    if listen_fd is not None:
        serve_socket(settings, socket.socket(fileno=listen_fd), ready_fd=ready_fd)
        return
    from app.commands.rolling import run_web

    run_web(settings)


def work(settings: Settings) -> None:
    """Run the worker process until it is asked to end."""
    import inspect

    from app.worker import run_worker

    ready = require_database(settings)
    configure_logging(ready.log_format, ready.log_level)
    running = run_worker(ready)
    if inspect.iscoroutine(running):
        asyncio.run(running)

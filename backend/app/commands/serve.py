"""The web process and the worker process."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from app.commands.database import require_database
from app.config import Settings
from app.kernel.observability import configure_logging

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACEFUL_SECONDS = 10
KEEP_ALIVE_SECONDS = 15
# What waits in memory beyond this is refused with 503 at once, instead of answered too late.
CONCURRENCY_MAX = 500


def application() -> FastAPI:
    """Build the web application from the environment; uvicorn calls this in each of its processes."""
    from app.main import create_app

    settings = require_database(Settings())
    configure_logging(settings.log_format, settings.log_level)
    return create_app(settings)


def serve(settings: Settings, *, listen_fd: int | None) -> None:
    """Run the web process. listen_fd: a listening socket inherited from the demo's supervisor."""
    require_database(settings)
    options: dict[str, object] = {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "access_log": False,  # addresses are personal data; the app counts requests itself
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,  # the app believes configured proxies only
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": GRACEFUL_SECONDS,
        "limit_concurrency": CONCURRENCY_MAX,
    }
    target = "app.commands.serve:application"
    if listen_fd is None:
        backend = str(Path(__file__).resolve().parents[2])
        uvicorn.run(target, workers=settings.web_processes, app_dir=backend, **options)  # type: ignore[arg-type]
        return
    inherited = socket.socket(fileno=listen_fd)
    uvicorn.Server(uvicorn.Config(target, **options)).run(sockets=[inherited])  # type: ignore[arg-type]


def work(settings: Settings) -> None:
    """Run the worker process until it is asked to end."""
    import asyncio
    import inspect

    from app.worker import run_worker

    ready = require_database(settings)
    configure_logging(ready.log_format, ready.log_level)
    running = run_worker(ready)
    if inspect.iscoroutine(running):
        asyncio.run(running)

"""create_app(settings): the kernel and INSTALLED; nothing feature-specific."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.config import Settings
from app.db.keycheck import ForeignKeys
from app.db.session import UnsafeDatabase
from app.installed import INSTALLED
from app.kernel.module import Module
from app.kernel.observability import get_logger
from app.kernel.release import RELEASE
from app.kernel.tracing.spans import start_tracing
from app.kernel.web.setup import install_web
from app.process import Process, build_process


def create_app(
    settings: Settings, *, process: Process | None = None, modules: Sequence[Module] = INSTALLED
) -> FastAPI:
    """Build the web application.

    process: an opened one (tests); otherwise one is built here and opened at start-up.
    """
    own = process or build_process(settings, modules=modules)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if process is None:
            try:
                await own.open()
            except (UnsafeDatabase, ForeignKeys) as refused:
                # One sentence of its own: the traceback that follows is cut before it comes to the reason.
                get_logger("stempel.web").error("start_refused", reason=str(refused))
                raise
        yield
        await app.state.limiter.aclose()
        if process is None:
            await own.aclose()

    app = FastAPI(
        title="Stempel",
        summary="Loyalty cards for shops: stamps, points and rewards.",
        version=RELEASE,
        lifespan=lifespan,
        # Its own instrumentation would send paths with tokens in them, and queries, wherever a provider is set.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.settings = settings
    app.state.process = own
    app.state.database = own.database
    app.state.registry = own.registry
    app.state.clock = own.clock
    app.state.resources = own.resources
    app.state.store_tenants = {}
    start_tracing(settings, own.resources, program="web")
    install_web(app, settings, own.registry)
    for _module, router in own.registry.other_routers():
        app.include_router(router)
    return app

"""Puts the web plumbing onto an application, in the order in which a request meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from app.config import Settings
from app.kernel.i18n import install_catalogues
from app.kernel.observability import ObserveMiddleware
from app.kernel.tracing.spans import Tracing
from app.kernel.web import health, language, static, well_known
from app.kernel.web.admission import AdmissionMiddleware
from app.kernel.web.csrf import check_csrf
from app.kernel.web.draining import Drain, DrainMiddleware
from app.kernel.web.failsafe import FailsafeMiddleware
from app.kernel.web.language import LanguageMiddleware
from app.kernel.web.limits import Limiter
from app.kernel.web.problems import install_problems
from app.kernel.web.proxies import parse_networks
from app.kernel.web.security import SecurityMiddleware
from app.kernel.web.static import StaticFiles
from app.kernel.web.templates import make_environment

if TYPE_CHECKING:
    from app.kernel.registry import Registry


def install_web(app: FastAPI, settings: Settings, registry: Registry) -> None:
    """Add middleware, error answers, templates, static files, the hot routes and the kernel's own.

    Call it before the modules' routers are included: routes take the CSRF check when they are added.
    """
    install_catalogues(registry.locale_folders())
    app.state.static = StaticFiles()
    app.state.templates = make_environment(
        registry.template_folders(), app.state.static, is_development=settings.demo
    )
    app.state.limiter = Limiter(settings, app.state.database, app.state.resources)
    app.state.drain = Drain()
    install_problems(app)
    # The last one added is met first: drain → observe → (tracing) → language → security → admission → failsafe → app.
    app.add_middleware(FailsafeMiddleware, settings=settings)
    app.add_middleware(AdmissionMiddleware, at_once=settings.requests_at_once)
    uploads = dict(entry for module in registry.modules for entry in module.uploads)
    app.add_middleware(SecurityMiddleware, settings=settings, uploads=uploads)
    app.add_middleware(LanguageMiddleware, settings=settings)
    tracing = app.state.resources.find(Tracing)
    if tracing is not None:
        from app.kernel.tracing.middleware import TracingMiddleware

        proxies = parse_networks(settings.trusted_proxies)
        app.add_middleware(TracingMiddleware, tracing=tracing, proxies=proxies)
    app.add_middleware(ObserveMiddleware)
    app.add_middleware(DrainMiddleware, drain=app.state.drain)
    app.router.dependencies.append(Depends(check_csrf))
    for _module, hot in registry.hot_routers():
        app.include_router(hot)
    for router in (static.router, language.router, health.router, well_known.router):
        app.include_router(router)

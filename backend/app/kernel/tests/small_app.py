"""A small application over the kernel's web plumbing, without a database, for the tests beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx2
from fastapi import FastAPI, Form, Request
from pydantic import BaseModel, Field

from app.config import Settings
from app.db.session import Database
from app.kernel.adapters import Resources
from app.kernel.clock import FixedClock
from app.kernel.errors import NotFound
from app.kernel.i18n import _Installed
from app.kernel.outcomes import Refusal
from app.kernel.registry import Registry
from app.kernel.web.csrf import csrf_exempt
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.present import present_json
from app.kernel.web.proxies import client_address
from app.kernel.web.setup import install_web
from app.kernel.web.templates import render
from app.utils.security import Keyring

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BASE_URL = "https://cards.example.com"
PAGE = """{{ _('You may not do this.') }}|{{ locale }}|<input name="csrf" value="{{ csrf_token }}">|
{% for flash in flashes %}[{{ flash.kind }}:{{ flash.text }}]{% endfor %}|{{ value | default('') }}"""


class NumberBody(BaseModel):
    """A body with one number."""

    number: int = Field(ge=0)


def make_settings(**values: Any) -> Settings:
    """Return settings of a production-like installation that is never connected to."""
    defaults: dict[str, Any] = {
        "public_url": BASE_URL,
        "database_url": "postgresql://nobody@127.0.0.1:1/none",
        "data_dir": Path("unused"),
    }
    return Settings(**{**defaults, **values})


def make_app(*, clock: FixedClock | None = None, **values: Any) -> FastAPI:
    """Build the application with a handful of routes that show the plumbing."""
    settings = make_settings(**values)
    app = FastAPI()
    registry = Registry([])
    app.state.settings = settings
    app.state.registry = registry
    app.state.clock = clock or FixedClock(NOW)
    app.state.resources = Resources()
    app.state.resources.put(Keyring, Keyring.for_tests())
    app.state.database = Database(settings)
    # The texts in effect are the process's: those of a worker's other tests must not go with this small registry.
    installed = _Installed.catalogues
    install_web(app, settings, registry)
    _Installed.catalogues, _Installed.translators = installed, {}
    app.state.templates.loader.loaders.insert(0, _one_template())
    _add_routes(app)
    _add_failing_routes(app)
    return app


def _one_template() -> Any:
    from jinja2 import DictLoader

    error = "{{ status }} {{ code }} {{ title }} {{ request_id }}"
    return DictLoader({"page.html": PAGE, "error.html": error})


def _add_routes(app: FastAPI) -> None:
    @app.get("/page")
    async def get_page(request: Request) -> Any:
        return render(request, "page.html", {"value": request.query_params.get("value", "")})

    @app.get("/scanner")
    async def get_scanner(request: Request) -> Any:
        request.state.csp_extra = {"script-src": "'wasm-unsafe-eval'"}
        return render(request, "page.html")

    @app.post("/form")
    async def post_form(request: Request, value: Annotated[str, Form()]) -> Any:
        return redirect(request, "/page", flash=f"Saved {value}")

    @app.post("/number")
    async def post_number(body: NumberBody) -> Any:
        return present_json(body.number, lambda number: {"number": number})

    @app.post("/nothing")
    async def post_nothing() -> Any:
        return present_json(1, lambda number: {"number": number})

    @app.post("/one-click")
    @csrf_exempt
    async def post_one_click(request: Request) -> Any:
        await request.body()
        return present_json(1, lambda number: {"number": number})


def _add_failing_routes(app: FastAPI) -> None:
    @app.get("/refused")
    async def get_refused() -> Any:
        outcome: Refusal = Refusal("too_soon", retry_at=NOW + timedelta(minutes=5), extra={"left": 3})
        return present_json(outcome, lambda number: {"number": number})

    @app.get("/missing")
    async def get_missing() -> Any:
        raise NotFound("card 42 of anna@example.com")

    @app.get("/bug")
    async def get_bug() -> Any:
        raise AssertionError("stamp_count is -1 for anna@example.com")

    @app.get("/busy")
    async def get_busy() -> Any:
        raise TimeoutError

    @app.get("/address")
    async def get_address(request: Request) -> Any:
        return {"address": client_address(request), "scheme": request.url.scheme}

    @app.get("/limited", dependencies=[rate_limit("reset")])
    async def get_limited() -> Any:
        return {"ok": True}


def make_client(app: FastAPI, **options: Any) -> httpx2.AsyncClient:
    """Return a client that talks to the application inside this process."""
    transport = httpx2.ASGITransport(app=app, client=options.pop("peer", ("203.0.113.7", 40000)))
    return httpx2.AsyncClient(transport=transport, base_url=options.pop("base_url", BASE_URL), **options)


Ask = Callable[..., Awaitable[httpx2.Response]]

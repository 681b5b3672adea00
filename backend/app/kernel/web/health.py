"""Is the process alive, can it serve, and how does it fare."""

from __future__ import annotations

import asyncio
from functools import cache

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from app.db.partitions import MONTHS_AHEAD_LEAST, MONTHS_AHEAD_SQL
from app.kernel.errors import NotFound
from app.kernel.measuring import render_measures
from app.kernel.observability import get_logger, render_metrics
from app.kernel.operating import Look
from app.kernel.permissions import operator, public
from app.kernel.web.cookies import settings_of
from app.kernel.web.proxies import client_address
from app.utils.security import same

READY_WAIT_SECONDS = 2.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})
# What a proxy in front writes: its requests come from this machine, but from anybody through it.
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "via")

router = APIRouter(include_in_schema=False)
log = get_logger("stempel.web")


@cache
def schema_revisions() -> tuple[str, frozenset[str]]:
    """Return the newest schema this release knows, and all it knows."""
    # Loaded at the first probe: Alembic takes a third of a second, which a start should not wait for.
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    from app.db.migrate import alembic_config, head_revision  # noqa: PLC0415

    script = ScriptDirectory.from_config(alembic_config())
    return head_revision(), frozenset(revision.revision for revision in script.walk_revisions())


def judge_schema(revision: str | None) -> str:
    """Tell a database's schema from this release's: current, older (not ready), or newer (still served).

    A newer one serves the release before it, so that an upgrade needs no pause.
    """
    head, known = schema_revisions()
    if revision == head:
        return "current"
    return "older" if revision is None or revision in known else "newer"


@router.get("/healthz", dependencies=[public("Tells a supervisor that the process answers.")])
async def get_health() -> JSONResponse:
    """Answer without looking at anything else: restarting helps only when this fails."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", dependencies=[public("Tells a load balancer whether to send requests here.")])
async def get_readiness(request: Request) -> JSONResponse:
    """Answer 200 when the database is reachable, has the schema this release needs, and we are not about to end."""
    if request.app.state.drain.has_begun:
        return JSONResponse({"status": "draining"}, status_code=503)
    schema, warnings = "unreachable", list[str]()
    try:
        async with asyncio.timeout(READY_WAIT_SECONDS), request.app.state.database.sessions() as session:
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
            months = await session.scalar(text(MONTHS_AHEAD_SQL)) or 0
        schema = judge_schema(revision)
        if months < MONTHS_AHEAD_LEAST:
            warnings.append(f"partitions: made for {months} coming months only; ./stempel doctor says more")
    except Exception as error:  # noqa: BLE001 (whatever it is, we are not ready)
        log.warning("not_ready", reason=type(error).__name__)
    is_ready = schema in {"current", "newer"}
    body = {"status": "ok" if is_ready else "unavailable", "schema": schema}
    if warnings:
        body["warnings"] = "; ".join(warnings)
    return JSONResponse(body, status_code=200 if is_ready else 503)


@router.get(
    "/metrics", dependencies=[operator("The metrics token; in demo mode also a caller on the same machine.")]
)
async def get_metrics(request: Request) -> Response:
    """Answer with the figures of this machine's processes and of the database; a stranger learns not even of them."""
    if not _may_read_metrics(request):
        raise NotFound("page")
    state = request.app.state
    measures = await render_measures(Look(state.database, state.settings, state.resources, state.clock.now()))
    return Response(render_metrics() + measures, media_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: Request) -> bool:
    """Tell whether the caller is the operator: by the token; without one nobody but the demo's own machine.

    A loopback address alone says nothing: a proxy on this machine has it for every stranger.
    """
    settings = settings_of(request)
    if settings.metrics_token:
        scheme, _space, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and same(given, settings.metrics_token)
    is_forwarded = any(name in request.headers for name in PROXY_HEADERS)
    return settings.demo and not is_forwarded and client_address(request) in LOOPBACK

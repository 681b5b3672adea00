"""The route class of the till's two award endpoints: declared and documented as any other, and served directly.

FastAPI's solving of dependencies costs as much as the award's own work. The steps that its dependencies would take are
written out here for the plain case: a JSON body, a well-formed store and key. Everything else goes the ordinary way,
so that every refusal of an input is FastAPI's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from inspect import signature
from typing import Any, get_type_hints
from uuid import UUID

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from app.dependencies import bind_store, known_store, plain_session
from app.kernel.idempotency import KEY_LENGTH_MAX
from app.kernel.web.csrf import check_csrf

PARAMETERS = ("request", "store", "body", "session", "clock", "key")
UUID_LENGTH = 36


@dataclass(frozen=True, slots=True)
class _Input:
    store_id: UUID
    body: BaseModel
    key: str | None


class TillRoute(APIRoute):
    """Calls its endpoint, which takes PARAMETERS and has no dependency but an open access row, without detours."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler: the short way where it is open, else FastAPI's."""
        ordinary = super().get_route_handler()
        endpoint: Any = self.endpoint
        assert tuple(signature(endpoint).parameters) == PARAMETERS
        model: type[BaseModel] = get_type_hints(endpoint)["body"]

        async def handle(request: Request) -> Response:
            given = await _read(request, model)
            if given is None:
                return await ordinary(request)
            await check_csrf(request)
            async with plain_session(request) as session:
                store = known_store(request, given.store_id) or await bind_store(
                    request, session, given.store_id
                )
                clock = request.app.state.clock
                answer: Response = await endpoint(request, store, given.body, session, clock, given.key)
            return answer

        return handle


async def _read(request: Request, model: type[BaseModel]) -> _Input | None:
    """Return what was sent, or None for all that FastAPI should judge itself; the body can be read again."""
    headers = request.headers
    key, store_id = headers.get("idempotency-key"), request.path_params["store_id"]
    if key is not None and not 1 <= len(key) <= KEY_LENGTH_MAX:
        return None
    if headers.get("content-type", "").partition(";")[0] != "application/json":
        return None
    try:
        body = model.model_validate(json.loads(await request.body()))
        return _Input(UUID(store_id), body, key) if len(store_id) == UUID_LENGTH else None
    except (ValueError, ValidationError, RecursionError, ClientDisconnect):
        return None

"""A store's codes as files: for posters, table cards and the shop's own printing."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.dependencies import MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.web.problems import error_responses
from app.modules.qr.public import code_response, qr_png, qr_svg
from app.modules.stores.public import StoreView, get_store

router = APIRouter(tags=["QR codes"])

Kind = Annotated[Literal["join", "stamp", "points"], Query(description="Where the code leads.")]
Scale = Annotated[int, Query(ge=1, le=40, description="Pixels a module.")]
Download = Annotated[bool, Query(description="Offer it as a file to save.")]
ERRORS = ("unauthenticated", "forbidden", "not_found")


@router.get(
    "/stores/{store_id}/qr.svg",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}, **error_responses(*ERRORS)},
    dependencies=[member("stores.view")],
)
async def get_store_svg(
    store_id: UUID,
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    kind: Kind = "join",
    download: Download = False,
) -> Response:
    """Return a store's code as SVG, for print at any size."""
    store = await get_store(session, principal.merchant_id, store_id)
    title = _("Code to join %(store)s", store=store.name) if kind == "join" else store.name
    svg = qr_svg(code_url(store, kind), title=title, error="q")
    return code_response(request, svg.encode(), "image/svg+xml", name=f"{kind}.svg" if download else None)


@router.get(
    "/stores/{store_id}/qr.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **error_responses(*ERRORS)},
    dependencies=[member("stores.view")],
)
async def get_store_png(
    store_id: UUID,
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    kind: Kind = "join",
    scale: Scale = 12,
    download: Download = False,
) -> Response:
    """Return a store's code as PNG, black on white."""
    store = await get_store(session, principal.merchant_id, store_id)
    png = qr_png(code_url(store, kind), scale=scale, error="q")
    return code_response(request, png, "image/png", name=f"{kind}.png" if download else None)


def code_url(store: StoreView, kind: str) -> str:
    """Return the address that a code of the kind leads to."""
    return {"join": store.join_url, "stamp": store.stamp_url, "points": store.points_url}[kind]

"""Posters, tents and stickers with a store's codes: a page with pictures of them, and the files."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ValidationError

from app.dependencies import MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import LANGUAGES, current
from app.kernel.i18n import gettext as _
from app.kernel.web.limits import rate_limit
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.design.posters.codes import code_png, code_svg
from app.modules.design.posters.wishes import (
    FORMATS,
    Format,
    Kind,
    PosterWish,
    code_url,
    draw_poster,
    logo_of,
    words_of,
)
from app.modules.qr.public import code_response, qr_png, qr_svg
from app.modules.rewards.public import list_rewards
from app.modules.stores.public import StoreView, get_store

router = APIRouter(prefix="/dashboard/stores/{store_id}/posters", include_in_schema=False)
VIEW = member("stores.view", api_key=False)
Output = Literal["pdf", "png"]
CodeOutput = Literal["svg", "png"]
CODE_SCALE = 16


def read_wish(request: Request) -> PosterWish:
    """Read what the address asks for; without a language it is the reader's own. Raises Invalid."""
    asked = {"language": current().language, **request.query_params}
    try:
        return PosterWish.model_validate(asked)
    except ValidationError as error:
        fields = {str(row["loc"][0]): _("This cannot be used.") for row in error.errors()}
        raise Invalid(extra={"fields": fields}) from None


WishDep = Annotated[PosterWish, Depends(read_wish)]


@router.get("", dependencies=[VIEW])
async def get_posters_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, wish: WishDep
) -> Response:
    """Show every format as a picture, with what may be chosen."""
    store = await get_store(session, principal.merchant_id, store_id)
    rewards = await list_rewards(session, store.merchant_id, store.program.id, language=wish.language)
    context = {
        **_shown(store, wish),
        "words": words_of(wish, store, rewards),
        "has_logo": bool(await logo_of(session, store)),
        "languages_shown": LANGUAGES,
        "page_title": _("Posters and codes"),
        "back_url": f"/dashboard/stores/{store.id}",
        "back_label": store.name,
    }
    if is_htmx(request):
        return render_fragment(request, "design/_posters.html", context)
    return await render_member_page(request, session, "design/posters.html", context)


def _shown(store: StoreView, wish: PosterWish) -> dict[str, Any]:
    base = f"/dashboard/stores/{store.id}/posters"
    # The version is there for the browser's cache: another design is another address.
    query = urlencode({**wish.model_dump(mode="json"), "v": store.program.design_version})
    return {
        "store": store,
        "wish": wish,
        "posters_url": base,
        "query": query,
        "formats": [(name, _(title), _(text)) for name, title, text in FORMATS],
        "code_url": code_url(store, wish.kind),
    }


@router.get("/code.{what}", dependencies=[VIEW, rate_limit("expensive")])
async def get_code(
    request: Request,
    store_id: UUID,
    what: CodeOutput,
    principal: MerchantDep,
    session: SessionDep,
    kind: Kind = "join",
    logo: Annotated[bool, Query()] = False,
) -> Response:
    """Return the code alone, with the logo in its middle if that is wanted and there is one."""
    store = await get_store(session, principal.merchant_id, store_id)
    url, picture = code_url(store, kind), await logo_of(session, store) if logo else b""
    file = await asyncio.to_thread(_code_file, what, url, picture, title=store.name)
    kinds = {"svg": "image/svg+xml", "png": "image/png"}
    return code_response(request, file, kinds[what], name=f"{kind}.{what}")


def _code_file(what: str, url: str, picture: bytes, *, title: str) -> bytes:
    if what == "svg":
        svg = code_svg(url, picture, title=title) if picture else qr_svg(url, title=title, error="q")
        return svg.encode()
    return code_png(url, picture, scale=CODE_SCALE) if picture else qr_png(url, scale=CODE_SCALE, error="q")


@router.get("/{name}.{what}", dependencies=[VIEW])
async def get_poster(
    request: Request,
    store_id: UUID,
    name: Format,
    what: Output,
    principal: MerchantDep,
    session: SessionDep,
    wish: WishDep,
) -> Response:
    """Return a poster: as PDF for print, or as the picture on the page."""
    store = await get_store(session, principal.merchant_id, store_id)
    file = await draw_poster(session, store, wish, name=name, what=what)
    if what == "png":
        return code_response(request, file, "image/png", name=None)
    return code_response(request, file, "application/pdf", name=f"{name}-{wish.language}.pdf")

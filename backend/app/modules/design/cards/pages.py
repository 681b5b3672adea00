"""The card designer: one form, its preview beside it, and the merchant's own pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import LANGUAGES, current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.design.cards.pictures import Kind, keep_picture, list_digests, picture_url
from app.modules.design.cards.preview import own_colors_of, preview_of
from app.modules.design.rules import Crop
from app.modules.design.schemas import TEXTS, CropForm, DesignForm, design_values
from app.modules.design.service import design_url, draft_design, reach_of, save_design
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import CARD_ICONS, StoreView, get_store
from app.modules.wallets.public import PALETTES, PATTERNS, card_colors, own_icon, own_photo

router = APIRouter(prefix="/dashboard/stores/{store_id}/design", include_in_schema=False)
Shown = Annotated[Literal["", "en", "fr", "de", "lb"], Query(alias="show")]
Picked = Annotated[str, Query(max_length=32, pattern="^([0-9a-f]{32})?$")]
EDIT = member("programme.edit", api_key=False)


async def _values(session: AsyncSession, store: StoreView) -> dict[str, Any]:
    merchant = await get_merchant(session, store.merchant_id)
    design = store.program.design
    return design_values(design, card_colors(design, merchant.branding), locale=merchant.locale)


def reach_text(reach: Mapping[str, int]) -> str:
    """Return in words whom a change reaches, and how soon."""
    cards, wallets, seconds = reach["cards"], reach["wallets"], reach["seconds"]
    if not cards:
        return _("No card is out yet: change whatever you like.")
    number = current().format_number
    text = ngettext("%(count)s card changes.", "%(count)s cards change.", cards, count=number(cards))
    if not wallets:
        return text
    time = (
        ngettext("%(num)d second", "%(num)d seconds", seconds, num=seconds)
        if seconds < 120
        else ngettext("%(num)d minute", "%(num)d minutes", round(seconds / 60), num=round(seconds / 60))
    )
    more = ngettext(
        "%(count)s of them is in a wallet and follows within about %(time)s.",
        "%(count)s of them are in wallets and follow within about %(time)s.",
        wallets,
        count=number(wallets),
        time=time,
    )
    return f"{text} {more}"


async def _context(
    session: AsyncSession, store: StoreView, values: Mapping[str, Any], *, errors: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the page needs besides the preview."""
    merchant_id = store.merchant_id
    stamps = await list_digests(session, merchant_id, "stamp")
    logos = await list_digests(session, merchant_id, "logo")
    photos = await list_digests(session, merchant_id, "photo")
    merchant = await get_merchant(session, merchant_id)
    return {
        "store": store,
        "design_url": design_url(store.id),
        "values": values,
        "errors": defaultdict(str, errors),
        "palettes": list(PALETTES.values()),
        "icons": CARD_ICONS,
        "own_icons": [(own_icon(merchant_id, digest), picture_url(merchant_id, digest)) for digest in stamps],
        "photos": [(own_photo(merchant_id, digest), picture_url(merchant_id, digest)) for digest in photos],
        "patterns": PATTERNS,
        "logos": [(digest, picture_url(merchant_id, digest)) for digest in logos],
        # The merchant's own language first: its texts stand in for those that are missing.
        "tongues": sorted(LANGUAGES, key=lambda code: code != merchant.locale),
        "texts": TEXTS,
        "reach": reach_text(await reach_of(session, store)),
        "page_title": _("Card design"),
        "back_url": f"/dashboard/stores/{store.id}",
        "back_label": store.name,
    }


async def show_designer(
    request: Request,
    session: AsyncSession,
    store: StoreView,
    *,
    form: FormInput[DesignForm] | None,
    now: datetime,
) -> Response:
    """Show the designer with the preview of what stands in the form, or of what is saved."""
    saved = await _values(session, store)
    values = {**saved, **(form.values if form else {})}
    design: Mapping[str, Any] = store.program.design
    errors: dict[str, str] = dict(form.errors) if form else {}
    if form is not None and form.data is not None and not errors:
        design = await draft_design(session, store, form.data)
    preview = await preview_of(session, store, design=design, locale=_shown(request, values), now=now)
    context = {**await _context(session, store, values, errors=errors), "preview": preview}
    status = 422 if errors else 200
    if is_htmx(request):
        return render_fragment(request, "design/_preview.html", context)
    return await render_member_page(request, session, "design/designer.html", context, status_code=status)


def _shown(request: Request, values: Mapping[str, Any]) -> str:
    wanted = str(values.get("show") or request.query_params.get("show") or "")
    return wanted if wanted in LANGUAGES else current().language


@router.get("", dependencies=[EDIT])
async def get_designer(
    request: Request,
    store_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    logo: Picked = "",
    stamp: Picked = "",
    photo: Picked = "",
) -> Response:
    """Show the designer; logo, stamp, photo: a picture just uploaded, chosen but not yet saved."""
    store = await get_store(session, principal.merchant_id, store_id)
    uploaded: dict[Kind, str] = {"logo": logo, "stamp": stamp, "photo": photo}
    picked: dict[str, str] = {}
    for kind, digest in uploaded.items():
        picked |= _chosen(principal, kind, digest) if digest else {}
    form = await _draft(session, store, picked) if picked else None
    return await show_designer(request, session, store, form=form, now=clock.now())


def _chosen(principal: Principal, kind: Kind, digest: str) -> dict[str, str]:
    """Return the form's field that chooses a picture."""
    if kind == "logo":
        return {"logo": digest}
    if kind == "stamp":
        return {"icon": own_icon(principal.merchant_id, digest)}
    return {"ground": own_photo(principal.merchant_id, digest)}


async def _draft(
    session: AsyncSession, store: StoreView, picked: Mapping[str, Any]
) -> FormInput[DesignForm] | None:
    values = {**await _values(session, store), **picked}
    form = FormInput[DesignForm](values, DesignForm.model_validate(values))
    try:
        await draft_design(session, store, form.data)  # type: ignore[arg-type]
    except Invalid:
        return None
    return form


@router.post("/preview", dependencies=[EDIT])
async def post_preview(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show what the form would make, without saving: the preview alone for htmx, else the whole page."""
    store = await get_store(session, principal.merchant_id, store_id)
    form = await _read(request, session, store)
    return await show_designer(request, session, store, form=form, now=clock.now())


async def _read(request: Request, session: AsyncSession, store: StoreView) -> FormInput[DesignForm]:
    """Read the form; a suggested colour that was taken over stands in it as if it had been typed."""
    form = await read_form(request, DesignForm)
    if form.data is not None and form.data.use:
        form.values = own_colors_of(form.values, form.data.use)
        form.data = DesignForm.model_validate({**form.data.model_dump(), **form.values})
    if form.data is not None:
        try:
            await draft_design(session, store, form.data)
        except Invalid as error:
            form.refuse(error)
    return form


@router.get("/save", dependencies=[EDIT])
@router.get("/preview", dependencies=[EDIT])
@router.get("/pictures/{kind}", dependencies=[EDIT])
async def get_back(request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep) -> Response:
    """Lead whoever loads the answer of a form again to the designer."""
    store = await get_store(session, principal.merchant_id, store_id)
    return redirect(request, design_url(store.id))


@router.post("/save", dependencies=[EDIT])
async def post_design(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Save the design; sent twice it changes nothing the second time."""
    store = await get_store(session, principal.merchant_id, store_id)
    form = await _read(request, session, store)
    if form.data is None or form.errors:
        return await show_designer(request, session, store, form=form, now=clock.now())
    await save_design(session, principal, store, form=form.data, now=clock.now())
    return redirect(request, design_url(store_id), flash=_("Design saved. The cards follow."))


@router.post("/pictures/{kind}", dependencies=[EDIT, rate_limit("expensive")])
async def post_picture(
    request: Request, store_id: UUID, kind: Kind, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep an uploaded picture and choose it in the form; nothing is on any card until the design is saved."""
    store = await get_store(session, principal.merchant_id, store_id)
    typed: dict[str, Any] = {}
    try:
        digest = await _keep(request, session, principal, kind=kind, typed=typed, now=clock.now())
    except Invalid as error:
        form = FormInput[DesignForm]({**await _values(session, store), **typed}, None)
        form.refuse(error)
        return await show_designer(request, session, store, form=form, now=clock.now())
    if "look" not in typed:
        return redirect(request, f"{design_url(store_id)}?{kind}={digest}#{kind}")
    # What was chosen and typed before came along: it is shown again, with the picture in it.
    form = _as_form({**typed, **_chosen(principal, kind, digest)})
    return await show_designer(request, session, store, form=form, now=clock.now())


def _as_form(values: dict[str, Any]) -> FormInput[DesignForm]:
    """Return the form with values that did not come from a whole form of their own."""
    try:
        return FormInput[DesignForm](values, DesignForm.model_validate(values))
    except ValidationError:
        return FormInput[DesignForm](values, None)


async def _keep(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    *,
    kind: Kind,
    typed: dict[str, Any],
    now: datetime,
) -> str:
    """Keep the upload and return its hash. typed: takes what else stands in the form, also when it is refused."""
    async with request.form() as sent:
        upload = sent.get(f"{kind}_file")
        typed |= {key: value for key, value in sent.items() if isinstance(value, str)}
        if not isinstance(upload, UploadFile) or not upload.filename:
            raise Invalid(extra={"fields": {kind: _("Please choose a picture: PNG, JPEG or WebP.")}})
        wish = _read_crop(typed, kind)
        kept = await keep_picture(session, principal, upload, kind=kind, crop=wish, now=now)
    return kept.digest


def _read_crop(typed: Mapping[str, Any], kind: Kind) -> Crop:
    start = f"{kind}_crop_"
    values = {
        f"crop_{key.removeprefix(start)}": value for key, value in typed.items() if key.startswith(start)
    }
    try:
        wish = CropForm.model_validate(values)
    except ValidationError:
        raise Invalid(extra={"fields": {kind: _("Please enter a number that fits.")}}) from None
    return Crop(wish.crop_left, wish.crop_top, wish.crop_width, wish.crop_height)

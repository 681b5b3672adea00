"""The merchant's page about privacy: settings, requests, proof of consents, record of processing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import StreamingResponse

from app.db.session import Database
from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg, ngettext
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.csv import csv_response
from app.kernel.web.form_input import FormInput, read_form, whole, yes
from app.kernel.web.forms import redirect
from app.kernel.web.present import json_response
from app.kernel.web.shell import render_member_page
from app.modules.customers.public import ConsentSettings
from app.modules.merchants.public import get_merchant
from app.modules.privacy.processing.keeping import list_keeping
from app.modules.privacy.processing.record import make_record
from app.modules.privacy.proofs import FIELDS, list_proofs, read_proofs
from app.modules.privacy.rules import CHANGE_EMAIL, ERASE, MONTHS_CHOICES, MONTHS_SUGGESTED, REMOVE_EMAIL
from app.modules.privacy.service import change_settings, list_requests, note_proof
from app.modules.privacy.settings import (
    ADDRESS_LENGTH_MAX,
    NAME_LENGTH_MAX,
    NOTE_LENGTH_MAX,
    PrivacySettings,
)
from app.modules.stores.public import list_stores
from app.utils.validators import OptionalEmail

URL = "/dashboard/privacy"
router = APIRouter(prefix=URL, include_in_schema=False)
_Blank = BeforeValidator(lambda value: None if value == "" else value)
REQUEST_WORDS = {
    ERASE: msg("Delete everything"),
    CHANGE_EMAIL: msg("Change the email"),
    REMOVE_EMAIL: msg("Remove the email"),
}


class SettingsForm(BaseModel):
    """The settings as typed."""

    model_config = ConfigDict(extra="forbid")
    controller_name: str = Field("", max_length=NAME_LENGTH_MAX)
    controller_address: str = Field("", max_length=ADDRESS_LENGTH_MAX)
    contact_email: OptionalEmail = None
    extra_note: str = Field("", max_length=NOTE_LENGTH_MAX)
    inactive_months: int = Field(0, ge=0, le=120)
    double_opt_in: bool = False

    def to_privacy(self) -> PrivacySettings:
        """Return what privacy keeps."""
        values = self.model_dump(exclude={"double_opt_in", "contact_email"})
        return PrivacySettings(**values, contact_email=self.contact_email or "")


@router.get("", dependencies=[member("privacy.view", api_key=False)])
async def get_page(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show everything about privacy on one page."""
    return await _page(request, session, principal)


@router.post("", dependencies=[member("privacy.edit", api_key=False)])
async def post_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep the settings."""
    convert = {"inactive_months": whole, "double_opt_in": yes}
    form = await read_form(request, SettingsForm, convert=convert)
    if form.data is None:
        return await _page(request, session, principal, form=form)
    consent = ConsentSettings(double_opt_in=form.data.double_opt_in)
    await change_settings(
        session, principal, privacy=form.data.to_privacy(), consent=consent, now=clock.now()
    )
    return redirect(request, URL, flash=_("Saved."))


async def _page(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    *,
    form: FormInput[SettingsForm] | None = None,
) -> Response:
    merchant_id = principal.merchant_id
    settings = await get_settings(session, PrivacySettings, merchant_id=merchant_id)
    consent = await get_settings(session, ConsentSettings, merchant_id=merchant_id)
    merchant = await get_merchant(session, merchant_id)
    stores = await list_stores(session, merchant_id)
    context: dict[str, Any] = {
        "page_title": _("Privacy"),
        "values": {**settings.model_dump(), **consent.model_dump(), **(form.values if form else {})},
        "errors": form.errors if form else {},
        "merchant": merchant,
        "months": [(str(number), _months_text(number)) for number in MONTHS_CHOICES],
        "may_edit": principal.may("privacy.edit"),
        "requests": await list_requests(session, merchant_id),
        "request_words": {kind: _(words) for kind, words in REQUEST_WORDS.items()},
        "record": make_record(),
        "keeping": list_keeping(),
        "kept_customers": _months_text(settings.inactive_months),
        "notice_url": f"/privacy/{stores[0].id}" if stores else None,
    }
    return await render_member_page(
        request, session, "privacy/dashboard.html", context, status_code=422 if form else 200
    )


def _months_text(months: int) -> str:
    if not months:
        return _("never by itself")
    words = ngettext("after %(num)s month without a visit", "after %(num)s months without a visit", months)
    return _("%(words)s (usual)", words=words) if months == MONTHS_SUGGESTED else words


@router.get("/record.json", dependencies=[member("privacy.view", api_key=False)])
async def get_record(session: SessionDep, principal: MerchantDep) -> Response:
    """Download the record of processing."""
    merchant = await get_merchant(session, principal.merchant_id)
    settings = await get_settings(session, PrivacySettings, merchant_id=merchant.id)
    record = [{name: getattr(item, name) for name in item.__dataclass_fields__} for item in make_record()]
    body = {
        "controller": settings.controller_name or merchant.name,
        "address": settings.controller_address,
        "processing": record,
    }
    headers = {"content-disposition": 'attachment; filename="record-of-processing.json"'}
    return json_response(body, headers=headers)


@router.post("/consents.{kind}", dependencies=[member("privacy.edit", api_key=False)])
async def post_consents(
    kind: Literal["csv", "json"],
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    customer_id: Annotated[UUID | None, Form(), _Blank] = None,
) -> Response:
    """Download the proof of consents, of one customer or of all."""
    await note_proof(session, principal, customer_id=customer_id, now=clock.now())
    merchant_id = principal.merchant_id
    if customer_id is not None:
        proofs = _given(await list_proofs(session, merchant_id, customer_id=customer_id))
    else:
        proofs = read_proofs(resources_of(session).get(Database), merchant_id)
    if kind == "csv":
        return csv_response("consents", FIELDS, _rows(proofs))
    headers = {"content-disposition": 'attachment; filename="consents.json"'}
    return StreamingResponse(_json_lines(proofs), media_type="application/json", headers=headers)


async def _given(proofs: list[dict[str, object]]) -> AsyncIterator[dict[str, object]]:
    for proof in proofs:
        yield proof


async def _rows(proofs: AsyncIterator[dict[str, object]]) -> AsyncIterator[list[object]]:
    async for proof in proofs:
        yield [proof[name] for name in FIELDS]


async def _json_lines(proofs: AsyncIterator[dict[str, object]]) -> AsyncIterator[str]:
    import json

    start = '{"consents": [\n'
    async for proof in proofs:
        yield start + json.dumps(proof, ensure_ascii=False)
        start = ",\n"
    yield ("" if start == ",\n" else start) + "\n]}\n"

"""The dashboard's pages about the account: settings, sessions, API keys, audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.adapters import resources_of
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import LANGUAGES
from app.kernel.i18n import gettext as _
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.once import Once, answer_once
from app.kernel.web.shell import render_member_page
from app.modules.merchants import schemas
from app.modules.merchants.api_keys import (
    create_api_key,
    list_api_keys,
    list_scopes,
    revoke_api_key,
    write_key,
)
from app.modules.merchants.presenting import (
    COLOR_DEFAULTS,
    CURRENCIES,
    PALETTE_NAMES,
    SettingsForm,
    audit_rows,
)
from app.modules.merchants.public import get_merchant, list_time_zones
from app.modules.merchants.queries import list_audit
from app.modules.merchants.service import change_merchant
from app.modules.merchants.sign_in import list_sessions, revoke_sessions
from app.utils.id_generator import new_id
from app.utils.security import Keyring

router = APIRouter(prefix="/dashboard", include_in_schema=False)


async def _settings_page(
    request: Request, session: Any, merchant_id: UUID, form: FormInput[Any] | None = None
) -> Response:
    merchant = await get_merchant(session, merchant_id)
    stored = {
        **{name: getattr(merchant, name) for name in ("name", "locale", "time_zone", "currency")},
        **COLOR_DEFAULTS,
        **merchant.branding,
    }
    stored["palette"] = merchant.branding.get("palette") or (
        "own" if merchant.branding.get("background_color") else "forest"
    )
    context = {
        "page_title": _("Settings"),
        "page_text": _("What your business is called and how it looks."),
        "values": {**stored, **form.values} if form else stored,
        "errors": form.errors if form else {},
        "locales": list(LANGUAGES.items()),
        "time_zones": [(zone, zone.replace("_", " ")) for zone in list_time_zones()],
        "currencies": [(code, code) for code in sorted({*CURRENCIES, merchant.currency})],
        "palettes": [(name, _(title)) for name, title in PALETTE_NAMES],
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "merchants/settings.html", context, status_code=status)


@router.get("/settings", dependencies=[member("merchant.edit", api_key=False)])
async def get_settings_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show the business's settings."""
    return await _settings_page(request, session, principal.merchant_id)


@router.post("/settings", dependencies=[member("merchant.edit", api_key=False)])
async def post_settings_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Save the business's settings."""
    form = await read_form(request, SettingsForm)
    if form.data is not None:
        try:
            await change_merchant(session, principal, form.data.to_changes(), now=clock.now())
        except Invalid as error:
            form.refuse(error)
    if form.errors:
        return await _settings_page(request, session, principal.merchant_id, form)
    return redirect(request, "/dashboard/settings", flash=_("Settings saved."))


@router.get("/sessions", dependencies=[member("members.view", api_key=False)])
async def get_sessions_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """List the own open sessions."""
    rows = await list_sessions(session, principal, now=clock.now())
    merchant = await get_merchant(session, principal.merchant_id)
    context = {
        "page_title": _("My sessions"),
        "page_text": _("Where you are signed in. End what you do not recognise, then choose a new password."),
        "sessions": rows,
        "current_id": principal.extra.get("session_id"),
        "time_zone": merchant.time_zone,
    }
    return await render_member_page(request, session, "merchants/sessions.html", context)


@router.post("/sessions/end-others", dependencies=[member("members.view", api_key=False)])
async def post_end_other_sessions(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End every own session but this one."""
    await revoke_sessions(session, principal, keep=principal.extra["session_id"], now=clock.now())
    return redirect(request, "/dashboard/sessions", flash=_("All other sessions were ended."))


@router.post("/sessions/{session_id}/end", dependencies=[member("members.view", api_key=False)])
async def post_end_session(
    request: Request, session_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End one of the own sessions."""
    if not await revoke_sessions(session, principal, session_id=session_id, now=clock.now()):
        raise NotFound("session")
    return redirect(request, "/dashboard/sessions", flash=_("The session was ended."))


async def _keys_page(
    request: Request,
    session: Any,
    principal: Any,
    form: FormInput[Any] | None = None,
    *,
    shown_key: str = "",
) -> Response:
    merchant = await get_merchant(session, principal.merchant_id)
    context: Mapping[str, Any] = {
        "page_title": _("API keys"),
        "page_text": _("For tills, web shops and your own scripts. A key can only do what you tick."),
        "keys": await list_api_keys(session, principal.merchant_id),
        "scopes": [{"name": scope.name, "title": _(scope.title)} for scope in list_scopes(session)],
        "values": form.values if form else {},
        "errors": form.errors if form else {},
        "shown_key": shown_key,
        "idempotency_key": new_id(),
        "time_zone": merchant.time_zone,
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "merchants/api_keys.html", context, status_code=status)


@router.get("/api-keys", dependencies=[member("api_keys.edit", api_key=False)])
async def get_api_keys_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """List the API keys and show the form for a new one."""
    return await _keys_page(request, session, principal)


@router.post("/api-keys", dependencies=[member("api_keys.edit", api_key=False)])
async def post_api_keys_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Make an API key and show it, this once: a redirect would have to carry the secret."""
    form = await read_form(request, schemas.ApiKeyRequest, lists=("scopes",))
    if "scopes" in form.errors:
        form.errors["scopes"] = _("Choose at least one.")
    key = await _make_key(session, principal, form, now=clock.now())
    if key is None:
        return await _keys_page(request, session, principal, form)
    return await _keys_page(request, session, principal, shown_key=key)


async def _make_key(session: Any, principal: Any, form: FormInput[Any], *, now: Any) -> str | None:
    if form.data is None:
        return None
    data = form.data
    try:
        outcome = await answer_once(
            session,
            principal,
            Once("api_keys.create", form.key, data.model_dump(mode="json")),
            work=lambda: create_api_key(
                session, principal, name=data.name, scopes=frozenset(data.scopes), now=now
            ),
            answer=schemas.ApiKeyRow.from_row,
            now=now,
        )
    except Invalid as error:
        form.refuse(error)
        return None
    if isinstance(outcome, Refusal):
        form.errors["name"] = _("This form was sent before with other values. Please load the page again.")
        return None
    row = outcome.answer if isinstance(outcome, Replay) else outcome
    return write_key(resources_of(session).get(Keyring), principal.merchant_id, UUID(str(row["id"])))


@router.post("/api-keys/{key_id}/revoke", dependencies=[member("api_keys.edit", api_key=False)])
async def post_revoke_key(
    request: Request, key_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Revoke an API key at once."""
    await revoke_api_key(session, principal, key_id, now=clock.now())
    return redirect(request, "/dashboard/api-keys", flash=_("The key was revoked. It works no more."))


@router.get("/audit", dependencies=[member("audit.view", api_key=False)])
async def get_audit_page(
    request: Request, principal: MerchantDep, session: SessionDep, before: UUID | None = None
) -> Response:
    """Show who changed what, newest first."""
    page = await list_audit(session, principal.merchant_id, before=before)
    merchant = await get_merchant(session, principal.merchant_id)
    keys = {key.id: key.name for key in await list_api_keys(session, principal.merchant_id)}
    context = {
        "page_title": _("Changes"),
        "page_text": _("Who changed what, and when. Nobody can edit this list."),
        "rows": audit_rows(page.entries, viewer_id=principal.id, key_names=keys),
        "time_zone": merchant.time_zone,
        "next_url": f"/dashboard/audit?before={page.next_before}" if page.next_before else None,
        "first_url": "/dashboard/audit" if before else None,
    }
    return await render_member_page(request, session, "merchants/audit.html", context)

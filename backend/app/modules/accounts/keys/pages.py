"""The dashboard's page of API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.adapters import resources_of
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.once import Once, answer_once
from app.kernel.web.shell import render_member_page
from app.modules.accounts.keys import schemas
from app.modules.accounts.keys.service import (
    create_api_key,
    list_api_keys,
    list_scopes,
    revoke_api_key,
    write_key,
)
from app.modules.merchants.public import get_merchant
from app.utils.id_generator import new_id
from app.utils.security import Keyring

router = APIRouter(prefix="/dashboard", include_in_schema=False)


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
        "titles": {scope.name: _(scope.title) for scope in list_scopes(session)},
        "values": form.values if form else {},
        "errors": form.errors if form else {},
        "shown_key": shown_key,
        "idempotency_key": new_id(),
        "time_zone": merchant.time_zone,
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "accounts/api_keys.html", context, status_code=status)


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

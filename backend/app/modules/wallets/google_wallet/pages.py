"""The dashboard's page that connects Google Wallet: key, issuer, test, and how many passes are in wallets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from app.config import Settings
from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.jobs import enqueue
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.merchants.public import get_merchant
from app.modules.wallets.google_wallet.accounts import (
    KEY_FILE_BYTES_MAX,
    UnusableKey,
    find_account,
    is_google_token_uri,
    read_key,
    seal_context,
)
from app.modules.wallets.google_wallet.checking import FAULTS, GoogleCheck, check_google
from app.modules.wallets.google_wallet.models import GoogleAccountRow, GoogleObjectRow, GooglePace
from app.modules.wallets.google_wallet.rules import NOTIFICATIONS_MAX
from app.utils.security import Keyring

router = APIRouter(prefix="/dashboard/wallets/google", include_in_schema=False)
URL = "/dashboard/wallets/google"
EDIT = "merchant.edit"
KEY_FAULTS = {
    "not_json": msg("This is not a JSON file."),
    "not_service_account": msg("This is not the key of a service account."),
    "incomplete": msg("The key lacks its e-mail, its private key or its token address."),
    "bad_key": msg("The private key in the file cannot be read."),
    "foreign_token_address": msg("The key names a token address that is not Google's."),
    "no_file": msg("Please choose the JSON file."),
    "bad_issuer": msg("The issuer id is a number, such as 3388000000012345678."),
}


async def _page(
    request: Request, session: AsyncSession, principal: Principal, *, error: str = "", status: int = 200
) -> Response:
    account = await find_account(session, principal.merchant_id)
    check = await get_settings(session, GoogleCheck, merchant_id=principal.merchant_id)
    context = {
        "page_title": _("Google Wallet"),
        "back_url": "/dashboard/wallets",
        "back_label": _("Wallets"),
        "account": account,
        "account_url": URL,
        "check_text": _(FAULTS.get(check.code, FAULTS["unexpected"])) if check.code else "",
        "check_ok": check.code == "ok",
        "time_zone": (await get_merchant(session, principal.merchant_id)).time_zone,
        "check_at": datetime.fromisoformat(check.at) if check.at else None,
        "error": _(KEY_FAULTS[error]) if error else "",
        "is_https": resources_of(session).get(Settings).public_url.startswith("https:"),
        "notifications_max": NOTIFICATIONS_MAX,
        **await _figures(session, principal, account.issuer_id if account else ""),
    }
    return await render_member_page(
        request, session, "wallets/google_setup.html", context, status_code=status
    )


async def _figures(session: AsyncSession, principal: Principal, issuer_id: str) -> dict[str, Any]:
    row = GoogleObjectRow
    counted = select(
        func.count().filter(row.sent != {}),
        func.count().filter(row.saves > row.deletions),
        func.coalesce(func.sum(row.silenced), 0),
    ).where(row.merchant_id == principal.merchant_id)
    made, saved, silenced = (await session.execute(counted)).one()
    pace = await session.get(GooglePace, issuer_id)
    fault = FAULTS.get(pace.fault, FAULTS["unexpected"]) if pace and pace.fault else ""
    return {
        "passes_made": made,
        "passes_saved": saved,
        "silenced": int(silenced),
        "fault_text": _(fault) if fault else "",
    }


@router.get("", dependencies=[member(EDIT, api_key=False)])
async def get_google_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show what is connected, and what is missing."""
    return await _page(request, session, principal)


@router.post("", dependencies=[member(EDIT, api_key=False)])
async def post_google_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep a service account's key, sealed, and test it."""
    form = await request.form()
    file, issuer_id = form.get("key_file"), str(form.get("issuer_id") or "").strip()
    content = await file.read(KEY_FILE_BYTES_MAX + 1) if isinstance(file, UploadFile) else b""
    await form.close()
    fault = _fault_of(content, issuer_id)
    if fault:
        return await _page(request, session, principal, error=fault, status=422)
    await _keep(session, principal, content, issuer_id=issuer_id, now=clock.now())
    await enqueue(session, check_google, merchant_id=principal.merchant_id, key=str(principal.merchant_id))
    return redirect(request, URL, flash=_("The key is kept. The test runs; its result is here in a moment."))


def _fault_of(content: bytes, issuer_id: str) -> str:
    """Return what is wrong with an upload as a code, or nothing."""
    if not content:
        return "no_file"
    if not (issuer_id.isascii() and issuer_id.isdigit() and len(issuer_id) <= 30):
        return "bad_issuer"
    try:
        return "" if is_google_token_uri(read_key(content)["token_uri"]) else "foreign_token_address"
    except UnusableKey as error:
        return error.reason


async def _keep(
    session: AsyncSession, principal: Principal, content: bytes, *, issuer_id: str, now: datetime
) -> None:
    merchant_id = principal.merchant_id
    keyring = resources_of(session).get(Keyring)
    values = {
        "issuer_id": issuer_id,
        "service_email": read_key(content)["client_email"],
        "sealed": keyring.seal(content, context=seal_context(merchant_id)),
        "updated_at": now,
    }
    made = insert(GoogleAccountRow).values(merchant_id=merchant_id, **values)
    await session.execute(made.on_conflict_do_update(index_elements=["merchant_id"], set_=values))
    await _audit(session, principal, "google_wallet.connected", now=now)


async def _audit(session: AsyncSession, principal: Principal, action: str, *, now: datetime) -> None:
    await record_audit(
        session, principal, action=action, target_kind="merchant", target_id=principal.merchant_id, now=now
    )


@router.post("/test", dependencies=[member(EDIT, api_key=False)])
async def post_google_test(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Test the account; a job asks Google, so that nobody waits on an open transaction."""
    await enqueue(session, check_google, merchant_id=principal.merchant_id, key=str(principal.merchant_id))
    return redirect(request, URL, flash=_("The test runs; its result is here in a moment."))


@router.post("/remove", dependencies=[member(EDIT, api_key=False)])
async def post_google_remove(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Forget the merchant's own key; passes in wallets stay as they are."""
    await session.execute(
        delete(GoogleAccountRow).where(GoogleAccountRow.merchant_id == principal.merchant_id)
    )
    await _audit(session, principal, "google_wallet.disconnected", now=clock.now())
    return redirect(request, URL, flash=_("The key is forgotten. Passes already saved stay on the phones."))

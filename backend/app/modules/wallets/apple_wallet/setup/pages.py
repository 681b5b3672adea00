"""The dashboard's page that sets Apple Wallet up, step by step."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData, UploadFile

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.jobs import enqueue
from app.kernel.settings import get_settings, save_settings
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import render
from app.modules.wallets.apple_wallet.credentials import AppleSetup
from app.modules.wallets.apple_wallet.faults import IdentityFault, fault_text
from app.modules.wallets.apple_wallet.identity import Blob
from app.modules.wallets.apple_wallet.setup.checking import AppleCheck, check_apple
from app.modules.wallets.apple_wallet.setup.presenting import page_values
from app.modules.wallets.apple_wallet.setup.state import find_state
from app.modules.wallets.apple_wallet.setup.uploading import (
    FILE_BYTES_MAX,
    Upload,
    issue_request,
    keep_upload,
    remove_own,
)
from app.modules.wallets.apple_wallet.telling import PERMISSION, URL

router = APIRouter(prefix=URL, include_in_schema=False)
FILES = ("apple_certificate", "apple_key", "apple_wwdr")
TEXT_LENGTH_MAX = 200
REQUEST_FILE = "apple-wallet.certSigningRequest"
OWN = member(PERMISSION, api_key=False)


async def _page(
    request: Request,
    session: AsyncSession,
    merchant_id: Any,
    *,
    fault: IdentityFault | None = None,
    typed: Upload | None = None,
) -> Response:
    state = await find_state(session, merchant_id, now=request.app.state.clock.now())
    context = {
        **page_values(state, now=request.app.state.clock.now()),
        "error": fault_text(fault.code, fault.values) if fault else "",
        "asks_to_replace": fault is not None and fault.code == "other_pass_type",
        "typed": typed or Upload(()),
    }
    status = 422 if fault else 200
    return await render_member_page(request, session, "wallets/apple_setup.html", context, status_code=status)


@router.get("", dependencies=[OWN])
async def get_apple_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show how Apple Wallet stands, and what is missing."""
    return await _page(request, session, principal.merchant_id)


@router.post("", dependencies=[OWN, rate_limit("expensive")])
async def post_apple_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep Apple's answer, or a certificate the merchant has; what is wrong with it is said in one sentence."""
    upload: Upload | None = None
    try:
        upload = await _read_upload(request)
        kept = await keep_upload(session, principal, upload, now=clock.now())
    except IdentityFault as fault:
        return await _page(request, session, principal.merchant_id, fault=fault, typed=upload)
    if kept.fault is not None:
        text = fault_text(kept.fault.code, kept.fault.values)
        return redirect(request, URL, flash=text, kind="warn")
    if kept.what == "intermediate":
        return redirect(request, URL, flash=_("The intermediate is kept. Now upload the certificate."))
    return redirect(request, URL, flash=_("Cards for iPhones are now signed with your certificate."))


async def _read_upload(request: Request) -> Upload:
    async with request.form() as form:
        files = [blob for name in FILES if (blob := await _read_file(form, name))]
        if not files:
            raise IdentityFault("no_file")
        return Upload(
            files,
            password=str(form.get("apple_key_password") or "")[:TEXT_LENGTH_MAX],
            pass_type=_text(form, "apple_pass_type"),
            team=_text(form, "apple_team"),
            may_replace=form.get("may_replace") == "true",
        )


def _text(form: FormData, name: str) -> str:
    return str(form.get(name) or "").strip()[:TEXT_LENGTH_MAX]


async def _read_file(form: FormData, name: str) -> Blob | None:
    file = form.get(name)
    if not isinstance(file, UploadFile):
        return None
    data = await file.read(FILE_BYTES_MAX + 1)
    shown = "".join(letter for letter in file.filename or name if letter.isprintable())[-60:]
    if len(data) > FILE_BYTES_MAX:
        raise IdentityFault("too_large", name=shown)
    return Blob(shown, data) if data else None


@router.post("/request", dependencies=[OWN, rate_limit("expensive")])
async def post_apple_request(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Make the certificate request; its private key stays here, encrypted."""
    form = await request.form()
    await issue_request(session, principal, anew=form.get("anew") == "true", now=clock.now())
    return redirect(request, URL, flash=_("The request is ready to be downloaded."))


@router.get("/request", dependencies=[OWN])
async def get_apple_request(principal: MerchantDep, session: SessionDep) -> Response:
    """Download the certificate request."""
    setup = await get_settings(session, AppleSetup, merchant_id=principal.merchant_id)
    if not setup.request:
        raise NotFound("request")
    headers = {
        "Content-Disposition": f'attachment; filename="{REQUEST_FILE}"',
        "Cache-Control": "private, no-store",
    }
    return Response(setup.request, media_type="application/pkcs10", headers=headers)


@router.post("/test", dependencies=[OWN, rate_limit("expensive")])
async def post_apple_test(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Test the certificate; a job asks Apple, so that nobody waits on an open transaction."""
    merchant_id = principal.merchant_id
    asked = AppleCheck(asked_at=clock.now().isoformat())
    await save_settings(session, asked, merchant_id=merchant_id)
    await enqueue(session, check_apple, merchant_id=merchant_id, key=str(merchant_id))
    return redirect(request, URL, flash=_("The test runs; its result is here in a moment."))


@router.get("/check", dependencies=[OWN])
async def get_apple_check(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show the part of the page with the test's result, for the page that waits for it."""
    state = await find_state(session, principal.merchant_id, now=clock.now())
    return render(request, "wallets/_apple_check.html", page_values(state, now=clock.now()))


@router.post("/remove", dependencies=[OWN])
async def post_apple_remove(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Forget the merchant's own certificate; passes on phones stay as they are."""
    await remove_own(session, principal, now=clock.now())
    return redirect(
        request, URL, flash=_("The certificate and its key are deleted. Cards on phones stay as they are.")
    )

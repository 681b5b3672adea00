"""The pages behind the links of our mails: a new address, and "that was not me"."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import signed_link
from app.kernel.web.cookies import delete_cookie, read_cookie, set_cookie
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.modules.accounts.own.address import confirm_address
from app.modules.accounts.own.alarm import raise_alarm
from app.modules.accounts.signing_in.reset_pages import RESET_LINK_COOKIE
from app.modules.accounts.signing_in.sessions import SESSION_COOKIE
from app.modules.accounts.signing_in.shown import LINK_COOKIE_AGE, form_page, keep_token

router = APIRouter(include_in_schema=False)
ALARM_COOKIE = "alarm_link"
ADDRESS_COOKIE = "address_link"


@router.get("/not-me/link/{token}", dependencies=[signed_link("The link of an alarm; changes nothing")])
async def get_alarm_link(request: Request, token: str) -> Response:
    """Move the token out of the address."""
    return keep_token(request, ALARM_COOKIE, token=token, target="/not-me")


@router.get("/not-me", dependencies=[signed_link("Asks for the click of an alarm; changes nothing")])
async def get_alarm(request: Request) -> Response:
    """Say what the click does."""
    return form_page(request, "accounts/alarm.html")


@router.post("/not-me", dependencies=[signed_link("Ends all sessions"), rate_limit("open_link")])
async def post_alarm(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """End every session of the account, and go on to a new password."""
    outcome = await raise_alarm(session, read_cookie(request, ALARM_COOKIE) or "", now=clock.now())
    if isinstance(outcome, Refusal):
        return form_page(request, "accounts/link_unusable.html", refusal=outcome)
    flash = _("All sessions were ended. Now choose a new password.")
    response = redirect(request, "/password-reset/new", flash=flash)
    delete_cookie(request, response, ALARM_COOKIE)
    delete_cookie(request, response, SESSION_COOKIE)
    set_cookie(request, response, RESET_LINK_COOKIE, outcome, max_age=LINK_COOKIE_AGE)
    return response


@router.get(
    "/new-address/link/{token}", dependencies=[signed_link("The link of a new address; changes nothing")]
)
async def get_address_link(request: Request, token: str) -> Response:
    """Move the token out of the address."""
    return keep_token(request, ADDRESS_COOKIE, token=token, target="/new-address")


@router.get("/new-address", dependencies=[signed_link("Asks for the click that confirms; changes nothing")])
async def get_address(request: Request) -> Response:
    """Ask for the one click."""
    return form_page(request, "accounts/new_address.html")


@router.post("/new-address", dependencies=[signed_link("Take over an address"), rate_limit("open_link")])
async def post_address_form(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the new address over."""
    refused = await confirm_address(session, read_cookie(request, ADDRESS_COOKIE) or "", now=clock.now())
    if refused is not None:
        return form_page(request, "accounts/link_unusable.html", refusal=refused)
    response = redirect(request, "/sign-in", flash=_("From now on you sign in with this address."))
    delete_cookie(request, response, ADDRESS_COOKIE)
    return response

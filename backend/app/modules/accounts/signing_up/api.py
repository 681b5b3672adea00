"""Sign-up over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import current
from app.kernel.permissions import public, signed_link
from app.kernel.web.limits import rate_limit
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.modules.accounts.schemas import MailAnswer, SessionAnswer
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.api import session_answer
from app.modules.accounts.signing_in.browser import browser_of
from app.modules.accounts.signing_up import schemas
from app.modules.accounts.signing_up.cookies import sign_up_secret, with_sign_up_secret
from app.modules.accounts.signing_up.service import (
    Confirmation,
    SignUpWish,
    finish_sign_up,
    request_sign_up,
)

router = APIRouter(tags=["Accounts"])


@router.post(
    "/merchants",
    status_code=202,
    response_model=MailAnswer,
    responses=error_responses("weak_password", "sign_up_closed"),
    dependencies=[public("Ask for an account; the mailbox decides"), rate_limit("sign_up")],
)
async def post_merchant(
    request: Request,
    body: schemas.SignUpRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Sign up: the link in the mail finishes it. Known and unknown addresses get the same answer.

    The password counts where the link is opened by the client that sent this (it gets a cookie); any other
    client is asked for one when it confirms.
    """
    secret = sign_up_secret(request)
    locale = body.locale or current().language
    wish = SignUpWish(body.name, body.email, body.password, locale, key or "", secret, body.invitation or "")
    outcome = await request_sign_up(session, wish, now=clock.now())
    answer = present_json(outcome, lambda _none: MailAnswer(status="look_in_your_mailbox"), status=202)
    return with_sign_up_secret(request, answer, secret)


@router.post(
    "/merchants/confirm",
    status_code=201,
    response_model=SessionAnswer,
    responses=error_responses("link_unusable", "password_needed", "weak_password"),
    dependencies=[signed_link("Finish a sign-up"), rate_limit("open_link")],
)
async def post_confirm(
    request: Request,
    body: schemas.ConfirmRequest,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Finish a sign-up with the token of its mail, once, and sign in. A repeated request is refused."""
    opened = Confirmation(body.token, sign_up_secret(request), body.password or "")
    outcome = await finish_sign_up(session, opened, browser=browser_of(request), now=clock.now())
    return with_session(request, present_json(outcome, session_answer), outcome)

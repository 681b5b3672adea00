"""The own account over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.permissions import signed_link
from app.kernel.web.limits import rate_limit
from app.kernel.web.once import IdempotencyHeader
from app.kernel.web.present import json_response, present_json
from app.kernel.web.problems import error_responses
from app.modules.accounts.own import schemas
from app.modules.accounts.own.address import confirm_address, request_address
from app.modules.accounts.own.service import change_name, change_password, get_own_member
from app.modules.accounts.schemas import MailAnswer

router = APIRouter(prefix="/account", tags=["Accounts"])


async def _account(session: SessionDep, principal: MerchantDep) -> schemas.AccountAnswer:
    own = await get_own_member(session, principal)
    return schemas.AccountAnswer(
        id=own.id,
        email=own.email,
        name=own.name,
        role=own.role,
        store_ids=sorted(own.store_ids),
        staff_id=own.staff_id,
    )


@router.get(
    "",
    response_model=schemas.AccountAnswer,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("members.view", api_key=False)],
)
async def get_account(principal: MerchantDep, session: SessionDep) -> schemas.AccountAnswer:
    """Show who is signed in."""
    return await _account(session, principal)


@router.patch(
    "",
    response_model=schemas.AccountAnswer,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("members.view", api_key=False)],
)
async def patch_account(
    body: schemas.NameRequest, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> schemas.AccountAnswer:
    """Change how the team calls you."""
    await change_name(session, principal, name=body.name, now=clock.now())
    return await _account(session, principal)


@router.put(
    "/password",
    status_code=204,
    responses=error_responses(
        "unauthenticated", "forbidden", "password_wrong", "weak_password", "rate_limited"
    ),
    dependencies=[member("members.view", api_key=False)],
)
async def put_password(
    body: schemas.PasswordChange, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Change the password; every other session ends."""
    refused = await change_password(
        session, principal, old=body.current_password, new=body.password, now=clock.now()
    )
    return present_json(refused, dict) if refused else Response(status_code=204)


@router.post(
    "/email",
    status_code=202,
    response_model=MailAnswer,
    responses=error_responses("unauthenticated", "forbidden", "password_wrong", "rate_limited"),
    dependencies=[member("members.view", api_key=False)],
)
async def post_email(
    body: schemas.AddressChange,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Ask for another sign-in address; its mailbox confirms it. Repeating it sends another mail, few in all."""
    refused = await request_address(
        session, principal, email=body.email, password=body.current_password, now=clock.now()
    )
    if refused:
        return present_json(refused, dict)
    return json_response(MailAnswer(status="look_in_your_mailbox"), status=202)


@router.post(
    "/email/confirm",
    status_code=204,
    responses=error_responses("link_unusable", "address_taken"),
    dependencies=[signed_link("Take over a new sign-in address"), rate_limit("open_link")],
)
async def post_email_confirm(
    body: schemas.LinkRequest, session: SessionDep, clock: ClockDep, key: IdempotencyHeader = None
) -> Response:
    """Take over the new address, once. A repeated request is refused."""
    refused = await confirm_address(session, body.token, now=clock.now())
    return present_json(refused, dict) if refused else Response(status_code=204)

"""Apple's web service for passes: register, unregister, what changed, the latest pass, log.

Paths, codes and headers are Apple's; devices retry on anything else. The device library identifier is the secret
of the list, the pass's own token that of everything else.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from app.db.session import Database
from app.dependencies import ClockDep, SessionDep
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound, Unauthenticated
from app.kernel.observability import get_logger
from app.kernel.permissions import card_holder, public
from app.kernel.web.csrf import csrf_exempt
from app.kernel.web.limits import rate_limit
from app.kernel.web.problems import error_responses
from app.modules.cards.public import PassObject
from app.modules.wallets.apple_wallet.api import pass_response
from app.modules.wallets.apple_wallet.generator import MIME_TYPE
from app.modules.wallets.apple_wallet.issuing import (
    find_by_serial,
    find_issuer,
    http_date,
    is_unchanged,
    issue_pass,
)
from app.modules.wallets.apple_wallet.registering import (
    DEVICE_ID_LENGTH_MAX,
    PUSH_TOKEN_LENGTH_MAX,
    Device,
    list_changed,
    register_device,
    unregister_device,
)
from app.modules.wallets.apple_wallet.tokens import is_pass_token
from app.utils.security import Keyring

router = APIRouter(prefix="/apple/updates", tags=["Apple Wallet"])
log = get_logger("stempel.wallets")

LOG_LINES_MAX, LOG_LENGTH_MAX = 20, 500
TOKEN_NOTE = "The pass's own token, in Authorization: ApplePass."  # noqa: S105 (a note about one)
LIST_NOTE = "The device's own id is the secret, as Apple has it."
REFUSALS = error_responses("unauthenticated", "not_found")


class Registration(BaseModel):
    """What a device sends when a pass was added."""

    model_config = ConfigDict(extra="ignore")
    pushToken: str = Field(  # noqa: N815 (Apple's name)
        min_length=1, max_length=PUSH_TOKEN_LENGTH_MAX, pattern=r"^[A-Za-z0-9._:\-]+$"
    )


class DeviceLog(BaseModel):
    """What a device complains about."""

    model_config = ConfigDict(extra="ignore")
    logs: list[str] = Field(max_length=1_000)


async def get_authorised_pass(
    pass_type: str, serial: str, request: Request, session: SessionDep, clock: ClockDep
) -> PassObject:
    """Return the pass of the address when the request carries its token; raises NotFound or Unauthenticated."""
    card = await find_by_serial(session, serial)
    if card is None or card.apple_auth_token is None:
        raise NotFound("pass")
    given = request.headers.get("authorization", "")
    keyring = resources_of(session).get(Keyring)
    version = int(card.apple_auth_token)
    if not is_pass_token(keyring, given, merchant_id=card.merchant_id, pass_id=card.id, version=version):
        raise Unauthenticated
    issuer = await find_issuer(session, card.merchant_id, pass_type=pass_type, now=clock.now())
    if issuer is None:
        raise NotFound("pass")
    request.state.apple_issuer = issuer
    return card


PassDep = Annotated[PassObject, Depends(get_authorised_pass)]
DEVICE_PATH = "/v1/devices/{device_id}/registrations/{pass_type}"


@router.post(
    DEVICE_PATH + "/{serial}",
    status_code=201,
    response_class=Response,
    responses={200: {"description": "Known already; the push token was replaced."}, **REFUSALS},
    dependencies=[card_holder(TOKEN_NOTE)],
)
@csrf_exempt
async def post_registration(
    device_id: str, pass_type: str, card: PassDep, body: Registration, session: SessionDep, clock: ClockDep
) -> Response:
    """Register a device for a pass: 201 for a new one, 200 for one that is known."""
    if len(device_id) > DEVICE_ID_LENGTH_MAX:
        raise NotFound("device")
    device = Device(device_id, pass_type, body.pushToken)
    is_new = await register_device(session, card, device, now=clock.now())
    return Response(status_code=201 if is_new else 200)


@router.delete(
    DEVICE_PATH + "/{serial}",
    response_class=Response,
    responses=REFUSALS,
    dependencies=[card_holder(TOKEN_NOTE)],
)
@csrf_exempt
async def delete_registration(device_id: str, pass_type: str, card: PassDep, session: SessionDep) -> Response:
    """Unregister a device; one that is not registered is no mistake."""
    await unregister_device(session, card, device_id, pass_type=pass_type)
    return Response(status_code=200)


@router.head(DEVICE_PATH, include_in_schema=False, dependencies=[public(LIST_NOTE), rate_limit("live")])
@router.get(
    DEVICE_PATH,
    response_class=Response,
    responses={204: {"description": "Nothing changed."}, **error_responses("rate_limited")},
    dependencies=[public(LIST_NOTE), rate_limit("live")],
)
async def get_changed_passes(
    device_id: str,
    pass_type: str,
    request: Request,
    since: Annotated[str, Query(alias="passesUpdatedSince", max_length=64)] = "",
) -> Response:
    """List the device's passes changed after the tag, with the next tag; 204 where there is none."""
    database: Database = request.app.state.database
    changed = await list_changed(database, device_id, pass_type=pass_type, since=since)
    if changed is None:
        return Response(status_code=204)
    return JSONResponse({"serialNumbers": changed.serials, "lastUpdated": str(changed.tag)})


async def _latest(request: Request, session: SessionDep, card: PassObject, clock: ClockDep) -> Response:
    if is_unchanged(request.headers.get("if-modified-since"), card.changed_at):
        return Response(status_code=304, headers={"Last-Modified": http_date(card.changed_at)})
    issuer = request.state.apple_issuer
    issued = await issue_pass(session, card.merchant_id, card.id, now=clock.now(), issuer=issuer)
    return pass_response(issued)


LATEST: dict[int | str, dict[str, Any]] = {
    200: {"content": {MIME_TYPE: {}}},
    304: {"description": "Not modified."},
    **REFUSALS,
}


@router.get(
    "/v1/passes/{pass_type}/{serial}",
    response_class=Response,
    responses=LATEST,
    dependencies=[card_holder(TOKEN_NOTE)],
)
async def get_latest_pass(request: Request, card: PassDep, session: SessionDep, clock: ClockDep) -> Response:
    """Return the latest pass, or 304."""
    return await _latest(request, session, card, clock)


@router.head(
    "/v1/passes/{pass_type}/{serial}", include_in_schema=False, dependencies=[card_holder(TOKEN_NOTE)]
)
async def head_latest_pass(request: Request, card: PassDep, session: SessionDep, clock: ClockDep) -> Response:
    """Say what GET would say, without the pass."""
    return await _latest(request, session, card, clock)


@router.post(
    "/v1/log",
    response_class=Response,
    responses=error_responses("rate_limited"),
    dependencies=[public("Devices say what went wrong with a pass."), rate_limit("live")],
)
@csrf_exempt
async def post_log(body: DeviceLog) -> Response:
    """Take a device's complaints; a few lines, cut short, without control characters."""
    for line in body.logs[:LOG_LINES_MAX]:
        text = "".join(letter if letter.isprintable() else " " for letter in line[:LOG_LENGTH_MAX])
        log.warning("apple_device_says", message=text)
    return Response(status_code=200)


@router.head("/{pass_type}/{serial}", include_in_schema=False, dependencies=[card_holder(TOKEN_NOTE)])
@router.get(
    "/{pass_type}/{serial}",
    response_class=Response,
    responses=LATEST,
    dependencies=[card_holder(TOKEN_NOTE)],
)
async def get_latest_pass_shortly(
    request: Request, card: PassDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Return the latest pass at the address the product was first described with."""
    return await _latest(request, session, card, clock)

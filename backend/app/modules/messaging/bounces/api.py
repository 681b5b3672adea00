"""POST /mail/events: where the operator's mail server or provider reports bounces and complaints."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError

from app.config import Settings
from app.dependencies import ClockDep
from app.kernel.errors import Invalid, NotFound, Unauthenticated
from app.kernel.permissions import operator
from app.kernel.web.cookies import settings_of
from app.kernel.web.csrf import csrf_exempt
from app.kernel.web.present import json_response
from app.modules.messaging.bounces.reports import COMPLAINT, Report, kind_of, read_report
from app.modules.messaging.bounces.service import take_report
from app.modules.messaging.rules import enhanced_status, read_message_id
from app.utils.security import same

router = APIRouter(include_in_schema=False)

EVENTS_MAX = 1_000
CLOCKS_DIFFER_MAX = timedelta(minutes=5)
NOTE = "The secret of STEMPEL_MAIL_EVENTS_SECRET: a Standard Webhooks signature, or a bearer."


class MailEvent(BaseModel):
    """One report: bounce with its enhanced status, or complaint."""

    type: str = Field(pattern="^(bounce|complaint)$")
    message_id: str = Field(min_length=1, max_length=400)
    status: str = Field("", max_length=200)


class MailEvents(BaseModel):
    """Several reports at once."""

    events: list[MailEvent] = Field(max_length=EVENTS_MAX)


@router.post("/mail/events", dependencies=[operator(NOTE)])
@csrf_exempt
async def post_mail_events(request: Request, clock: ClockDep, to: str = "") -> Response:
    """Take in events as JSON, or one raw report (message/rfc822) that came to the address `to`."""
    body = await request.body()
    check_sender(request, body, settings_of(request), now=clock.now())
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "message/rfc822":
        report = read_report(body, envelope_to=to[:400])
        reports = [report] if report else []
    else:
        reports = read_events(body)
    database = request.app.state.database
    taken = [await take_report(database, report, now=clock.now()) for report in reports]
    return json_response({"reports": len(reports), "taken": sum(taken)}, status=202)


def read_events(body: bytes) -> list[Report]:
    """Return the reports in a JSON body, those left out that are about no message of ours; raises Invalid."""
    try:
        data = json.loads(body)
        found = MailEvents.model_validate(
            data if isinstance(data, dict) and "events" in data else {"events": [data]}
        )
    except (ValueError, ValidationError, RecursionError) as error:
        raise Invalid from error
    reports = []
    for event in found.events:
        if message_id := read_message_id(event.message_id):
            status = enhanced_status(event.status)
            kind = COMPLAINT if event.type == "complaint" else kind_of(status)
            reports.append(Report(kind, message_id, status))
    return reports


def check_sender(request: Request, body: bytes, settings: Settings, *, now: datetime) -> None:
    """Let only who holds the secret report; raises NotFound where there is none, and Unauthenticated."""
    secret = settings.mail_events_secret
    if not secret:
        raise NotFound("page")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and same(token.encode(), secret.encode()):
        return
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    webhook_id, moment, signatures = (request.headers.get(name, "") for name in names)
    if not moment.isdecimal() or abs(int(moment[:15]) - now.timestamp()) > CLOCKS_DIFFER_MAX.total_seconds():
        raise Unauthenticated
    expected = sign_event(secret, webhook_id, moment, body)
    given = [signature.removeprefix("v1,") for signature in signatures.split(" ")[:10]]
    if not any(same(signature.encode(), expected.encode()) for signature in given):
        raise Unauthenticated


def sign_event(secret: str, webhook_id: str, moment: str, body: bytes) -> str:
    """Return the signature of Standard Webhooks over a body."""
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = secret.encode()
    text = f"{webhook_id}.{moment}.".encode() + body
    return b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()

"""The audit trail over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from app.dependencies import MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.web.problems import error_responses
from app.modules.audit_log.presenting import people_of
from app.modules.audit_log.queries import check_whole, list_entries
from app.modules.audit_log.rules import PAGE_SIZE, PAGE_SIZE_MAX, Cursor, Filter, parse_cursor
from app.modules.audit_log.schemas import EntryList

router = APIRouter(tags=["Audit"])

Kind = Literal["member", "api_key", "device", "system", "operator"]
Moment = Annotated[AwareDatetime | None, Query(examples=["2026-11-20T09:00:00Z"])]
Before = Annotated[str | None, Query(max_length=60, description="next_before of the page before this one.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]


def _cursor(text: str | None) -> Cursor | None:
    cursor = parse_cursor(text) if text else None
    if text and cursor is None:
        raise Invalid(extra={"fields": {"before": _("This cannot be used.")}})
    return cursor


@router.get(
    "/audit",
    response_model=EntryList,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("audit.view", api_key=False)],
)
async def get_audit(
    principal: MerchantDep,
    session: SessionDep,
    actor_id: UUID | None = None,
    actor_kind: Kind | None = None,
    since: Moment = None,
    until: Moment = None,
    before: Before = None,
    limit: Limit = PAGE_SIZE,
) -> EntryList:
    """List who changed what, newest first; not for who is limited to some stores."""
    check_whole(principal)
    page = await list_entries(
        session,
        principal.merchant_id,
        Filter(actor_id, actor_kind, since, until),
        before=_cursor(before),
        limit=limit,
    )
    people = await people_of(session, principal.merchant_id, viewer_id=None)
    return EntryList.of(page, people)

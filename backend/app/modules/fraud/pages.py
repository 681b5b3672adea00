"""The dashboard's pages about unusual visits: the findings, and the rules behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect, safe_next
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import render_fragment
from app.modules.fraud import service
from app.modules.fraud.presenting import (
    CONVERT,
    URL,
    FindingQuery,
    SettingsForm,
    findings_page,
    settings_page,
)
from app.modules.fraud.queries import has_news
from app.modules.fraud.service import Undone
from app.modules.fraud.settings import FraudSettings
from app.modules.merchants.public import switch_feature

router = APIRouter(prefix=URL, include_in_schema=False)
SETTINGS = f"{URL}/settings"

_Blank = BeforeValidator(lambda value: None if value == "" else value)
OptionalId = Annotated[UUID | None, Query(), _Blank]
OptionalWord = Annotated[str | None, Query(max_length=40, pattern="^[a-z_]*$"), _Blank]
Here = Annotated[str, Form(max_length=500)]
Decision = Literal["open", "dismissed", "confirmed"]


@router.get("", dependencies=[member("fraud.view", api_key=False)])
async def get_findings(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    status: Annotated[str, Query(max_length=20, pattern="^[a-z]*$")] = "open",
    rule: OptionalWord = None,
    store: OptionalId = None,
    staff: OptionalId = None,
    before: OptionalId = None,
) -> Response:
    """Show the findings with the visits behind them."""
    query = FindingQuery(status, rule, store, staff, before)
    values = await findings_page(session, principal, query, now=clock.now())
    return await render_member_page(request, session, "fraud/list.html", values)


@router.get("/news", dependencies=[member("fraud.view", api_key=False)])
async def get_news(
    request: Request, session: SessionDep, principal: MerchantDep, since: Annotated[datetime, Query()]
) -> Response:
    """Say whether something was found since a moment, for the page's poll."""
    aware = since if since.tzinfo else since.replace(tzinfo=UTC)
    is_news = await has_news(session, principal.merchant_id, since=aware)
    return render_fragment(request, "fraud/_news.html", {"since": since.isoformat(), "is_news": is_news})


@router.post("/{finding_id}/decide", dependencies=[member("fraud.edit", api_key=False)])
async def post_decision(
    request: Request,
    finding_id: UUID,
    status: Annotated[Decision, Form()],
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    here: Here = URL,
) -> Response:
    """Dismiss a finding, confirm it, or open it again."""
    await service.decide_finding(session, principal, finding_id, status=status, now=clock.now())
    words = {
        "open": _("The finding is open again."),
        "dismissed": _("Dismissed: it comes back only if it goes on."),
        "confirmed": _("Confirmed."),
    }
    return redirect(request, safe_next(here, default=URL), flash=words[status])


@router.post("/{finding_id}/undo", dependencies=[member("visits.void", api_key=False)])
async def post_undo(
    request: Request,
    finding_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    visit_id: Annotated[UUID | None, Form(), _Blank] = None,
    here: Here = URL,
) -> Response:
    """Take one visit back, or all behind the finding."""
    undone = await service.undo_visits(session, principal, finding_id, visit_id=visit_id, now=clock.now())
    kind = "danger" if undone.refusal is not None and not undone.undone else "ok"
    return redirect(request, safe_next(here, default=URL), flash=_undone_text(undone), kind=kind)


def _undone_text(undone: Undone) -> str:
    parts = []
    if undone.undone:
        parts.append(
            ngettext(
                "%(num)s visit was undone.", "%(num)s visits were undone.", undone.undone, num=undone.undone
            )
        )
    if undone.refusal is not None:
        parts.append(
            ngettext("%(num)s could not be: %(reason)s", "%(num)s could not be: %(reason)s", undone.refused,
                     num=undone.refused, reason=refusal_text(undone.refusal))
        )  # fmt: skip
    return " ".join(parts) or _("All of it was undone before.")


async def _settings(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    *,
    form: FormInput[SettingsForm] | None = None,
    error: str = "",
) -> Response:
    settings = await get_settings(session, FraudSettings, merchant_id=principal.merchant_id)
    values = {**settings.model_dump(), **(form.values if form else {})}
    context = await settings_page(session, principal, values, form.errors if form else {})
    status = 422 if error or (form and form.errors) else 200
    return await render_member_page(
        request, session, "fraud/settings.html", {**context, "card_error": error}, status_code=status
    )


@router.get("/settings", dependencies=[member("fraud.edit", api_key=False)])
async def get_settings_page(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the thresholds, whose card is whose, and the switch of device fingerprints."""
    return await _settings(request, session, principal)


@router.post("/settings", dependencies=[member("fraud.edit", api_key=False)])
async def post_settings_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep the thresholds."""
    form = await read_form(request, SettingsForm, convert=CONVERT)
    if form.data is None:
        return await _settings(request, session, principal, form=form)
    await service.change_settings(session, principal, form.data.to_settings(), now=clock.now())
    return redirect(request, SETTINGS, flash=_("Saved."))


class OwnCardForm(BaseModel):
    """Whose card it is."""

    staff_id: UUID
    card: str = Field(min_length=1, max_length=100)


@router.post("/own-cards", dependencies=[member("fraud.edit", api_key=False)])
async def post_own_card(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Note that a card belongs to somebody of the team."""
    form = await read_form(request, OwnCardForm)
    try:
        if form.data is None:
            raise Invalid(extra={"fields": {"card": _("Please fill this in.")}})
        await service.link_own_card(
            session, principal, staff_id=form.data.staff_id, card=form.data.card, now=clock.now()
        )
    except Invalid as error:
        form.refuse(error)
        return await _settings(request, session, principal, error=form.errors["card"])
    return redirect(request, SETTINGS, flash=_("The card is linked."))


@router.post("/own-cards/remove", dependencies=[member("fraud.edit", api_key=False)])
async def post_remove_own_card(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    staff_id: Annotated[UUID, Form()],
    pass_id: Annotated[UUID, Form()],
) -> Response:
    """Forget whose card it is."""
    await service.unlink_own_card(session, principal, staff_id=staff_id, pass_id=pass_id, now=clock.now())
    return redirect(request, SETTINGS, flash=_("The link is removed."))


@router.post("/fingerprints/{wish}", dependencies=[member("fraud.edit", api_key=False)])
async def post_fingerprints(
    request: Request, wish: Literal["on", "off"], session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Switch device fingerprints on or off."""
    service.check_whole(principal)
    await switch_feature(session, principal, "fingerprints", is_on=wish == "on", now=clock.now())
    on, off = _("Device fingerprints are on."), _("Device fingerprints are off.")
    return redirect(request, SETTINGS, flash=on if wish == "on" else off)

"""The dashboard's pages of webhooks: the list, one address with its log, one delivery."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.once import Once, answer_once
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.modules.webhooks import deliveries, endpoints
from app.modules.webhooks.web import schemas, showing

router = APIRouter(prefix="/dashboard/webhooks", include_in_schema=False)
URL = "/dashboard/webhooks"
VIEW, EDIT = member("webhooks.view", api_key=False), member("webhooks.edit", api_key=False)
Form = FormInput[schemas.EndpointRequest]


def _url_of(endpoint_id: UUID) -> str:
    return f"{URL}/{endpoint_id}"


async def _list_page(
    request: Request, session: AsyncSession, principal: Principal, form: Form | None = None
) -> Response:
    context = await showing.list_values(session, principal)
    context |= showing.form_values(form)
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "webhooks/list.html", context, status_code=status)


@router.get("", dependencies=[VIEW])
async def get_list_page(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """List the addresses and show the form for a new one."""
    return await _list_page(request, session, principal)


@router.post("", dependencies=[EDIT])
async def post_list_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Make an address and show its secret, this once: a redirect would have to carry it."""
    form = await read_form(request, schemas.EndpointRequest, lists=("events",))
    made = await _make(session, principal, form, now=clock.now())
    if made is None:
        return await _list_page(request, session, principal, form)
    return await _secret_page(request, session, principal, made, now=clock.now())


async def _make(session: AsyncSession, principal: Principal, form: Form, *, now: datetime) -> UUID | None:
    showing.plain_errors(form)
    if form.data is None:
        return None
    data = form.data
    try:
        outcome = await answer_once(
            session,
            principal,
            Once("webhooks.create", form.key, data.model_dump(mode="json")),
            work=lambda: endpoints.create_endpoint(session, principal, data.draft(), now=now),
            answer=schemas.EndpointRow.from_row,
            now=now,
        )
    except Invalid as error:
        form.refuse(error)
        return None
    if isinstance(outcome, Refusal):
        form.errors["url"] = _("This form was sent before with other values. Please load the page again.")
        return None
    row = outcome.answer if isinstance(outcome, Replay) else outcome
    return UUID(str(row["id"]))


async def _secret_page(
    request: Request, session: AsyncSession, principal: Principal, endpoint_id: UUID, *, now: datetime
) -> Response:
    row = await endpoints.get_endpoint(session, principal.merchant_id, endpoint_id)
    context = await showing.endpoint_values(session, principal, row, look=deliveries.Look())
    context["shown_secret"] = endpoints.write_secret(session, row, now=now)
    return await render_member_page(request, session, "webhooks/endpoint.html", context)


@router.get("/{endpoint_id}", dependencies=[VIEW])
async def get_endpoint_page(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    endpoint_id: UUID,
    state: str = "",
    before: UUID | None = None,
) -> Response:
    """Show an address with its log."""
    row = await endpoints.get_endpoint(session, principal.merchant_id, endpoint_id)
    look = deliveries.Look(status=state if state in showing.STATES else None, before=before)
    context = await showing.endpoint_values(session, principal, row, look=look)
    return await render_member_page(request, session, "webhooks/endpoint.html", context)


@router.post("/{endpoint_id}", dependencies=[EDIT])
async def post_endpoint_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep, endpoint_id: UUID
) -> Response:
    """Change where and what is told."""
    form = await read_form(request, schemas.EndpointRequest, lists=("events",))
    await _change(session, principal, endpoint_id, form, now=clock.now())
    if not form.errors:
        return redirect(request, _url_of(endpoint_id), flash=_("Saved."))
    row = await endpoints.get_endpoint(session, principal.merchant_id, endpoint_id)
    context = await showing.endpoint_values(session, principal, row, look=deliveries.Look())
    context |= showing.form_values(form)
    return await render_member_page(request, session, "webhooks/endpoint.html", context, status_code=422)


async def _change(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, form: Form, *, now: datetime
) -> None:
    showing.plain_errors(form)
    if form.data is None:
        return
    try:
        await endpoints.change_endpoint(session, principal, endpoint_id, form.data.draft(), now=now)
    except Invalid as error:
        form.refuse(error)


@router.post("/{endpoint_id}/on", dependencies=[EDIT])
async def post_on(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep, endpoint_id: UUID
) -> Response:
    """Switch an address on."""
    await endpoints.switch_endpoint(session, principal, endpoint_id, is_on=True, now=clock.now())
    return redirect(request, _url_of(endpoint_id), flash=_("Switched on. What happens from now on is told."))


@router.post("/{endpoint_id}/off", dependencies=[EDIT])
async def post_off(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep, endpoint_id: UUID
) -> Response:
    """Switch an address off."""
    await endpoints.switch_endpoint(session, principal, endpoint_id, is_on=False, now=clock.now())
    return redirect(request, _url_of(endpoint_id), flash=_("Switched off. Nothing is told any more."))


@router.post("/{endpoint_id}/secret", dependencies=[EDIT])
async def post_secret(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep, endpoint_id: UUID
) -> Response:
    """Make a new secret and show it, this once; a form sent twice makes one."""
    form = await read_form(request, schemas.Nothing)
    now = clock.now()
    await answer_once(
        session,
        principal,
        Once("webhooks.secret", form.key, {"endpoint_id": str(endpoint_id)}),
        work=lambda: endpoints.rotate_secret(session, principal, endpoint_id, now=now),
        answer=schemas.EndpointRow.from_row,
        now=now,
    )
    return await _secret_page(request, session, principal, endpoint_id, now=now)


@router.post("/{endpoint_id}/remove", dependencies=[EDIT])
async def post_remove(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep, endpoint_id: UUID
) -> Response:
    """Take an address away with its log."""
    await endpoints.delete_endpoint(session, principal, endpoint_id, now=clock.now())
    return redirect(request, URL, flash=_("The webhook was removed."))


@router.post("/{endpoint_id}/test", dependencies=[EDIT])
async def post_test(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep, endpoint_id: UUID
) -> Response:
    """Send a test event and go to see how it went."""
    made = await deliveries.send_test(session, principal, endpoint_id, now=clock.now())
    if isinstance(made, Refusal):
        return redirect(request, _url_of(endpoint_id), flash=refusal_text(made))
    return redirect(
        request,
        f"{_url_of(endpoint_id)}/{made}",
        flash=_("The test is on its way. Load the page again in a moment."),
    )


@router.post("/{endpoint_id}/redeliver", dependencies=[EDIT])
async def post_redeliver_all(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep, endpoint_id: UUID
) -> Response:
    """Send everything that failed again."""
    done = await deliveries.redeliver(session, principal, endpoint_id, delivery_id=None, now=clock.now())
    return redirect(request, _url_of(endpoint_id), flash=_sent(done))


@router.get("/{endpoint_id}/{delivery_id}", dependencies=[VIEW])
async def get_delivery_page(
    request: Request, session: SessionDep, principal: MerchantDep, endpoint_id: UUID, delivery_id: UUID
) -> Response:
    """Show a delivery: what was sent, and every answer."""
    context = await showing.delivery_values(session, principal, endpoint_id, delivery_id)
    return await render_member_page(request, session, "webhooks/delivery.html", context)


@router.post("/{endpoint_id}/{delivery_id}/redeliver", dependencies=[EDIT])
async def post_redeliver(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    endpoint_id: UUID,
    delivery_id: UUID,
) -> Response:
    """Send one delivery again."""
    done = await deliveries.redeliver(
        session, principal, endpoint_id, delivery_id=delivery_id, now=clock.now()
    )
    return redirect(request, f"{_url_of(endpoint_id)}/{delivery_id}", flash=_sent(done))


def _sent(done: int | Refusal) -> str:
    if isinstance(done, Refusal):
        return refusal_text(done)
    return ngettext("%(num)s event is sent again.", "%(num)s events are sent again.", done, num=done)

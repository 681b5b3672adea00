"""The dashboard's pages about messages: those that go by themselves, and news the shop writes."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import LANGUAGES
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.web.cookies import settings_of
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.modules.merchants.public import get_merchant
from app.modules.messaging.public import mail_frame, messaging_ready
from app.modules.nudges import service
from app.modules.nudges.broadcasts import service as broadcasts
from app.modules.nudges.broadcasts.service import Draft
from app.modules.nudges.letters import make_sample
from app.modules.nudges.presenting import (
    URL,
    NewsForm,
    TextForm,
    composer,
    find_text,
    news_page,
    overview,
    place_errors,
    text_page,
)
from app.modules.nudges.rules import ALL_KINDS, NEWS_PLACES, SUBJECT_MAX, TEXT_MAX
from app.modules.nudges.settings import NudgeSettings
from app.modules.nudges.wording import Wording

router = APIRouter(prefix=URL, include_in_schema=False)
EDIT = member("nudges.edit", api_key=False)
SET = member("nudges.set", api_key=False)
FRAMES = {"frame-src": "'self'"}
Locale = Annotated[str, Query(max_length=2)]


@router.get("", dependencies=[EDIT])
async def get_messages(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show what goes by itself and what was written."""
    values = await overview(session, principal, ready=messaging_ready(settings_of(request)))
    return await render_member_page(request, session, "nudges/overview.html", values)


@router.post("/quiet", dependencies=[SET])
async def post_quiet(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    quiet_from: Annotated[time, Form()],
    quiet_to: Annotated[time, Form()],
) -> Response:
    """Keep the quiet hours."""
    settings = NudgeSettings(
        quiet_from=quiet_from.replace(tzinfo=None), quiet_to=quiet_to.replace(tzinfo=None)
    )
    await service.change_settings(session, principal, settings, now=clock.now())
    return redirect(request, URL, flash=_("Saved."))


@router.post("/automatic/{kind}/{wish}", dependencies=[SET])
async def post_switch(
    request: Request,
    kind: str,
    wish: Literal["on", "off"],
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
) -> Response:
    """Switch a message on or off."""
    chosen: dict[str, Any] = {service.known_kind(kind): wish == "on"}
    await service.change_settings(session, principal, NudgeSettings(**chosen), now=clock.now())
    return redirect(request, URL, flash=_("Switched on.") if wish == "on" else _("Switched off."))


@router.get("/automatic/{kind}", dependencies=[SET])
async def get_text(
    request: Request, kind: str, session: SessionDep, principal: MerchantDep, locale: Locale = ""
) -> Response:
    """Show the words of a message and how it looks."""
    request.state.csp_extra = FRAMES
    values = await text_page(session, principal, service.known_text(kind), locale=locale)
    return await render_member_page(request, session, "nudges/text.html", values)


@router.get("/automatic/{kind}/mail", dependencies=[SET])
async def get_text_mail(
    kind: str, session: SessionDep, principal: MerchantDep, locale: Locale = ""
) -> Response:
    """Show the mail itself, with made-up facts, for the frame of the page above."""
    locale = locale if locale in LANGUAGES else "en"
    merchant_id = principal.merchant_id
    wording = await find_text(session, merchant_id, service.known_text(kind), locale=locale)
    sample = await make_sample(session, merchant_id, kind, wording=wording, locale=locale)
    return mail_frame(sample.html)


@router.post("/automatic/{kind}", dependencies=[SET])
async def post_text(
    request: Request, kind: str, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep the shop's own words, send a test of them, show them as a mail, or go back to ours."""
    service.known_text(kind)
    request.state.csp_extra = FRAMES
    form = await read_form(request, TextForm)
    typed = Wording(str(form.values.get("subject", "")), str(form.values.get("text", "")))
    locale, wish = str(form.values.get("locale", ""))[:2], str(form.values.get("wish", ""))
    if wish == "preview" and locale in LANGUAGES:
        return await _typed_as_mail(session, principal, kind, typed=typed, locale=locale)
    errors = form.errors | place_errors(typed.subject, typed.text, ALL_KINDS[kind].places)
    if wish != "reset" and (errors or form.data is None):
        values = await text_page(session, principal, kind, locale=locale, typed=typed, errors=errors)
        return await render_member_page(request, session, "nudges/text.html", values, status_code=422)
    flash, danger = await _keep_text(session, principal, kind, form.data, clock, wish=wish, locale=locale)
    return _to_text(request, kind, locale=locale, flash=flash, danger=danger)


def _to_text(request: Request, kind: str, *, locale: str, flash: str, danger: bool) -> Response:
    target = f"{URL}/automatic/{kind}?locale={locale if locale.isalpha() else ''}"
    return redirect(request, target, flash=flash, kind="danger" if danger else "ok")


async def _typed_as_mail(
    session: SessionDep, principal: MerchantDep, kind: str, *, typed: Wording, locale: str
) -> Response:
    cut = Wording(typed.subject[:SUBJECT_MAX], typed.text[:TEXT_MAX])
    sample = await make_sample(session, principal.merchant_id, kind, wording=cut, locale=locale)
    return mail_frame(sample.html)


async def _keep_text(  # noqa: PLR0913 - what the three buttons of one form need
    session: SessionDep,
    principal: MerchantDep,
    kind: str,
    data: TextForm | None,
    clock: ClockDep,
    *,
    wish: str,
    locale: str,
) -> tuple[str, bool]:
    now = clock.now()
    if wish == "test" and data is not None:
        address = await service.send_test(session, principal, data.wording(), locale=data.locale, now=now)
        return _test_words(address), address is None
    wording = None if wish == "reset" or data is None else data.wording()
    await service.change_wording(session, principal, kind, locale=locale, wording=wording, now=now)
    return (_("Our words are back.") if wording is None else _("Saved.")), False


def _test_words(address: str | None) -> str:
    if address is None:
        return _("There is no address to send a test to.")
    return _("A test is on its way to %(address)s.", address=address)


@router.get("/new", dependencies=[EDIT])
async def get_composer(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the page on which news is written."""
    return await render_member_page(
        request, session, "nudges/composer.html", await composer(session, principal)
    )


@router.post("/new", dependencies=[EDIT])
async def post_composer(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep a draft and show whom it reaches; nothing is sent yet."""
    form = await read_form(request, NewsForm)
    words = (str(form.values.get("subject", "")), str(form.values.get("text", "")))
    errors = form.errors | place_errors(*words, NEWS_PLACES)
    if errors or form.data is None:
        values = await composer(session, principal, values=form.values, errors=errors)
        return await render_member_page(request, session, "nudges/composer.html", values, status_code=422)
    draft = Draft(form.data.kind, form.data.subject, form.data.text, form.data.meant())
    news_id = await broadcasts.write_draft(session, principal, draft, now=clock.now())
    if isinstance(news_id, Refusal):
        return redirect(request, URL, flash=refusal_text(news_id), kind="danger")
    return redirect(request, f"{URL}/news/{news_id}")


@router.get("/news/{news_id}", dependencies=[EDIT])
async def get_news_page(
    request: Request, news_id: UUID, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Show one news."""
    request.state.csp_extra = FRAMES
    values = await news_page(session, principal, news_id, now=clock.now())
    return await render_member_page(request, session, "nudges/news.html", values)


@router.get("/news/{news_id}/mail", dependencies=[EDIT])
async def get_news_mail(news_id: UUID, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the mail of a news, for the frame of the page above."""
    row = await broadcasts.get_news(session, principal.merchant_id, news_id)
    locale = (await get_merchant(session, principal.merchant_id)).locale
    wording = Wording(row.subject, row.text)
    sample = await make_sample(session, principal.merchant_id, row.kind, wording=wording, locale=locale)
    return mail_frame(sample.html)


@router.post("/news/{news_id}/{wish}", dependencies=[EDIT])
async def post_news(
    request: Request,
    news_id: UUID,
    wish: Literal["send", "delete", "test"],
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
) -> Response:
    """Send a draft, throw it away, or send it to oneself."""
    here, now = f"{URL}/news/{news_id}", clock.now()
    if wish == "test":
        row = await broadcasts.get_news(session, principal.merchant_id, news_id)
        wording = Wording(row.subject, row.text)
        address = await service.send_test(session, principal, wording, locale="", now=now)
        return redirect(request, here, flash=_test_words(address), kind="ok" if address else "danger")
    change = broadcasts.begin_sending if wish == "send" else broadcasts.delete_draft
    refusal = await change(session, principal, news_id, now=now)
    if isinstance(refusal, Refusal):
        return redirect(request, here, flash=refusal_text(refusal), kind="danger")
    flash = _("It is on its way.") if wish == "send" else _("The draft is gone.")
    return redirect(request, here if wish == "send" else URL, flash=flash)

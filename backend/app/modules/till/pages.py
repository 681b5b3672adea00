"""The staff pages: every form works without JavaScript; with it, only #till is swapped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.clock import Clock
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import device as device_row
from app.kernel.permissions import signed_link
from app.kernel.web.cookies import set_cookie
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.proxies import client_address
from app.kernel.web.shell import render_panels
from app.kernel.web.templates import is_htmx, render, render_fragment
from app.modules.qr.public import qr_svg
from app.modules.rewards.public import RedeemGranted, VoidGranted
from app.modules.staff.public import (
    DEVICE_COOKIE,
    DEVICE_COOKIE_AGE,
    DeviceSession,
    MaybeDeviceDep,
    count_typed_code,
    end_shift,
    find_pairing,
    open_shift,
    pair_device,
)
from app.modules.stores.public import get_store
from app.modules.till import presenting, service
from app.modules.till.service import Ask, Till
from app.modules.visits.public import AwardGranted, read_tenders
from app.utils.id_generator import format_card_number, new_id
from app.utils.validators import Amount, OptionalLine, Pin, typed_amount

router = APIRouter(prefix="/staff", include_in_schema=False)
HOME = "/staff"
# The decoder is WebAssembly; no other page may run it.
SCANNER_POLICY = {"script-src": "'wasm-unsafe-eval'"}

CardForm = Annotated[str, Form(max_length=100)]
KeyForm = Annotated[str, Form(max_length=100, pattern="^[!-~]*$")]
_amount: TypeAdapter[Decimal] = TypeAdapter(Amount)


@router.get("", response_class=HTMLResponse, dependencies=[device_row("Pair, open a shift, or scan")])
async def get_home(
    request: Request,
    device: MaybeDeviceDep,
    session: SessionDep,
    clock: ClockDep,
    card: Annotated[str, Query(max_length=100)] = "",
    done: bool = False,
) -> Response:
    """Show what this device can do now: be paired, open a shift, or scan."""
    if device is None:
        return render(request, "till/pair.html", {"code": "", "device_name": "", "error": ""})
    till = await service.open_till(session, device)
    if till is None:
        return await _show_shift(request, session, device)
    return await _show_till(request, session, till, clock=clock, card=card, is_done=done)


async def _show_shift(
    request: Request, session: AsyncSession, device: DeviceSession, *, error: str = "", status_code: int = 200
) -> Response:
    store = await get_store(session, device.store)
    values = {"store_name": store.name, "device_name": device.name, "error": error}
    return render(request, "till/shift.html", values, status_code=status_code)


async def _show_till(  # noqa: PLR0913 - the parts of one page
    request: Request,
    session: AsyncSession,
    till: Till,
    *,
    clock: Clock,
    card: str,
    is_done: bool = False,
    notice: str = "",
    refused: str = "",
) -> Response:
    """Show the scanner, and the card when there is one; for htmx only the part that changes."""
    now = clock.now()
    values = presenting.till_values(till) | {
        "card": None,
        "typed": card,
        "is_done": is_done,
        "notice": notice,
        "refused": refused,
        "key": str(new_id()),
    }
    if card.strip():
        try:
            found = await service.find_till_card(session, till, card, now=now)
            values |= presenting.card_values(
                found, time_zone=till.store.time_zone, currency=till.store.currency
            )
            values["panels"] = render_panels(request, found.panels)
        except NotFound:
            values["refused"] = refused or _("No card of this shop has this number.")
    request.state.csp_extra = SCANNER_POLICY
    if is_htmx(request):
        return render_fragment(request, "till/_till.html", values)
    return render(request, "till/till.html", values)


@router.get(
    "/pair",
    response_class=HTMLResponse,
    dependencies=[signed_link("Shows what would be paired"), rate_limit("pair_device")],
)
async def get_pair(
    request: Request, session: SessionDep, clock: ClockDep, code: Annotated[str, Query(max_length=120)] = ""
) -> Response:
    """Ask before this device is paired; looking changes nothing, and counts like a try."""
    await count_typed_code(request, code)
    device = await find_pairing(session, code, now=clock.now()) if code else None
    error = _("This pairing code has expired or was used already.") if code and device is None else ""
    values = {"code": code if device else "", "device_name": device.name if device else "", "error": error}
    return render(request, "till/pair.html", values)


@router.post("/pair", dependencies=[signed_link("A pairing code, once"), rate_limit("pair_device")])
async def post_pair(
    request: Request, session: SessionDep, clock: ClockDep, code: Annotated[str, Form(max_length=500)]
) -> Response:
    """Consume the code and make this browser the device."""
    await count_typed_code(request, _code_in(code))
    if await find_pairing(session, _code_in(code), now=clock.now()) is None:
        error = _("This pairing code has expired or was used already.")
        return render(
            request, "till/pair.html", {"code": "", "device_name": "", "error": error}, status_code=422
        )
    _device, token = await pair_device(session, _code_in(code), now=clock.now())
    response = redirect(request, HOME, flash=_("This device is paired."))
    set_cookie(request, response, DEVICE_COOKIE, token, max_age=DEVICE_COOKIE_AGE)
    return response


def _code_in(text: str) -> str:
    """Return the code in what was typed or pasted: the code itself, or the whole address."""
    return "".join(text.rpartition("code=")[2].split())


@router.post("/shift", dependencies=[device_row("Open a shift by PIN")])
async def post_shift(
    request: Request,
    device: MaybeDeviceDep,
    session: SessionDep,
    clock: ClockDep,
    staff_pin: Annotated[str, Form(max_length=20)],
) -> Response:
    """Open a shift."""
    if device is None:
        return redirect(request, HOME)
    try:
        pin = TypeAdapter(Pin).validate_python(staff_pin.strip())
    except ValidationError:
        error = _("A PIN has four to six digits.")
        return await _show_shift(request, session, device, error=error, status_code=422)
    outcome = await open_shift(session, device, pin=pin, now=clock.now())
    if isinstance(outcome, Refusal):
        return await _refuse_shift(request, session, device, outcome)
    return redirect(request, HOME)


async def _refuse_shift(
    request: Request, session: AsyncSession, device: DeviceSession, refusal: Refusal
) -> Response:
    if refusal.code == "device_revoked":
        return redirect(request, HOME, flash=_("Too many wrong PINs: pair this device again."), kind="danger")
    store = await get_store(session, device.store)
    error = presenting.refused_text(refusal, time_zone=store.time_zone)
    return await _show_shift(request, session, device, error=error, status_code=403)


@router.post("/shift/end", dependencies=[device_row("End the shift")])
async def post_shift_end(request: Request, device: MaybeDeviceDep, session: SessionDep) -> Response:
    """End the shift; the device stays paired."""
    if device is not None:
        await end_shift(session, device)
    return redirect(request, HOME)


async def _answer(  # noqa: PLR0913 - the parts of one answer
    request: Request,
    session: AsyncSession,
    till: Till,
    *,
    clock: Clock,
    card: str,
    notice: str = "",
    refusal: Refusal | None = None,
) -> Response:
    """Show the outcome: the swapped part for htmx, else a redirect with the words on the next page."""
    refused = presenting.refused_text(refusal, time_zone=till.store.time_zone) if refusal else ""
    if is_htmx(request):
        return await _show_till(
            request,
            session,
            till,
            clock=clock,
            card=card,
            is_done=not refused,
            notice=notice,
            refused=refused,
        )
    number = "".join(letter for letter in card if letter.isalnum() or letter == "-")
    target = f"{HOME}?card={number}" + ("" if refused else "&done=true")
    return redirect(request, target, flash=refused or notice, kind="danger" if refused else "ok")


Outcome = TypeVar("Outcome")
Work = Callable[[Till], Awaitable[Outcome | Refusal]]


async def _act(  # noqa: PLR0913 - the parts of one action
    request: Request,
    session: AsyncSession,
    device: DeviceSession | None,
    *,
    clock: Clock,
    card: str,
    work: Work[Outcome],
    words: Callable[[Outcome], str],
) -> Response:
    """Do one thing to a card in an open shift, and show what came of it in plain words."""
    till = await service.open_till(session, device) if device else None
    if till is None:
        return redirect(request, HOME)
    try:
        outcome = await work(till)
    except (NotFound, Invalid) as error:
        # Both are raised before anything is written: the page stays, with the reason.
        outcome = Refusal(error.code)
    if isinstance(outcome, Refusal):
        return await _answer(request, session, till, clock=clock, card=card, refusal=outcome)
    return await _answer(request, session, till, clock=clock, card=card, notice=words(outcome))


@router.post("/visits", dependencies=[device_row("Give stamps or points in a shift")])
async def post_visit(
    request: Request,
    device: MaybeDeviceDep,
    session: SessionDep,
    clock: ClockDep,
    card: CardForm,
    idempotency_key: KeyForm,
    quantity: Annotated[int, Form(ge=0, le=100)] = 1,
    amount: Annotated[str, Form(max_length=30)] = "",
) -> Response:
    """Give the visit that was tapped."""

    async def work(till: Till) -> AwardGranted | Refusal:
        try:
            major, tenders = _read_amount(amount), read_tenders(await request.form())
        except ValueError:
            return Refusal("invalid")
        ask = Ask(card, client_address(request), idempotency_key, tenders)
        return await service.give_visit(session, till, ask, quantity=quantity, amount=major, now=clock.now())

    words = presenting.award_text
    return await _act(request, session, device, clock=clock, card=card, work=work, words=words)


def _read_amount(text: str) -> Decimal | None:
    """Return the typed amount; people write a comma where programs write a point. Raises ValueError."""
    return _amount.validate_python(typed_amount(text)) if text.strip() else None


@router.post("/redemptions", dependencies=[device_row("Give a reward out in a shift")])
async def post_redemption(
    request: Request,
    device: MaybeDeviceDep,
    session: SessionDep,
    clock: ClockDep,
    card: CardForm,
    reward_id: Annotated[UUID, Form()],
    idempotency_key: KeyForm,
) -> Response:
    """Give the reward that was tapped."""

    async def work(till: Till) -> RedeemGranted | Refusal:
        ask = Ask(card, client_address(request), idempotency_key)
        return await service.give_reward(session, till, ask, reward_id=reward_id, now=clock.now())

    words = presenting.redeemed_text
    return await _act(request, session, device, clock=clock, card=card, work=work, words=words)


@router.post("/undo", dependencies=[device_row("Take the last visit or redemption back in a shift")])
async def post_undo(
    request: Request,
    device: MaybeDeviceDep,
    session: SessionDep,
    clock: ClockDep,
    card: CardForm,
    kind: Annotated[str, Form(pattern="^(visit|redemption)$")],
    target_id: Annotated[UUID, Form()],
) -> Response:
    """Take back what happened last."""

    async def work(till: Till) -> VoidGranted | Refusal:
        return await service.take_back(
            session, till, kind=kind, target_id=target_id, reason="", now=clock.now()
        )

    words = presenting.voided_text
    return await _act(request, session, device, clock=clock, card=card, work=work, words=words)


@router.get("/cards/new", response_class=HTMLResponse, dependencies=[device_row("Start a card in a shift")])
async def get_new_card(request: Request, device: MaybeDeviceDep, session: SessionDep) -> Response:
    """Ask for what a card may start with: nothing but a first name, and that is optional."""
    till = await service.open_till(session, device) if device else None
    if till is None:
        return redirect(request, HOME)
    return render(request, "till/new_card.html", presenting.till_values(till) | {"key": str(new_id())})


@router.post("/cards", dependencies=[device_row("Start a card in a shift")])
async def post_card(
    request: Request,
    device: MaybeDeviceDep,
    session: SessionDep,
    clock: ClockDep,
    name: Annotated[OptionalLine, Form()] = None,
) -> Response:
    """Start the card and show how to hand it over."""
    till = await service.open_till(session, device) if device else None
    if till is None:
        return redirect(request, HOME)
    made = await service.start_card(session, till, name=name, now=clock.now())
    return redirect(request, f"{HOME}/cards/{made.card.id}")


@router.get(
    "/cards/{pass_id}", response_class=HTMLResponse, dependencies=[device_row("Hand a card over in a shift")]
)
async def get_handover(
    request: Request, pass_id: UUID, device: MaybeDeviceDep, session: SessionDep
) -> Response:
    """Show the code that opens the card on the customer's phone, and the number to write down."""
    till = await service.open_till(session, device) if device else None
    if till is None:
        return redirect(request, HOME)
    handed = await service.get_handed_card(session, till, pass_id)
    values = {
        "number": format_card_number(handed.card.card_number),
        "card_number": handed.card.card_number,
        "qr": Markup(qr_svg(handed.url)),  # noqa: S704 - drawn by us, attributes only
    }
    return render(request, "till/handover.html", presenting.till_values(till) | values)

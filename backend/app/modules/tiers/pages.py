"""The dashboard's pages about levels: the ladder, how it works, and the form of one level."""

from __future__ import annotations

from collections.abc import Awaitable
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import AppError, Invalid, NotFound
from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.money import Money, currency_exponent, to_minor
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form, whole
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.tiers import config
from app.modules.tiers.models import TierLevel
from app.modules.tiers.queries import count_members
from app.modules.tiers.service import Ladder, load_ladder
from app.modules.tiers.settings import TierSettings
from app.modules.tiers.showing import counted_text, factor_text
from app.utils.validators import Text, clean_line, parse_amount, typed_amount

router = APIRouter(prefix="/dashboard/tiers", include_in_schema=False)
URL = "/dashboard/tiers"
NAME_LENGTH_MAX, PERKS_LENGTH_MAX, GIFT_POINTS_MAX, GIFT_STAMPS_MAX = 30, 300, 100_000, 50
COUNT_MAX = 1_000_000_000


class LevelForm(BaseModel):
    """A level, as typed. threshold: major units of money, points or visits."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX, strip_whitespace=True)]
    threshold: Annotated[str, StringConstraints(max_length=20)]
    multiplier: Annotated[Decimal, Field(ge=1, le=10, decimal_places=2)] = Decimal(1)
    perks: Annotated[Text, StringConstraints(max_length=PERKS_LENGTH_MAX)] = ""
    entry_points: Annotated[int, Field(ge=0, le=GIFT_POINTS_MAX)] = 0
    entry_stamps: Annotated[int, Field(ge=0, le=GIFT_STAMPS_MAX)] = 0

    def to_draft(self, ladder: Ladder) -> config.LevelDraft:
        """Return it for the use case; raises Invalid for a threshold that is no amount of what counts."""
        return config.LevelDraft(
            clean_line(self.name),
            read_threshold(self.threshold, ladder),
            self.multiplier,
            self.perks,
            self.entry_points,
            self.entry_stamps,
        )


def read_threshold(text: str, ladder: Ladder) -> int:
    """Return what was typed, in minor units, points or visits; raises Invalid."""
    try:
        plain = typed_amount(text)
        if plain.strip() and not plain.strip("0. "):
            return 0
        amount = parse_amount(plain)
        if ladder.settings.basis == "spend":
            return to_minor(amount, ladder.currency)
        if amount != amount.to_integral_value() or amount > COUNT_MAX:
            raise ValueError("not a whole number")
        return int(amount)
    except ValueError as error:
        words = _("Please type a number, 0 or more.")
        raise Invalid("level", extra={"fields": {"threshold": words}}) from error


def write_threshold(level: TierLevel, ladder: Ladder) -> str:
    """Return the threshold as it stands in the form."""
    if ladder.settings.basis != "spend":
        return str(level.threshold)
    digits = currency_exponent(ladder.currency)
    major = Money(level.threshold, ladder.currency).amount
    whole_amount = major == major.to_integral_value()
    return current().format_number(major, decimals=0 if whole_amount else digits)


def _number(text: str) -> Any:
    return typed_amount(text).strip() or "1"


def _count(text: str) -> Any:
    return whole(text) if text.strip() else 0


CONVERT = {"multiplier": _number, "entry_points": _count, "entry_stamps": _count}
NOUNS = {
    "spend": lambda: _("Money spent"),
    "points": lambda: _("Points earned"),
    "visits": lambda: _("Visits"),
}


def _level_rows(ladder: Ladder, members: dict[UUID, int]) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "url": f"{URL}/levels/{row.id}",
            "from": _threshold_text(row, ladder),
            "factor": factor_text(ladder, row.id),
            "gift": _gift_text(row),
            "perks": [line for line in row.perks.splitlines() if line.strip()],
            "members": members.get(row.id, 0),
            "is_removed": row.removed_at is not None,
        }
        for row in reversed(ladder.rows)
    ]


def _threshold_text(row: TierLevel, ladder: Ladder) -> str:
    if row.threshold == 0:
        return _("for everybody")
    amount = counted_text(ladder.settings.basis, row.threshold, currency=ladder.currency)
    return _("from %(amount)s", amount=amount)


def _gift_text(row: TierLevel) -> str:
    number = current().format_number
    parts = []
    if row.entry_points:
        parts.append(
            ngettext(
                "%(number)s point", "%(number)s points", row.entry_points, number=number(row.entry_points)
            )
        )
    if row.entry_stamps:
        parts.append(ngettext("%(num)s stamp", "%(num)s stamps", row.entry_stamps))
    return " + ".join(parts)


async def _overview(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    form: FormInput[TierSettings] | None = None,
) -> Response:
    ladder = await load_ladder(session, principal.merchant_id)
    members = await count_members(session, principal.merchant_id)
    rows = _level_rows(ladder, members)
    context = {
        "page_title": _("Levels"),
        "page_text": _("Who buys more gets more: from the next visit on, by themselves."),
        "levels": rows,
        "most": max([1, *(row["members"] for row in rows)]),
        "values": {**ladder.settings.model_dump(), **(form.values if form else {})},
        "errors": form.errors if form else {},
        "may_edit": principal.may("tiers.edit"),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "tiers/overview.html", context, status_code=status)


@router.get("", dependencies=[member("tiers.view", api_key=False)])
async def get_page(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the ladder with who is on it, and how it works."""
    return await _overview(request, session, principal)


@router.post("/first", dependencies=[member("tiers.edit", api_key=False)])
async def post_first(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Begin with Bronze, Silver and Gold."""
    await config.make_first_ladder(session, principal, now=clock.now())
    return redirect(request, URL, flash=_("Three levels to begin with. Change them as you like."))


@router.post("", dependencies=[member("tiers.edit", api_key=False)])
async def post_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep how levels work."""
    form = await read_form(request, TierSettings, convert={"days": _count, "grace_days": _count})
    if form.data is None:
        return await _overview(request, session, principal, form)
    await config.change_settings(session, principal, form.data, now=clock.now())
    return redirect(request, URL, flash=_("Saved. Every card is being looked at."))


async def _level_page(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    *,
    level: TierLevel | None = None,
    form: FormInput[LevelForm] | None = None,
) -> Response:
    ladder = await load_ladder(session, principal.merchant_id)
    stored: dict[str, Any] = {"name": "", "threshold": "", "multiplier": "1", "perks": ""}
    stored |= {"entry_points": 0, "entry_stamps": 0}
    if level is not None:
        stored = {name: getattr(level, name) for name in LevelForm.model_fields}
        stored["threshold"] = write_threshold(level, ladder)
        stored["multiplier"] = current().format_number(level.multiplier.normalize())
    context = {
        "page_title": level.name if level else _("New level"),
        "back_url": URL,
        "back_label": _("Levels"),
        "level": level,
        "values": {**stored, **(form.values if form else {})},
        "errors": form.errors if form else {},
        "noun": NOUNS[ladder.settings.basis](),
        "unit": ladder.currency if ladder.settings.basis == "spend" else "",
        "action": f"{URL}/levels/{level.id if level else 'new'}",
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "tiers/level.html", context, status_code=status)


@router.get("/levels/new", dependencies=[member("tiers.edit", api_key=False)])
async def get_new_level(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the form of a new level."""
    return await _level_page(request, session, principal)


@router.post("/levels/new", dependencies=[member("tiers.edit", api_key=False)])
async def post_new_level(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Add a level; the form sent twice finds the first one in its way."""
    form = await read_form(request, LevelForm, convert=CONVERT)
    ladder = await load_ladder(session, principal.merchant_id)
    if form.data is not None:
        data = form.data
        await _keep(
            form, lambda: config.add_level(session, principal, data.to_draft(ladder), now=clock.now())
        )
    if form.errors:
        return await _level_page(request, session, principal, form=form)
    return redirect(request, URL, flash=_("Level added. Every card is being looked at."))


async def _keep(form: FormInput[LevelForm], work: Any) -> None:
    """Do it, and note beside the fields what stands in its way; refused before anything was written."""
    try:
        await _awaited(work)
    except NotFound:
        raise
    except AppError as error:
        form.refuse(error)


async def _awaited(work: Any) -> None:
    result: Awaitable[None] = work()
    await result


@router.get("/levels/{level_id}", dependencies=[member("tiers.edit", api_key=False)])
async def get_level_page(
    request: Request, level_id: UUID, session: SessionDep, principal: MerchantDep
) -> Response:
    """Show the form of a level."""
    level = await config.get_level(session, principal.merchant_id, level_id)
    return await _level_page(request, session, principal, level=level)


@router.post("/levels/{level_id}", dependencies=[member("tiers.edit", api_key=False)])
async def post_level(
    request: Request, level_id: UUID, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Change a level."""
    form = await read_form(request, LevelForm, convert=CONVERT)
    ladder = await load_ladder(session, principal.merchant_id)
    if form.data is not None:
        data, now = form.data, clock.now()
        await _keep(
            form, lambda: config.change_level(session, principal, level_id, data.to_draft(ladder), now=now)
        )
    if form.errors:
        level = await config.get_level(session, principal.merchant_id, level_id)
        return await _level_page(request, session, principal, level=level, form=form)
    return redirect(request, URL, flash=_("Saved. Every card is being looked at."))


@router.post("/levels/{level_id}/remove", dependencies=[member("tiers.edit", api_key=False)])
async def post_remove(
    request: Request, level_id: UUID, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Let nobody reach a level any more."""
    await config.remove_level(session, principal, level_id, now=clock.now())
    return redirect(request, URL, flash=_("Removed. Who holds it keeps it to the end of their period."))

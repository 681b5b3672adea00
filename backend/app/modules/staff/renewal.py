"""PINs on a schedule: after so many weeks they are to be drawn anew, and end after a time of grace.

A PIN is shown once to a person, so that no job can draw one: it marks, tells the merchant, and leads to the page that
draws and prints. What nobody renews ends at a quiet hour, with its shifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.dependencies import StoreRef
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.i18n import current, ngettext, use_language
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings, save_settings
from app.modules.merchants.public import get_merchant, members_mail
from app.modules.messaging.public import queue_mail
from app.modules.staff import service
from app.modules.staff.rules import Renewal, renewal_of, renewal_since
from app.modules.staff.service import DrawnPin, StaffSettings
from app.modules.stores.public import StoreView, list_stores


@dataclass(frozen=True, slots=True)
class PinRenewal:
    """A PIN with its renewal. staff_id: None for the shared PIN."""

    staff_id: UUID | None
    renewal: Renewal


async def find_settings(session: AsyncSession, store: StoreRef) -> StaffSettings:
    """Return what holds for a store."""
    return await get_settings(session, StaffSettings, merchant_id=store.merchant_id, store_id=store.id)


async def change_settings(
    session: AsyncSession, store: StoreRef, wanted: StaffSettings, *, by: Principal, now: datetime
) -> None:
    """Keep a store's settings; a renewal that begins or becomes shorter counts from now on."""
    before = await find_settings(session, store)
    since = renewal_since(
        before.pin_renewal_weeks, wanted.pin_renewal_weeks, before.pin_renewal_since, now=now
    )
    # What is saved says every field: a switch back to the default must count, too.
    whole = StaffSettings.model_validate({**wanted.model_dump(), "pin_renewal_since": since})
    await save_settings(session, whole, merchant_id=store.merchant_id, store_id=store.id)
    moved = sorted(name for name, value in whole.model_dump().items() if value != getattr(before, name))
    await record_audit(
        session,
        by,
        action="staff.settings_changed",
        target_kind="store",
        target_id=store.id,
        now=now,
        facts={"fields": moved},
    )


async def list_due(
    session: AsyncSession, store: StoreRef, *, time_zone: str, now: datetime
) -> list[PinRenewal]:
    """Return the PINs that are to be drawn anew now; none where the store has no schedule."""
    settings = await find_settings(session, store)
    if not settings.pin_renewal_weeks or settings.pin_renewal_since is None:
        return []
    members = await service.list_members(session, store)
    drawn: dict[UUID | None, datetime | None] = {row.id: row.pin_since for row in members if row.has_pin}
    if await service.has_shared_pin(session, store):
        drawn[None] = await service.find_shared_pin_since(session, store)
    rows = [
        PinRenewal(
            staff_id,
            renewal_of(
                drawn_at,
                weeks=settings.pin_renewal_weeks,
                grace=timedelta(days=settings.pin_renewal_grace_days),
                counted_from=settings.pin_renewal_since,
                time_zone=time_zone,
            ),
        )
        for staff_id, drawn_at in drawn.items()
    ]
    return [row for row in rows if row.renewal.state(now) != "fine"]


async def renew_due_pins(
    session: AsyncSession, store: StoreRef, *, time_zone: str, by: Principal, now: datetime
) -> list[DrawnPin]:
    """Draw the PINs that are due, and only those."""
    due = frozenset(row.staff_id for row in await list_due(session, store, time_zone=time_zone, now=now))
    return await service.rotate_all_pins(session, store, by=by, now=now, only=due) if due else []


async def run_renewals(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Tell the merchant what is due, remind, and end what nobody has renewed."""
    system = Principal("system", merchant_id, None)
    for view in await list_stores(session, merchant_id):
        if view.closed_at is not None:
            continue
        store = StoreRef(merchant_id, view.id)
        due = await list_due(session, store, time_zone=view.time_zone, now=now)
        ended = [row for row in due if row.renewal.state(now) == "ended"]
        waiting = [row for row in due if row.renewal.state(now) == "due"]
        if ended:
            ids = frozenset(row.staff_id for row in ended)
            await service.end_pins(session, store, ids, by=system, now=now)
            await _tell(session, view, ended, stage="ended", now=now)
        if waiting:
            last_days = any(row.renewal.is_last_days(now) for row in waiting)
            await _tell(session, view, waiting, stage="last_days" if last_days else "due", now=now)


async def _tell(
    session: AsyncSession, store: StoreView, rows: list[PinRenewal], *, stage: str, now: datetime
) -> None:
    """Queue one mail for each stage of a renewal."""
    merchant = await get_merchant(session, store.merchant_id)
    ends_at = min(row.renewal.ends_at for row in rows)
    base = resources_of(session).get(Settings).public_url.rstrip("/")
    with use_language(merchant.locale):
        subject, first = _words(store, len(rows), ends_at, stage=stage)
        how = _("The page draws the new ones and shows them once; print them or tell them there and then:")
        text = "\n\n".join([first, how, f"{base}/dashboard/staff/{store.id}"])
        label = _("Open the team page")
    for place, recipient in enumerate(await members_mail(session, store.merchant_id)):
        await queue_mail(
            session,
            merchant_id=store.merchant_id,
            recipient=recipient,
            kind="pin_renewal",
            locale=merchant.locale,
            subject=subject,
            text=text,
            action_label=label,
            now=now,
            once_key=f"pin_renewal:{store.id}:{stage}:{ends_at:%Y%m%d}:{place}",
        )


def _words(store: StoreView, number: int, ends_at: datetime, *, stage: str) -> tuple[str, str]:
    if stage == "ended":
        return _("PINs at %(store)s have ended", store=store.name), ngettext(
            "%(num)s PIN at %(store)s was to be renewed and has ended.",
            "%(num)s PINs at %(store)s were to be renewed and have ended.",
            number,
            num=number,
            store=store.name,
        )
    day = current().format_date(ends_at, zone=store.time_zone)
    return _("Time for new PINs at %(store)s", store=store.name), ngettext(
        "%(num)s PIN at %(store)s is to be renewed. It works until %(day)s.",
        "%(num)s PINs at %(store)s are to be renewed. They work until %(day)s.",
        number,
        num=number,
        store=store.name,
        day=day,
    )

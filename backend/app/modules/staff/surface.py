"""What staff shows on other pages: the navigation, tiles on the home, a panel on a store's page."""

from __future__ import annotations

from app.dependencies import StoreRef
from app.kernel.i18n import current, msg, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.points import NavItem, PageContext, Panel, Tile
from app.modules.staff.queries import count_wrong_by_store
from app.modules.staff.renewal import find_settings, list_due
from app.modules.staff.rules import ALERT
from app.modules.stores.public import list_stores


def nav_items(_page: PageContext) -> list[NavItem]:
    """Contribute the lines of the team and the devices."""
    shop = msg("Shop")
    return [
        NavItem(msg("Staff"), "/dashboard/staff", "id-badge-2", "staff.view", 200, shop),
        NavItem(msg("Devices"), "/dashboard/devices", "device-tablet", "staff.view", 210, shop),
    ]


async def home_tiles(page: PageContext) -> list[Tile]:
    """Show where somebody is guessing PINs, and where PINs are to be renewed; nothing while all is well."""
    if not page.principal.may("staff.view"):
        return []
    counts = await count_wrong_by_store(page.session, page.principal.merchant_id, now=page.now)
    tiles = [
        Tile(
            label=_("Wrong PINs this hour"),
            value=current().format_number(wrong),
            note=_("Somebody is guessing PINs"),
            url=f"/dashboard/staff/{store_id}",
            order=1,
        )
        for store_id, wrong in counts.items()
        if wrong >= ALERT.wrong_max
    ]
    return tiles + await _renewal_tiles(page)


async def _renewal_tiles(page: PageContext) -> list[Tile]:
    tiles = []
    for store in await list_stores(page.session, page.principal.merchant_id):
        if store.closed_at is not None:
            continue
        ref = StoreRef(store.merchant_id, store.id)
        due = await list_due(page.session, ref, time_zone=store.time_zone, now=page.now)
        if not due:
            continue
        until = current().format_date(min(row.renewal.ends_at for row in due), zone=store.time_zone)
        note = _("%(store)s: they end on %(day)s", store=store.name, day=until)
        url = f"/dashboard/staff/{store.id}"
        tiles.append(Tile(_("PINs to renew"), current().format_number(len(due)), note, url, order=3))
    return tiles


async def store_panel(page: PageContext) -> list[Panel]:
    """Show how PINs and shifts are set in a store."""
    if not page.principal.may("staff.view"):
        return []
    assert page.subject_id is not None
    settings = await find_settings(page.session, StoreRef(page.principal.merchant_id, page.subject_id))
    weeks, minutes = settings.pin_renewal_weeks, settings.idle_lock_minutes
    every = ngettext("every %(num)d week", "every %(num)d weeks", weeks, num=weeks) if weeks else _("never")
    idle = ngettext("%(num)d minute", "%(num)d minutes", minutes, num=minutes)
    facts = [
        {"label": _("Digits of a PIN"), "text": current().format_number(settings.pin_digits)},
        {"label": _("Renew PINs"), "text": every},
        {"label": _("Idle lock"), "text": idle},
    ]
    context = {"facts": facts, "store_id": page.subject_id, "may_edit": page.principal.may("staff.edit")}
    return [Panel(_("PINs and shifts"), "staff/_store_panel.html", context, order=60)]

"""The manifest of exports."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import EXPORTER, NAV_ITEM, PERSONAL_DATA, NavItem, PageContext
from app.modules.exports.jobs import FORGET, make_file
from app.modules.exports.personal import PERSONAL
from app.modules.exports.tables import TABLES

VIEW = "exports.view"
BUSINESS = msg("Business")


def nav_items(page: PageContext) -> list[NavItem]:
    """Return the line of the navigation."""
    return [NavItem(msg("Downloads"), "/dashboard/exports", "download", VIEW, order=930, section=BUSINESS)]


MODULE = Module(
    name="exports",
    title="Downloads",
    needs=("messaging", "merchants", "accounts"),
    has_models=True,
    routers=("pages:router",),
    hooks=(On(NAV_ITEM, nav_items),),
    offers=(
        *(Offer(EXPORTER, key, table) for key, table in TABLES.items()),
        Offer(PERSONAL_DATA, "exports", PERSONAL),
        Offer(AUDIT_ACTION, "export.made", msg("Table downloaded")),
    ),
    permissions=(
        Permission(VIEW, msg("Download tables"), roles=frozenset({"manager", "analyst"})),
        Permission("customers.export", msg("Download customers and cards"), roles=frozenset({"manager"})),
        Permission(
            "visits.export", msg("Download visits, entries and rewards"), roles=frozenset({"manager"})
        ),
    ),
    jobs=(make_file,),
    periodic=(FORGET,),
)

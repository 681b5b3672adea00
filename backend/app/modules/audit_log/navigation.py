"""The audit log's line in the dashboard's navigation."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the line; the trail is of the whole business, and not for who is limited to some stores."""
    if page.principal.store_ids:
        return []
    return [NavItem(msg("Changes"), "/dashboard/audit", "history", "audit.view", 940, msg("Business"))]

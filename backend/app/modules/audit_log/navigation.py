"""The audit log's line in the dashboard's navigation."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the line."""
    return [NavItem(msg("Changes"), "/dashboard/audit", "history", "audit.view", 940, msg("Business"))]

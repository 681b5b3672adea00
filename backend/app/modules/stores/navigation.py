"""What stores contribute to the dashboard's navigation."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the line of the stores."""
    return [NavItem(msg("Stores"), "/dashboard/stores", "building-store", "stores.view", 190, msg("Shop"))]

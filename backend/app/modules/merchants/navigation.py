"""What the business contributes to the dashboard's navigation; light, because the worker loads it, too."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the settings to the navigation."""
    business = msg("Business")
    return [
        NavItem(msg("Features"), "/dashboard/features", "sparkles", "merchant.edit", 905, business),
        NavItem(msg("Settings"), "/dashboard/settings", "settings", "merchant.edit", 900, business),
    ]

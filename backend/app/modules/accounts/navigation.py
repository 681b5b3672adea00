"""What the accounts contribute to the dashboard's navigation; light, because the worker loads it, too."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext

USER_SECTION = "user"


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the lines of the accounts to the navigation."""
    business = msg("Business")
    return [
        NavItem(msg("Team"), "/dashboard/team", "user-plus", "team.view", 910, business),
        NavItem(msg("API keys"), "/dashboard/api-keys", "key", "api_keys.edit", 920, business),
        NavItem(msg("My account"), "/dashboard/account", "user", "members.view", 944, USER_SECTION),
        NavItem(msg("My sessions"), "/dashboard/sessions", "lock", "members.view", 950, USER_SECTION),
    ]

"""What billing contributes to the dashboard: a line of the navigation, and a word at home when a limit is near."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext, Panel
from app.modules.billing.queries import read_usage
from app.modules.billing.service import find_plan

URL = "/dashboard/usage"


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the page of usage."""
    return [NavItem(msg("Plan and usage"), URL, "chart-bar", "billing.view", 950, msg("Business"))]


async def home_block(page: PageContext) -> list[Panel]:
    """Say at home which limits are near or reached, to those who see the usage."""
    principal = page.principal
    if not principal.may("billing.view") or await find_plan(page.session, principal.merchant_id) is None:
        return []
    usage = await read_usage(page.session, principal.merchant_id, now=page.now)
    near = [row for row in usage.rows if row.level != "fine"]
    if not near:
        return []
    return [Panel(_("Plan and usage"), "billing/_home.html", {"near": near, "usage_url": URL}, order=5)]

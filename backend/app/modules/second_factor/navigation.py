"""What the second factor contributes to the dashboard's frame and to the own account's page."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext, Panel
from app.modules.second_factor.mails import SECURITY_PATH
from app.modules.second_factor.service import factors_of


def nav_items(page: PageContext) -> list[NavItem]:
    """Contribute the line in the signed-in person's menu."""
    return [NavItem(msg("Signing in safely"), SECURITY_PATH, "shield-check", "members.view", 945, "user")]


async def account_panel(page: PageContext) -> list[Panel]:
    """Contribute how safe the own sign-in is, to the account's page."""
    principal = page.principal
    if principal.id is None:
        return []
    factors = await factors_of(page.session, principal.merchant_id, member_id=principal.id)
    context = {"factors": factors, "url": SECURITY_PATH}
    return [Panel(_("Signing in safely"), "second_factor/_account_panel.html", context, 50)]

"""What the second factor contributes to the dashboard's frame, to the own account's page and to a member's."""

from __future__ import annotations

from uuid import UUID

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import NavItem, PageContext, Panel
from app.modules.second_factor.mails import SECURITY_PATH
from app.modules.second_factor.service import factors_of

TEAM_PATH = "/dashboard/team"

AUDIT_WORDS = {
    "second_factor.app_on": msg("Authenticator app set up"),
    "second_factor.app_off": msg("Authenticator app turned off"),
    "second_factor.codes_drawn": msg("Recovery codes drawn anew"),
    "second_factor.code_used": msg("Recovery code used"),
    "second_factor.reset": msg("Second factor taken away"),
    "second_factor.reset_by_owner": msg("Second factor of a member taken away"),
    "second_factor.required": msg("Second step asked of everyone"),
    "second_factor.optional": msg("Second step made optional"),
    "passkey.added": msg("Passkey added"),
    "passkey.renamed": msg("Passkey renamed"),
    "passkey.removed": msg("Passkey removed"),
    "passkey.blocked": msg("Passkey blocked: it looks copied"),
}


def reset_path(member_id: UUID) -> str:
    """Return where the form of a member's page goes."""
    return f"{TEAM_PATH}/{member_id}/second-factor/reset"


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


async def member_panel(page: PageContext) -> list[Panel]:
    """Contribute whether a member has a second step, and the owner's way to take it away."""
    if page.subject_id is None:
        return []
    factors = await factors_of(page.session, page.principal.merchant_id, member_id=page.subject_id)
    context = {"factors": factors, "action": reset_path(page.subject_id)}
    return [Panel(_("Second step"), "second_factor/_member_panel.html", context, 50)]

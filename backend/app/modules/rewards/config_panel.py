"""The rewards on a store's page; apart from the pages, because the worker loads manifests, too."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.points import PageContext, Panel
from app.modules.rewards.config import list_program_rewards
from app.modules.stores.public import get_store


async def store_panel(page: PageContext) -> list[Panel]:
    """Contribute the rewards of a store's programme to its page."""
    assert page.subject_id is not None
    merchant_id = page.principal.merchant_id
    store = await get_store(page.session, merchant_id, page.subject_id)
    rows = await list_program_rewards(page.session, merchant_id, store.program.id)
    context = {
        "rewards": rows,
        "base_url": f"/dashboard/stores/{store.id}/rewards",
        "may_edit": page.principal.may("rewards.edit"),
    }
    return [Panel(_("Rewards"), "rewards/_store_panel.html", context, order=10)]

"""What design shows on a store's page: the ways to the designer and to the posters."""

from __future__ import annotations

from app.kernel.i18n import gettext as _
from app.kernel.points import PageContext, Panel


def store_panel(page: PageContext) -> list[Panel]:
    """Return the block with the two ways, as far as the member may go."""
    context = {"store_id": page.subject_id, "may_design": page.principal.may("programme.edit")}
    return [Panel(_("Card and posters"), "design/_store.html", context, order=5)]

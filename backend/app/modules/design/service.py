"""Saving a design: the form's choices become the programme's, and every card of it is drawn anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.modules.design.cards.pictures import find_picture
from app.modules.design.rules import update_seconds
from app.modules.design.schemas import DesignForm
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import StoreView, change_program
from app.modules.wallets.public import count_cards, own_icon, own_photo, owner_of


def design_url(store_id: UUID) -> str:
    """Return the designer's address."""
    return f"/dashboard/stores/{store_id}/design"


async def draft_design(session: AsyncSession, store: StoreView, form: DesignForm) -> dict[str, Any]:
    """Return the programme's whole design as the form would make it; raises Invalid for a picture of others."""
    merchant = await get_merchant(session, store.merchant_id)
    await _check_pictures(session, store, form)
    changes = form.to_design(store.merchant_id, locale=merchant.locale)
    merged = {**store.program.design, **changes}
    return {name: value for name, value in merged.items() if value is not None}


async def _check_pictures(session: AsyncSession, store: StoreView, form: DesignForm) -> None:
    """Refuse pictures that are not the merchant's: an address typed by hand must not get onto a card."""
    if form.logo and await find_picture(session, store.merchant_id, form.logo, locked="together") is None:
        raise Invalid(extra={"fields": {"logo": _("This picture is not there any more.")}})
    for field, name, own in (("icon", form.icon, own_icon), ("ground", form.ground, own_photo)):
        if not name.startswith(("own-", "photo-")):
            continue
        digest = name.rpartition("-")[2]
        known = owner_of(name) == store.merchant_id and name == own(store.merchant_id, digest)
        if not known or await find_picture(session, store.merchant_id, digest, locked="together") is None:
            raise Invalid(extra={"fields": {field: _("This picture is not there any more.")}})


async def save_design(
    session: AsyncSession, principal: Principal, store: StoreView, *, form: DesignForm, now: datetime
) -> None:
    """Write the design; a job then marks the programme's cards in batches, so that wallets follow. Raises Invalid."""
    merchant = await get_merchant(session, store.merchant_id)
    await _check_pictures(session, store, form)
    design = form.to_design(store.merchant_id, locale=merchant.locale)
    await change_program(session, principal, store.id, changes={"design": design}, now=now)


async def reach_of(session: AsyncSession, store: StoreView) -> dict[str, int]:
    """Return how many cards a change reaches, how many of them live in wallets, and about how long it takes."""
    counts = await count_cards(session, store.merchant_id, program_id=store.program.id)
    return {"cards": counts.active, "wallets": counts.either, "seconds": update_seconds(counts.either)}

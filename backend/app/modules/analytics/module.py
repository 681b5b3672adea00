"""The manifest of analytics."""

from __future__ import annotations

from app.kernel.hooks import On
from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.modules.analytics.jobs import KEEP, count_anew, on_card_joined, on_cards_changed, poll_pending
from app.modules.cards.public import CARD_JOINED
from app.modules.wallets.public import CARDS_CHANGED

MODULE = Module(
    name="analytics",
    title="Analytics",
    needs=("merchants", "stores", "staff", "customers", "cards", "wallets"),
    has_models=True,
    hooks=(On(CARDS_CHANGED, on_cards_changed), On(CARD_JOINED, on_card_joined)),
    permissions=(
        Permission(
            "analytics.view", msg("See the figures"), roles=frozenset({"manager", "analyst"}), api_scope=True
        ),
    ),
    jobs=(count_anew,),
    periodic=(KEEP,),
    pollers=(poll_pending,),
)

"""The manifest of stamps."""

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.ledger import INVARIANT
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.modules.cards.public import CARD_MERGED
from app.modules.stamps.invariants import stamps_equal_entries
from app.modules.stamps.subscribers import move_merged_stamps

MODULE = Module(
    name="stamps",
    title="Stamps",
    layer="foundation",
    needs=("stores", "cards"),
    has_models=True,
    hot_routers=("api:router",),
    hooks=(On(CARD_MERGED, move_merged_stamps),),
    offers=(Offer(INVARIANT, "stamps", stamps_equal_entries),),
    permissions=(Permission("stamps.give", msg("Give stamps through an API key"), api_scope=True),),
)

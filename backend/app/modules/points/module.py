"""The manifest of points."""

from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.ledger import INVARIANT
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.modules.cards.public import CARD_MERGED
from app.modules.points.invariants import lots_hold_the_balance, points_equal_entries
from app.modules.points.subscribers import move_merged_points

MODULE = Module(
    name="points",
    title="Points",
    layer="foundation",
    needs=("stores", "cards", "stamps"),
    has_models=True,
    hot_routers=("api:router",),
    hooks=(On(CARD_MERGED, move_merged_points),),
    offers=(
        Offer(INVARIANT, "points", points_equal_entries),
        Offer(INVARIANT, "points_lots", lots_hold_the_balance),
    ),
    permissions=(Permission("points.give", msg("Give points through an API key"), api_scope=True),),
)

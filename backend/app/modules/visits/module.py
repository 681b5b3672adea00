"""The manifest of visits."""

from app.kernel.i18n import msg
from app.kernel.module import Module
from app.kernel.permissions import Permission

MODULE = Module(
    name="visits",
    title="Visits",
    layer="foundation",
    needs=("merchants", "stores", "cards", "staff", "wallets", "stamps", "points", "rewards"),
    has_models=True,
    routers=("api:router",),
    permissions=(
        Permission(
            "visits.void",
            msg("Take visits and redemptions back"),
            roles=frozenset({"manager"}),
            api_scope=True,
        ),
    ),
)

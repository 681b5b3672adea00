"""The manifest of visits."""

from app.kernel.hooks import Offer
from app.kernel.i18n import msg
from app.kernel.metering import METER
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.modules.visits.explaining import EARN_RULE, rate_words
from app.modules.visits.meters import API_VISITS, VISITS

MODULE = Module(
    name="visits",
    title="Visits",
    layer="foundation",
    needs=("merchants", "stores", "cards", "staff", "wallets", "stamps", "points", "rewards"),
    has_models=True,
    offers=(
        Offer(EARN_RULE, "rate", rate_words),
        Offer(METER, "visits", VISITS),
        Offer(METER, "api_visits", API_VISITS),
    ),
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

"""The manifest of cards."""

from app.kernel.hooks import Offer
from app.kernel.metering import METER
from app.kernel.module import Module
from app.kernel.points import PERSONAL_DATA
from app.modules.cards.jobs import sweep
from app.modules.cards.meters import CARDS
from app.modules.cards.personal import PERSONAL

MODULE = Module(
    name="cards",
    title="Cards",
    layer="foundation",
    needs=("merchants", "stores", "customers", "messaging"),
    has_models=True,
    routers=("api:router",),
    periodic=(sweep,),
    offers=(Offer(METER, "cards", CARDS), Offer(PERSONAL_DATA, "cards", PERSONAL)),
)

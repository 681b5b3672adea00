"""The manifest of messaging."""

from app.kernel.hooks import Offer
from app.kernel.module import Module
from app.kernel.points import PERSONAL_DATA
from app.kernel.sealing import SEALED
from app.modules.messaging.jobs import retention, send_message
from app.modules.messaging.personal import PERSONAL
from app.modules.messaging.service import SEALED_MAILS
from app.modules.messaging.smtp import prepare_transport

MODULE = Module(
    name="messaging",
    title="Messages",
    layer="foundation",
    needs=(),
    has_models=True,
    routers=("pages:router",),
    offers=(Offer(PERSONAL_DATA, "messaging", PERSONAL), Offer(SEALED, "messaging", SEALED_MAILS)),
    jobs=(send_message,),
    periodic=(retention,),
    resources=(prepare_transport,),
)

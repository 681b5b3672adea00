"""The manifest of messaging."""

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer
from app.kernel.i18n import msg
from app.kernel.metering import METER
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import PERSONAL_DATA
from app.kernel.sealing import SEALED
from app.modules.messaging.jobs import retention, send_marketing, send_message
from app.modules.messaging.meters import MAILS
from app.modules.messaging.personal import PERSONAL
from app.modules.messaging.service import SEALED_MAILS
from app.modules.messaging.smtp import prepare_transport

MODULE = Module(
    name="messaging",
    title="Messages",
    layer="foundation",
    needs=(),
    has_models=True,
    routers=("pages:router", "bounces.api:router", "bounces.pages:router"),
    permissions=(
        Permission(
            "messages.edit",
            msg("Write messages and see what came back"),
            frozenset({"manager"}),
            of_all_stores=True,
        ),
    ),
    offers=(
        Offer(METER, "mails", MAILS),
        Offer(PERSONAL_DATA, "messaging", PERSONAL),
        Offer(SEALED, "messaging", SEALED_MAILS),
        Offer(AUDIT_ACTION, "mail.address_lifted", msg("Mail to an address allowed again")),
    ),
    jobs=(send_message, send_marketing),
    periodic=(retention,),
    resources=(prepare_transport,),
)

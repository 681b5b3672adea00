"""The manifest of the operator's page."""

from app.kernel.hooks import Offer
from app.kernel.module import Module
from app.kernel.operating import MEASURE, OPERATOR_SIGN
from app.kernel.sealing import SEALED
from app.modules.operators.jobs import sweep
from app.modules.operators.looking.measures import MEASURES
from app.modules.operators.looking.signs import backup_signs, database_signs, disk_signs, work_signs
from app.modules.operators.signing_in.accounts import SEALED_SECRETS

MODULE = Module(
    name="operators",
    title="Operator's page",
    layer="surface",
    needs=("accounts", "second_factor", "billing"),
    has_models=True,
    routers=("pages:router", "work_pages:router", "shop_pages:router", "usage_pages:router"),
    offers=(
        Offer(SEALED, "operators", SEALED_SECRETS),
        Offer(OPERATOR_SIGN, "work", work_signs),
        Offer(OPERATOR_SIGN, "database", database_signs),
        Offer(OPERATOR_SIGN, "disk", disk_signs),
        Offer(OPERATOR_SIGN, "backup", backup_signs),
        *(Offer(MEASURE, name, measure) for name, measure in MEASURES.items()),
    ),
    periodic=(sweep,),
)

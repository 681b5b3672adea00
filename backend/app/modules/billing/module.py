"""The manifest of billing."""

from __future__ import annotations

from app.kernel.audit import AUDIT_ACTION
from app.kernel.hooks import Offer, On
from app.kernel.i18n import msg
from app.kernel.metering import PLAN_LIMIT
from app.kernel.module import Module
from app.kernel.permissions import Permission
from app.kernel.points import DEMO_DATA, HOME_BLOCK, NAV_ITEM
from app.modules.billing.demo import add_months
from app.modules.billing.jobs import count, go_round
from app.modules.billing.plans import prepare_plans
from app.modules.billing.service import answer_limit
from app.modules.billing.showing import home_block, nav_items

MODULE = Module(
    name="billing",
    title="Plans and usage",
    needs=("merchants",),
    has_models=True,
    routers=("pages:router",),
    hooks=(On(PLAN_LIMIT, answer_limit), On(NAV_ITEM, nav_items), On(HOME_BLOCK, home_block)),
    offers=(
        Offer(AUDIT_ACTION, "billing.plan_given", msg("Plan changed by the operator")),
        Offer(DEMO_DATA, "billing", add_months),
    ),
    permissions=(
        Permission(
            "billing.view",
            msg("See the plan and what is used of it"),
            frozenset({"manager"}),
            of_all_stores=True,
        ),
    ),
    jobs=(count,),
    periodic=(go_round,),
    resources=(prepare_plans,),
)

"""What a closed business refuses, by what every request has read anyway: no statement of its own."""

from __future__ import annotations

from app.kernel.metering import REFUSE, LimitAnswer, LimitAsk
from app.kernel.outcomes import Refusal
from app.kernel.permissions import MemberAsk
from app.modules.closing.rules import may_still
from app.modules.merchants.public import ShopAsk, get_merchant
from app.modules.messaging.public import MailCheck
from app.modules.visits.public import EarnContext

FEATURE = "closing"


def refuse_visit(context: EarnContext) -> Refusal | None:
    """Give nothing more on the cards of a closed business."""
    return Refusal("shop_closed") if context.rules_of(FEATURE) else None


def refuse_member(ask: MemberAsk) -> Refusal | None:
    """Let members of a closed business look, and nothing else."""
    closing = ask.principal.extra.get("feature_rules", {}).get(FEATURE)
    if not closing:
        return None
    allowed = may_still(ask.permission, reads_only=ask.reads_only, is_erased=bool(closing.get("erased")))
    return None if allowed else Refusal("business_closed")


def refuse_shop(ask: ShopAsk) -> Refusal | None:
    """Give no gift, bring in no file and let nobody into the team of a closed business."""
    return Refusal("business_closed") if FEATURE in ask.feature_rules else None


async def refuse_new(ask: LimitAsk) -> list[LimitAnswer]:
    """Make no card, and nothing else that is new, in a closed business."""
    merchant = await get_merchant(ask.session, ask.merchant_id)
    if FEATURE not in merchant.feature_rules:
        return []
    return [LimitAnswer(REFUSE, 0, 0, code="shop_closed")]


async def refuse_mail(check: MailCheck) -> str | None:
    """Send no news of a closed business."""
    merchant = await get_merchant(check.session, check.merchant_id)
    return "business_closed" if FEATURE in merchant.feature_rules else None

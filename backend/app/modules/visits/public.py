"""What other modules use of visits: giving one, taking one back, and the points at which they join in."""

from app.modules.rewards.public import PIN_ERRORS, VoidCommand, VoidGranted
from app.modules.visits.explaining import EARN_RULE, ShownLine, explain_visit
from app.modules.visits.hooks import EARN_GUARD, EARN_MODIFIER, EARNED, EarnContext, EarnedContext
from app.modules.visits.models import Visit
from app.modules.visits.presenting import answer_award, present_award
from app.modules.visits.routes import TillRoute
from app.modules.visits.rules import EarnDraft, ExplanationLine, VisitPolicy, VisitRequest, VisitState
from app.modules.visits.schemas import AwardAnswer, PointsRequest, StampRequest, Tenders
from app.modules.visits.service import AwardCommand, AwardGranted, award_visit
from app.modules.visits.tenders import TenderOffer, list_tenders, name_tenders, read_tenders
from app.modules.visits.undo import void_visit

AWARD_ERRORS = (
    *PIN_ERRORS,
    *("card_blocked", "daily_cap", "wrong_loyalty_type", "credit_short", "key_reused", "shop_closed"),
    "unavailable",
)

__all__ = [
    "AWARD_ERRORS",
    "EARNED",
    "EARN_GUARD",
    "EARN_MODIFIER",
    "EARN_RULE",
    "AwardAnswer",
    "AwardCommand",
    "AwardGranted",
    "EarnContext",
    "EarnDraft",
    "EarnedContext",
    "ExplanationLine",
    "PointsRequest",
    "ShownLine",
    "StampRequest",
    "TenderOffer",
    "Tenders",
    "TillRoute",
    "Visit",
    "VisitPolicy",
    "VisitRequest",
    "VisitState",
    "VoidCommand",
    "VoidGranted",
    "answer_award",
    "award_visit",
    "explain_visit",
    "list_tenders",
    "name_tenders",
    "present_award",
    "read_tenders",
    "void_visit",
]

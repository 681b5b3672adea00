"""What other modules use of points."""

from app.modules.points.models import PointsEvent, PointsLot
from app.modules.points.rules import (
    PointsPolicy,
    add_months,
    exact_points,
    lot_expiry,
    points_for,
    round_points,
)
from app.modules.points.service import give_points, give_points_back, lock_lots, take_points

__all__ = [
    "PointsEvent",
    "PointsLot",
    "PointsPolicy",
    "add_months",
    "exact_points",
    "give_points",
    "give_points_back",
    "lock_lots",
    "lot_expiry",
    "points_for",
    "round_points",
    "take_points",
]

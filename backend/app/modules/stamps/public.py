"""What other modules use of stamps."""

from app.modules.stamps.models import StampEvent
from app.modules.stamps.rules import StampGranted, StampPolicy, StampState, decide_stamp, next_stamp_at
from app.modules.stamps.service import Cause, move_stamps

__all__ = [
    "Cause",
    "StampEvent",
    "StampGranted",
    "StampPolicy",
    "StampState",
    "decide_stamp",
    "move_stamps",
    "next_stamp_at",
]
